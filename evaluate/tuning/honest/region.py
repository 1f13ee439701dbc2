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

POINTS, FEWEST = 101, 11
"""Values of a range that are tried, its ends included, beside the setting itself: at most, and of a search that tried
few settings."""

_REACHES = (8, 24, POINTS)
"""Values on each side that are tried at once, one time after the other."""

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
    most: int | None = None,
    threads: int | None = None,
    step: Step = lambda _: None,
) -> dict[str, Span]:
    """The span of each dimension around a setting.

    most : settings that the ranges may take together, as many as the search tried; each has :data:`FEWEST` values of
        its range all the same, and :data:`POINTS` at most

    Values are tried outwards from the setting, and no further on a side where one is worse. Raises: as a sweep does.
    """
    here = setting.as_dict()
    ranges = sum(not d.choices for d in space)
    count = POINTS if most is None else min(max(most // max(ranges, 1), FEWEST), POINTS)
    lines = [_Line.of(d, here[d.name], count) for d in space]
    for reach in _REACHES:
        asked = [(line, line.next_to(reach)) for line in lines]
        rows = [here, *({**here, line.name: line.values[k]} for line, some in asked for k in some.tolist())]
        if len(rows) == 1:
            break
        table = ParamTable(setting, {d.name: np.array([r[d.name] for r in rows]) for d in space})
        lost, error = _losses(problem, table, objective, seed, threads, step)
        kept, at = lost <= error + _TOLERANCE, 1
        for line, some in asked:
            line.tell(some, kept[at : at + len(some)])
            at += len(some)
    return {line.name: line.span() for line in lines}


@dataclass(eq=False)
class _Line:
    """The values of one dimension around a setting.

    values : in order; of a range the setting's own is among them
    here : place of the setting's own; None of a list
    known : 1 where a value is as good, 0 where it is worse, -1 where it was not tried
    """

    dimension: Dimension
    values: list[Any]
    here: int | None
    known: NDArray[np.int8]

    @classmethod
    def of(cls, d: Dimension, own: Any, count: int) -> _Line:
        points = d.points(count) if d.choices else np.unique(np.append(d.points(count), own))
        here = None if d.choices else int(np.searchsorted(points, own))
        known = np.full(len(points), -1, np.int8)
        if here is not None:
            known[here] = 1
        return cls(d, points.tolist(), here, known)

    @property
    def name(self) -> str:
        return self.dimension.name

    def next_to(self, reach: int) -> NDArray[np.int64]:
        """The places to try next: of a list all, of a range so many further on each side where none was worse."""
        if self.here is None:
            return np.flatnonzero(self.known < 0)
        low, high = self._ends()
        below = range(max(low - reach, 0), low) if low and self.known[low - 1] < 0 else range(0)
        last = len(self.values) - 1
        above = range(high + 1, min(high + reach, last) + 1) if high < last and self.known[high + 1] < 0 else range(0)
        return np.array([*below, *above], np.int64)

    def tell(self, places: NDArray[np.int64], kept: NDArray[np.bool_]) -> None:
        self.known[places] = kept

    def span(self) -> Span:
        if self.here is None:
            good = [c for c, k in zip(self.dimension.choices, self.known.tolist(), strict=True) if k == 1]
            return Span(len(good) == len(self.values), values=tuple(good))
        low, high = self._ends()
        return Span(high - low + 1 == len(self.values), float(self.values[low]), float(self.values[high]))

    def _ends(self) -> tuple[int, int]:
        """The first and the last of the values around the setting's own of which each is as good."""
        assert self.here is not None
        low = high = self.here
        while low > 0 and self.known[low - 1] == 1:
            low -= 1
        while high + 1 < len(self.values) and self.known[high + 1] == 1:
            high += 1
        return low, high


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
