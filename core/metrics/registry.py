"""The metrics by name; NumPy is imported when one is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..registry import Registry, instance_of

if TYPE_CHECKING:
    from .base import Metric


def _checked(item: object) -> Metric:
    from .base import Metric

    return instance_of(Metric, item, ("name",))  # type: ignore[type-abstract]


METRICS: Registry[Metric] = Registry(
    "metric",
    "avreplay.metrics",
    {
        "llp": "avreplay.core.metrics.llp:LlpMetric",
        "ave_accuracy": "avreplay.core.metrics.ave_accuracy:AveAccuracy",
        "ovavel": "avreplay.core.metrics.ovavel:OvavelMetric",
    },
    _checked,
)
"""The ten figures of LLP, the accuracy of AVE, OV-AVEL's figures, and those of plug-ins."""
