"""The objective of a search as a metric: on whatever videos, or on subsets of those of a search."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...core.events import Events
from ...core.metrics.base import Metric, Scores, Truth, checked_score
from ...core.target import Target
from .objective import Objective

Videos = NDArray[np.int64]
"""Indices of some of the videos of a problem."""


class ObjectiveMetric(Metric):
    """The objective of a search as the one figure of a metric, on whatever videos it is given."""

    mean_over_videos = False

    def __init__(self, target: Target, objective: Objective) -> None:
        self.inner: Metric = target.metric
        self.objective = objective
        self._names = target.names
        self.name: str = self.inner.name  # type: ignore[misc]
        self.reads: frozenset[str] = self.inner.reads  # type: ignore[misc]

    def names(self, truth: Truth) -> tuple[str, ...]:
        return ("objective",)

    def score(self, predicted: Events, truth: Truth) -> Scores:
        return Scores(self.names(truth), self.value(predicted, truth)[:, None])

    def value(self, predicted: Events, truth: Truth) -> NDArray[np.float64]:
        """The objective (P,); NaN where it needs the figure of a group of which none of the videos is."""
        found = checked_score(self.inner, predicted, truth)
        return self.objective.among(self._names, found.names, found.values)

    def resampled(self, predicted: Events, truth: Truth, draws: NDArray[np.int64]) -> NDArray[np.float64]:
        if self.inner.groups(truth):  # a resample may have none of a group, and other figures then
            return super().resampled(predicted, truth, draws)
        found = self.inner.resampled(predicted, truth, draws)
        return self.objective.among(self._names, self.inner.names(truth), found)[:, None]


class SubsetMetric(ObjectiveMetric):
    """The objective of a search on each of S subsets of its videos, as S figures; NaN where it is undefined."""

    def __init__(self, target: Target, objective: Objective, subsets: Sequence[Videos]) -> None:
        super().__init__(target, objective)
        self._subsets = subsets

    def names(self, truth: Truth) -> tuple[str, ...]:
        return tuple(f"subset_{i}" for i in range(len(self._subsets)))

    def score(self, predicted: Events, truth: Truth) -> Scores:
        if self.inner.mean_over_videos:
            found = checked_score(self.inner, predicted, truth)
            assert found.per_video is not None
            parts = self.objective.of(found.per_video)
            columns = [mean_of(parts, found.weights, videos) for videos in self._subsets]
        else:
            columns = [self.value(predicted.select(videos), truth.select(videos)) for videos in self._subsets]
        return Scores(self.names(truth), np.stack(columns, axis=1))


def mean_of(parts: NDArray[np.float64], weights: NDArray[np.float64] | None, videos: Videos) -> NDArray[np.float64]:
    """Mean (P,) over some videos of each video's part in the objective (P, N); NaN where no video counts."""
    some = np.ascontiguousarray(parts[:, videos])
    if weights is None:
        return some.sum(axis=1) / len(videos) if len(videos) else np.full(len(parts), np.nan)
    w = weights[videos]
    counted = np.ascontiguousarray(some[:, w > 0]) * w[w > 0]
    return counted.sum(axis=1) / w.sum() if w.any() else np.full(len(parts), np.nan)
