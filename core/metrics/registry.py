"""The metrics by name."""

from __future__ import annotations

from ..registry import Registry, instance_of
from .base import Metric


def _checked(item: object) -> Metric:
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
