"""The metrics by name; NumPy is imported when one is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..registry import Registry, instance_of

if TYPE_CHECKING:
    from .base import Metric


def _checked(item: object) -> Metric:
    from .base import Metric

    return instance_of(Metric, item, ("name",))  # type: ignore[type-abstract]


class MetricRegistry(Registry["Metric"]):
    """The metrics, also several of them and with options: ``llp,psds(dtc=0.5,gtc=0.5)``."""

    def get(self, name: str) -> Metric:
        """The metric of a name, of ``package.module:Object``, or of a text as :func:`.named.metric_named` reads it."""
        from .named import is_plain, metric_named

        return super().get(name) if is_plain(name) else metric_named(name, super().get)

    def name_of(self, item: Metric, name: str) -> str:
        """What finds a metric again; of a ranking metric, and of several, with the options that are changed."""
        from .joint import JointMetric
        from .named import spelled
        from .ranking import RankingMetric

        own = isinstance(item, RankingMetric) and self.is_own(item.name)
        return spelled(item) if own or isinstance(item, JointMetric) else super().name_of(item, name)


METRICS = MetricRegistry(
    "metric",
    "avreplay.metrics",
    {
        "llp": "avreplay.core.metrics.llp:LlpMetric",
        "ave_accuracy": "avreplay.core.metrics.ave_accuracy:AveAccuracy",
        "ovavel": "avreplay.core.metrics.ovavel:OvavelMetric",
        "map_tiou": "avreplay.core.metrics.map_tiou:MapTiou",
        "psds": "avreplay.core.metrics.psds:Psds",
        "intersection_f1": "avreplay.core.metrics.event_f1:IntersectionF1",
        "collar_f1": "avreplay.core.metrics.event_f1:CollarF1",
        "segment_map": "avreplay.core.metrics.segment_map:SegmentMap",
        "segment_curves": "avreplay.core.metrics.segment_map:SegmentCurves",
        "calibration": "avreplay.core.metrics.calibration:Calibration",
    },
    _checked,
)
"""The ten figures of LLP, the accuracy of AVE, OV-AVEL's figures, the ranking metrics, and those of plug-ins."""
