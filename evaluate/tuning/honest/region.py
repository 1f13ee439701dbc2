"""Where it is safe: how far each option may move from a setting, the others as they are, before the objective falls by
more than one standard error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.params.options import OptionSet
from ....core.params.table import ParamTable
from ..objective import Objective
from ..problem import Problem
from ..space import Dimension
from .subsets import Step, of_each_video, on_subsets, video_weights

POINTS = 101
"""Values of a range that are tried, its ends included, beside the setting itself."""

_RESAMPLES_ANEW = 40
_TOLERANCE = 1e-9

RULE = (
    "each option by itself, the others as recommended: the values around the recommended one at which the objective is "
    "lower by no more than one standard error of the difference, paired over the videos"
)


@dataclass(frozen=True, eq=False)
class Span:
    """Values of one option that are as good as a setting's: an interval of a range, or some of a list; ``whole`` where
    none is worse."""

    whole: bool
    low: float | None = None
    high: float | None = None
    values: tuple[Any, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        if self.low is None:
            return {"values": list(self.values), "whole_range": self.whole}
        return {"low": self.low, "high": self.high, "whole_range": self.whole}


def safe_region(
    problem: Problem,
    setting: OptionSet,
    space: Sequence[Dimension],
    objective: Objective,
    *,
    seed: int,
    threads: int | None = None,
    step: Step = lambda _: None,
) -> dict[str, Span]:
    """The span of each dimension around a setting. Raises: as a sweep does."""
    here = setting.as_dict()
    lines = [_line(d, here[d.name]) for d in space]
    rows = [here, *({**here, d.name: v} for d, line in zip(space, lines, strict=True) for v in line.tolist())]
    table = ParamTable(setting, {d.name: np.array([r[d.name] for r in rows]) for d in space})
    lost, error = _losses(problem, table, objective, seed, threads, step)
    kept = lost <= error + _TOLERANCE
    spans, at = {}, 1
    for d, line in zip(space, lines, strict=True):
        spans[d.name] = _span(d, line, here[d.name], kept[at : at + len(line)])
        at += len(line)
    return spans


def _line(d: Dimension, here: Any) -> NDArray[Any]:
    """The values of a dimension that are tried, the setting's own among those of a range."""
    points = d.points(POINTS)
    return points if d.choices else np.unique(np.append(points, here))


def _span(d: Dimension, line: NDArray[Any], here: Any, kept: NDArray[np.bool_]) -> Span:
    if d.choices:
        return Span(bool(kept.all()), values=tuple(c for c, k in zip(d.choices, kept, strict=True) if k))
    at = int(np.searchsorted(line, here))
    low = high = at
    while low > 0 and kept[low - 1]:
        low -= 1
    while high + 1 < len(line) and kept[high + 1]:
        high += 1
    return Span(high - low + 1 == len(line), float(line[low]), float(line[high]))


def _losses(
    problem: Problem, table: ParamTable[Any], objective: Objective, seed: int, threads: int | None, step: Step
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """By how much the first setting of a table beats each (P,), and the standard error of that; where the objective is
    undefined, infinitely."""
    n = problem.videos.num_videos
    parts = of_each_video(problem, table, objective, threads, step)
    if parts is None:
        draws = np.random.default_rng(seed).integers(0, n, (_RESAMPLES_ANEW, n))
        values = on_subsets(problem, table, objective, [np.arange(n), *draws], threads, step)
        lost = values[0] - values
        known = ~np.isnan(lost[:, 1:])
        count = np.maximum(known.sum(axis=1), 2)
        again = np.where(known, lost[:, 1:], 0.0)
        again = np.where(known, again - (again.sum(axis=1) / count)[:, None], 0.0)
        error = np.sqrt((again**2).sum(axis=1) / (count - 1))
        return np.where(np.isnan(lost[:, 0]), np.inf, lost[:, 0]), error
    w = video_weights(problem)
    share = w / w.sum()
    differences = parts[0] - parts
    lost = (differences * share).sum(axis=1)
    counted = int((w > 0).sum())
    spread = ((differences - lost[:, None]) ** 2 * share**2).sum(axis=1)
    error = np.sqrt(spread * counted / (counted - 1)) if counted > 1 else np.zeros(len(lost))
    return np.where(np.isnan(lost), np.inf, lost), np.nan_to_num(error)
