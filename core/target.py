"""What settings are scored against in a search: a metric on N annotated videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .bundle import ScoreBundle
from .events import Events
from .metrics.base import Metric, Scores, Truth, checked_score


@dataclass(frozen=True, eq=False)
class Target:
    """A metric, the annotated events of N videos, and how predicted ones are brought to them.

    metric : what scores them
    truth : annotations of the N videos
    to_label : (C,) int32, the annotations' index of each label that replay knows, -1 for a name of the background,
        whose events do not count
    cut : drop what is predicted beyond the annotated end (only where lengths differ)
    """

    metric: Metric
    truth: Truth
    to_label: NDArray[np.int32]
    cut: bool = False

    @classmethod
    def on(cls, bundle: ScoreBundle, events: Events, metric: Metric) -> Target:
        """Annotated events of the videos of a bundle, in its labels and segments."""
        seconds = np.full(bundle.num_videos, bundle.segment_seconds)
        truth = Truth(events, bundle.segments_per_video, bundle.labels, seconds)
        return cls(metric, truth, np.arange(bundle.num_labels, dtype=np.int32))

    def select(self, videos: Sequence[int] | NDArray[np.int64]) -> Target:
        """The same on some of the videos, in the order given."""
        return replace(self, truth=self.truth.select(videos))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the figures of a search: those with a part in each video, or all where the metric has no parts."""
        return self.metric.video_names(self.truth) or self.metric.names(self.truth)

    def fitted(self, events: Events) -> Events:
        """Predicted events with the annotations' labels and lengths."""
        moved = replace(events, label=self.to_label[events.label])
        if (self.to_label < 0).any():
            moved = moved.where(moved.label >= 0)
        return moved.cut(self.truth.segments, self.truth.seconds) if self.cut else moved

    def score(self, events: Events) -> Scores:
        """The figures of every setting in ``events``."""
        return checked_score(self.metric, self.fitted(events), self.truth)


def weighted_sum(figures: NDArray[np.float64], weights: Sequence[float]) -> NDArray[np.float64]:
    """The objective (...) of figures (..., M) by their weights (M,), a figure without weight may be undefined.

    Term by term: a matrix product, and Python's own sum, may round differently for other shapes and versions.
    """
    total = np.zeros(figures.shape[:-1])
    for i, weight in enumerate(weights):
        if weight:
            total += weight * figures[..., i]
    return total
