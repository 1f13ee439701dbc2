"""How far the optimum of a search moves if other videos of the same kind had been searched on: bootstrap and
leave-one-out of the choice among the best settings tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ....core.decoders.replayed import replayed
from ..objective import Objective
from ..objective_metric import ObjectiveMetric, mean_of
from ..problem import Problem
from ..space import Dimension
from .folds import others
from .held_out import pooled
from .spread import LEVEL, spread_of
from .subsets import on_subsets, video_weights
from .tried import Tried

CANDIDATES = 1024
"""Of how many of the best settings tried the optimum of a resample is."""

SCORED_ANEW = 8192
"""Of a metric that is no mean over videos, so many (setting, resample) pairs are scored."""

_FEWEST, _RESAMPLES_ANEW = 2, 200


@dataclass(frozen=True, eq=False)
class Optimum:
    """The optimum of each of B resamples of the videos, among the best settings tried.

    Attributes
    ----------
    candidates, resamples : how many settings and resamples (0: none were asked for)
    setting : (B,) which of the candidates
    value : (B,) its objective on the resample, in percent
    out_of_bag : mean of its objective on the videos that the resample leaves out; NaN where it leaves none out
    """

    candidates: Tried
    setting: NDArray[np.int64]
    value: NDArray[np.float64]
    out_of_bag: float

    def options(self, space: Sequence[Dimension]) -> dict[str, dict[str, Any]]:
        """Of each option: the interval of its optimum, or how often each of its values is the optimum's."""
        tails = [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2]
        found: dict[str, dict[str, Any]] = {}
        for d in space:
            chosen = self.candidates.table.columns[d.name][self.setting]
            if d.choices:
                known = list(dict.fromkeys([*d.choices, *chosen.tolist()]))  # the start may lie outside
                found[d.name] = {"shares": {_text(c): float((chosen == c).mean()) for c in known}}
            else:
                low, middle, high = np.quantile(chosen, tails).tolist()
                found[d.name] = {"low": low, "median": middle, "high": high}
        return found

    def as_dict(self, space: Sequence[Dimension]) -> dict[str, Any] | None:
        """For JSON; None without resamples."""
        if len(self.value) == 0:
            return None
        low, high = np.quantile(self.value, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
        return {
            "resamples": len(self.value),
            "candidates": len(self.candidates.table),
            "level": LEVEL,
            "value": {"mean": float(self.value.mean()), "low": low, "high": high},
            "out_of_bag": None if np.isnan(self.out_of_bag) else self.out_of_bag,
            "options": self.options(space),
        }


def _text(choice: Any) -> str:
    return str(choice).lower() if isinstance(choice, bool) else str(choice)


def candidates_for(problem: Problem, parts: int) -> int:
    """How many candidates are scored on each of ``parts`` resamples or folds."""
    if problem.target.metric.mean_over_videos:
        return CANDIDATES
    return int(np.clip(SCORED_ANEW // max(parts, 1), _FEWEST, CANDIDATES))


def bootstrap_optimum(
    problem: Problem,
    tried: Tried,
    objective: Objective,
    *,
    resamples: int,
    seed: int,
    threads: int | None = None,
    parts: NDArray[np.float64] | None = None,
) -> Optimum:
    """The optimum of each resample of the videos.

    tried : the candidates, from the best down
    parts : (P, N) each video's part in the objective of them; None for a metric that is no mean over videos, of which
        fewer resamples and candidates are scored anew

    Raises: as a sweep does.
    """
    n = problem.videos.num_videos
    count = resamples if parts is not None else min(resamples, _RESAMPLES_ANEW)
    draws = np.random.default_rng(seed).integers(0, n, (count, n))
    if count == 0:
        return Optimum(tried, np.zeros(0, np.int64), np.zeros(0), np.nan)
    left_out = [np.flatnonzero(np.bincount(d, minlength=n) == 0) for d in draws]
    if parts is None:
        tried = tried.take(np.arange(min(len(tried.table), candidates_for(problem, count))))
        values = on_subsets(problem, tried.table, objective, list(draws), threads).T
        best = _first_best(values)
        value = values[np.arange(count), best]
        outside = _outside(problem, tried, objective, best, left_out, threads)
    else:
        weights = video_weights(problem)
        best, value = _best_of_draws(parts, weights, draws)
        outside = np.array([
            mean_of(parts[b : b + 1], weights, rest)[0] if len(rest) else np.nan
            for b, rest in zip(best.tolist(), left_out, strict=True)
        ])  # fmt: skip
    known = outside[~np.isnan(outside)]
    return Optimum(tried, best, value, float(known.mean()) if len(known) else np.nan)


def leave_one_out(
    problem: Problem,
    tried: Tried,
    objective: Objective,
    *,
    resamples: int,
    seed: int,
    threads: int | None = None,
    parts: NDArray[np.float64] | None = None,
) -> dict[str, Any] | None:
    """The objective where each video has the best setting of those tried on the other videos, with its interval.

    tried, parts : as :func:`bootstrap_optimum` has them

    None for one video, and where the objective is undefined on the others. Raises: as a sweep does.
    """
    n = problem.videos.num_videos
    if n < 2:
        return None
    if parts is None:
        tried = tried.take(np.arange(min(len(tried.table), candidates_for(problem, n))))
        subsets = [others(np.array([v]), n) for v in range(n)]
        values = on_subsets(problem, tried.table, objective, subsets, threads).T
        if np.isnan(values).all(axis=1).any():
            return None
        best = _first_best(values)
    else:
        weights = video_weights(problem)
        whole, scale = _fixed_point(parts * weights)
        rest = whole.sum(axis=1, keepdims=True) - whole
        best = np.argmax(rest >= rest.max(axis=0) - _equal(scale, weights.sum() - weights), axis=0)
    distinct, of = np.unique(best, return_inverse=True)
    members = [np.flatnonzero(of == i) for i in range(len(distinct))]
    held_out = [
        replayed(problem.decoder, part.inputs, [tried.table.params(int(i))], threads=threads).events
        for i, videos in zip(distinct, members, strict=True)
        for part in problem.select_each([videos])
    ]
    run = pooled(held_out, np.argsort(np.concatenate(members), kind="stable"))
    found = spread_of(problem, objective, {"sharp": run}, [], resamples, seed)["sharp"]
    return {"candidates": len(tried.table), **found.as_dict()}


def _first_best(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """The best column of each row, of equals the first; values are compared to nine places."""
    rounded = np.round(np.where(np.isnan(values), -np.inf, values), 9)
    found: NDArray[np.int64] = np.argmax(rounded, axis=1)
    return found


def _fixed_point(values: NDArray[np.float64]) -> tuple[NDArray[np.int64], float]:
    """Values (P, N) as whole numbers and their scale: sums of N of them do not depend on the order, or on threads."""
    limit = float(np.abs(values).max(initial=0.0)) or 1.0
    scale = 2.0**60 / (values.shape[1] * limit)
    return np.rint(values * scale).astype(np.int64), scale


def _equal(scale: float, weights: ArrayLike) -> NDArray[np.int64]:
    """By how much sums of such weights differ where means differ by a rounding error."""
    found: NDArray[np.int64] = np.ceil(1e-9 * scale * np.asarray(weights)).astype(np.int64)
    return found


def _best_of_draws(
    parts: NDArray[np.float64], weights: NDArray[np.float64], draws: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The best setting on each resample (B,), of equals the first, and its mean."""
    whole, scale = _fixed_point(parts * weights)
    best = np.empty(len(draws), np.int64)
    value = np.full(len(draws), np.nan)
    for b, draw in enumerate(draws):
        times = np.bincount(draw, minlength=len(weights))
        sums = whole @ times
        total = (weights * times).sum()
        best[b] = np.argmax(sums >= sums.max() - _equal(scale, total))
        if total > 0:
            value[b] = float(sums[best[b]]) / scale / total
    return best, value


def _outside(
    problem: Problem,
    tried: Tried,
    objective: Objective,
    best: NDArray[np.int64],
    left_out: Sequence[NDArray[np.int64]],
    threads: int | None,
) -> NDArray[np.float64]:
    """The objective of each resample's optimum on the videos left out, scored anew; NaN where none is."""
    metric, truth = ObjectiveMetric(problem.target, objective), problem.target.truth
    found = np.full(len(best), np.nan)
    for at in np.unique(best).tolist():
        done = replayed(problem.decoder, problem.inputs, [tried.table.params(at)], threads=threads)
        events = problem.target.fitted(done.events)
        for b in np.flatnonzero(best == at).tolist():
            if len(left_out[b]):
                found[b] = metric.value(events.select(left_out[b]), truth.select(left_out[b]))[0]
    return found
