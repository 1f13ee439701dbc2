"""What the settings of a sweep are scored against: a dataset's figures on N annotated videos."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .events import Events
from .metrics.ave_accuracy import ave_accuracy
from .metrics.llp import METRIC_NAMES, llp_f_scores, named_columns
from .metrics.ovavel import OVAVEL_METRIC_NAMES, ovavel_metrics


class Target(Protocol):
    """What settings are scored against, on N videos."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the M figures."""

    def score(self, events: Events) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Figures (P, M) and each video's part in them (P, N, M), percent."""


@dataclass(frozen=True, eq=False)
class Annotated:
    """Annotated events of N videos, and how predicted ones are brought to them.

    truth : annotated events; segments : (N,) scored; num_labels : of the annotations
    to_label : (C,) the annotations' index of each label that replay knows
    cut : drop what is predicted beyond the annotated end (only where lengths differ)
    """

    truth: Events
    segments: NDArray[np.int64]
    num_labels: int
    to_label: NDArray[np.int32]
    cut: bool = False

    def fitted(self, events: Events) -> Events:
        """Predicted events with the annotations' labels and lengths."""
        moved = replace(events, label=self.to_label[events.label])
        return moved.cut(self.segments) if self.cut else moved


@dataclass(frozen=True, eq=False)
class LlpTarget(Annotated):
    """The ten LLP figures, :data:`avreplay.core.metrics.llp.METRIC_NAMES`."""

    iou: float = 0.5

    @property
    def names(self) -> tuple[str, ...]:
        return METRIC_NAMES

    def score(self, events: Events) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        f = llp_f_scores(self.fitted(events), self.truth, self.segments, self.num_labels, iou=self.iou)
        return named_columns(100.0 * f.mean(axis=1)), 100.0 * named_columns(f)


@dataclass(frozen=True, eq=False)
class AveTarget(Annotated):
    """AVE accuracy: one figure, the share of segments whose label is right."""

    first_only: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        return ("accuracy",)

    def score(self, events: Events) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        said = self.fitted(events)
        correct = ave_accuracy(said, self.truth, self.segments, self.num_labels, first_only=self.first_only)
        figures = 100.0 * correct.sum(axis=1, keepdims=True) / self.segments.sum()
        return figures, (100.0 * correct / self.segments)[:, :, None]


@dataclass(frozen=True, eq=False)
class OvavelTarget(Annotated):
    """OV-AVEL's figures over all videos; fields as :func:`avreplay.core.metrics.ovavel.ovavel_metrics`."""

    other: int = -1
    other_is_background: bool = False
    iou: float = 0.5

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"total_{name}" for name in OVAVEL_METRIC_NAMES)

    def score(self, events: Events) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        m = ovavel_metrics(
            self.fitted(events), self.truth, self.segments, self.num_labels,
            other=self.other, other_is_background=self.other_is_background, iou=self.iou,
        )  # fmt: skip
        return m.table(), m.per_video
