"""The objective of settings on subsets and resamples of the videos of a search, whatever the metric.

A setting is replayed once for all subsets. A figure that is a mean over videos is made of each video's part; any other
is scored on each subset anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.events import Events
from ....core.metrics.base import Metric, Scores, Truth, checked_score
from ....core.params.table import ParamTable
from ....core.sweep import sweep
from ..objective import Objective
from ..problem import Problem

Videos = NDArray[np.int64]
"""Indices of some of the videos of a problem."""

Step = Callable[[int], None]
"""Called with the number of settings that were replayed since the last call."""


class ObjectiveMetric(Metric):
    """The objective of a search as the one figure of a metric, on whatever videos it is given."""

    mean_over_videos = False

    def __init__(self, problem: Problem, objective: Objective) -> None:
        self.inner: Metric = problem.target.metric
        self.objective = objective
        self._names = problem.target.names
        self.name = self.inner.name  # type: ignore[misc]

    def names(self, truth: Truth) -> tuple[str, ...]:
        return ("objective",)

    def score(self, predicted: Events, truth: Truth) -> Scores:
        return Scores(self.names(truth), self.value(predicted, truth)[:, None])

    def value(self, predicted: Events, truth: Truth) -> NDArray[np.float64]:
        """The objective (P,); NaN where it needs the figure of a group of which none of the videos is."""
        found = checked_score(self.inner, predicted, truth)
        undefined = np.full(len(found.values), np.nan)
        figures = [found.values[:, found.names.index(n)] if n in found.names else undefined for n in self._names]
        return self.objective.of(np.stack(figures, axis=1))


class SubsetMetric(ObjectiveMetric):
    """The objective of a search on each of S subsets of its videos, as S figures; NaN where it is undefined."""

    def __init__(self, problem: Problem, objective: Objective, subsets: Sequence[Videos]) -> None:
        super().__init__(problem, objective)
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


def on_subsets(
    problem: Problem,
    table: ParamTable[Any],
    objective: Objective,
    subsets: Sequence[Videos],
    threads: int | None = None,
    step: Step = lambda _: None,
) -> NDArray[np.float64]:
    """The objective of P settings on S subsets, (P, S), from one sweep over all videos.

    Raises: as :func:`avreplay.core.sweep.sweep`.
    """
    metric = SubsetMetric(problem, objective, subsets)
    target = replace(problem.target, metric=metric)
    weights = [0.0] * len(subsets)
    out = np.empty((len(table), len(subsets)))
    for p in sweep(problem.decoder, problem.inputs, table, target, weights, threads=threads):
        out[p.begin : p.begin + len(p.figures)] = p.figures
        step(len(p.figures))
    return out


def of_each_video(
    problem: Problem,
    table: ParamTable[Any],
    objective: Objective,
    threads: int | None = None,
    step: Step = lambda _: None,
) -> NDArray[np.float64] | None:
    """Each video's part in the objective of P settings (P, N), 0 where a video has no weight; None for a metric that is
    no mean over videos."""
    found = []
    for p in sweep(problem.decoder, problem.inputs, table, problem.target, objective.weights, threads=threads):
        step(len(p.objective))
        if p.per_video is not None:
            found.append(p.per_video)
    if not found:
        return None
    return np.where(video_weights(problem) > 0, np.concatenate(found), 0.0)


def video_weights(problem: Problem) -> NDArray[np.float64]:
    """(N,) how much each video counts in a mean over videos."""
    empty = Events.from_tracks([[[], [], []]] * problem.bundle.num_videos)
    weights = problem.target.score(empty).weights
    return np.ones(problem.bundle.num_videos) if weights is None else weights
