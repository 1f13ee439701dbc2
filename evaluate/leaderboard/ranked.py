"""What ranks the rows: a figure of the metric, or the objective of the searches as one more figure of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...core.events import Events
from ...core.metrics.base import Metric, Scores, Truth, checked_score
from ...core.registry import failures_of
from ..tuning.objective import Objective

OBJECTIVE = "objective"
"""Name of the figure where the objective is none of the metric's."""


class RankedMetric(Metric):
    """A metric with the objective of a search before its own figures, so that it gets an interval as they do.

    wanted : names of the figures that the weights of the objective are of
    """

    def __init__(self, inner: Metric, objective: Objective, wanted: Sequence[str]) -> None:
        self.inner = inner
        self._objective, self._wanted = objective, wanted
        self.name: str = inner.name  # type: ignore[misc]
        self.reads: frozenset[str] = inner.reads  # type: ignore[misc]
        self.mean_over_videos: bool = inner.mean_over_videos  # type: ignore[misc]
        self.headline: tuple[str, ...] = (OBJECTIVE, *inner.headline)  # type: ignore[misc]

    def names(self, truth: Truth) -> tuple[str, ...]:
        return (OBJECTIVE, *self.inner.names(truth))

    def video_names(self, truth: Truth) -> tuple[str, ...]:
        found = self.inner.video_names(truth)
        return (OBJECTIVE, *found) if found else ()

    def score(self, predicted: Events, truth: Truth) -> Scores:
        found = checked_score(self.inner, predicted, truth)
        values = np.concatenate([self._of(found.names, found.values)[:, None], found.values], axis=1)
        parts = found.per_video
        if parts is not None:
            parts = np.concatenate([self._of(found.video_names, parts)[..., None], parts], axis=2)
        return Scores((OBJECTIVE, *found.names), values, parts, found.weights)

    def resampled(self, predicted: Events, truth: Truth, draws: NDArray[np.int64]) -> NDArray[np.float64]:
        if self.inner.groups(truth):  # a resample may have none of a group, and other figures then
            return super().resampled(predicted, truth, draws)
        found = self.inner.resampled(predicted, truth, draws)
        return np.concatenate([self._of(self.inner.names(truth), found)[:, None], found], axis=1)

    def groups(self, truth: Truth) -> dict[str, int]:
        return self.inner.groups(truth)

    def notes(self, predicted: Events, truth: Truth) -> tuple[str, ...]:
        return self.inner.notes(predicted, truth)

    def title(self, name: str) -> tuple[str, str]:
        return ("", name) if name == OBJECTIVE else self.inner.title(name)

    def _of(self, names: Sequence[str], figures: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._objective.among(self._wanted, names, figures)


def ranked_by(metric: Metric, objective: Objective, names: Sequence[str]) -> tuple[Metric, str]:
    """A metric whose figures include what ranks the rows, and the name of that figure; ``names`` are the figures that
    the weights of the objective are of."""
    weights = {n: w for n, w in zip(names, objective.weights, strict=True) if w}
    if list(weights.values()) == [1.0]:
        return metric, next(iter(weights))
    return RankedMetric(metric, objective, names), OBJECTIVE


def shown_figures(metric: Metric, truth: Truth, rank: str) -> tuple[str, ...]:
    """The figures that tables show: what ranks the rows, then the metric's headline, all where it declares none."""
    with failures_of("metric", metric, metric.name):
        names = tuple(metric.names(truth))
    headline = [n for n in metric.headline if n in names] or list(names)
    return tuple(dict.fromkeys((rank, *headline)))
