"""The objective over the plane (tau0, tau_r): its exact maximum, its surface, for any multiplicities of the videos."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, UsageError
from .kernels.plane import best_of_each, best_region, steps_of_regions, sum_on_grid
from .regions import JointRegions

NARROW = 1e-9
"""Cells and pieces below this width are never chosen: rounding in the replay may move their edges."""

_LARGEST = 2.0**61
_HEADROOM = 16
"""How many times the number of videos a resample may have, before sums could overflow."""


@dataclass(frozen=True)
class Optimum:
    """The best setting of a plane.

    tau0, tau_r : in the middle of the region of the best objective; tau_r as float32 holds it, where scores are float32
    value : the objective
    tau0_range, tau_r_range : how far each can move alone without a change of the objective; the end is not in it, but
        where it is that of the box
    """

    tau0: float
    tau_r: float
    value: float
    tau0_range: tuple[float, float]
    tau_r_range: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Plane:
    """An objective that is a (weighted) mean over N videos, constant on regions of (tau0, tau_r), as sums of steps.

    Attributes
    ----------
    tau0_box, tau_r_box : (low, high), both in it
    position : (U,) float64, tau0 of each step, rising
    rank : (U,) int64, its tau_r, as a position in ``levels``
    levels : (R,) float64, rising, where in tau_r any step is
    owner : (U,) int64, its video
    height : (U,) int64, in units of 1 / ``scale`` times the video's weight
    base : (N,) int64, likewise, what every setting has
    weights : (N,) float64, of the videos in the mean
    single : whether tau_r is rounded to float32 before it is compared
    """

    tau0_box: tuple[float, float]
    tau_r_box: tuple[float, float]
    position: NDArray[np.float64]
    rank: NDArray[np.int64]
    levels: NDArray[np.float64]
    owner: NDArray[np.int64]
    height: NDArray[np.int64]
    base: NDArray[np.int64]
    largest: NDArray[np.float64]
    weights: NDArray[np.float64]
    scale: float
    single: bool

    @classmethod
    def of(
        cls,
        base: NDArray[np.float64],
        values: Sequence[NDArray[np.float64]],
        regions: Sequence[JointRegions],
        weights: NDArray[np.float64],
        tau0: tuple[float, float],
        tau_r: tuple[float, float],
        single: bool,
    ) -> Plane:
        """From the objective of every combination of lists of each group of tracks (M,), and that of ``base`` (N,).

        Raises: UsageError for a box outside [0, 1] or without inside.
        """
        for name, (low, high) in (("tau0", tau0), ("tau_r", tau_r)):
            if not 0 <= low < high <= 1:
                raise UsageError(f"the plane's {name} runs from {low!r} to {high!r}; it must rise within [0, 1]")
        largest = np.abs(base)
        for value, region in zip(values, regions, strict=True):
            largest = largest + np.maximum.reduceat(np.abs(value), region.combination_first[:-1])
        largest = largest * weights
        total = float(largest.sum()) * _HEADROOM
        scale = 2.0 ** (math.floor(math.log2(_LARGEST / total)) if total > 0 else 0)
        parts = []
        for value, region in zip(values, regions, strict=True):
            fixed = np.rint(value * weights[region.video] * scale).astype(np.int64)
            arrays = (region.cell_first, region.cell_start, region.piece_first, region.piece_start)
            parts.append(steps_of_regions(*arrays, region.piece_combination, fixed))
        x, y, owner, height = (np.concatenate([p[i] for p in parts]) for i in range(4))
        low_r, high_r = (float(np.float32(v)) if single else v for v in tau_r)
        x, y = np.maximum(x, tau0[0]), np.maximum(y, low_r)
        kept = (x <= tau0[1]) & (y <= high_r)
        order = np.flatnonzero(kept)[np.argsort(x[kept], kind="stable")]
        levels, rank = np.unique(np.append(y[order], low_r), return_inverse=True)
        return cls(
            tau0, tau_r, x[order], rank[:-1].astype(np.int64), levels, owner[order], height[order],
            np.rint(base * weights * scale).astype(np.int64), largest, weights, scale, single,
        )  # fmt: skip

    def optimum(self, times: ArrayLike | None = None) -> Optimum:
        """The largest objective of the plane, in a region of at least 1e-9 in both parameters; of equal ones that of
        the lowest tau0, then of the lowest tau_r.

        ``times`` (N,) says how often each video counts, once by default: the counts of a bootstrap's resample, or zero
        for the videos that are left out.

        Raises
        ------
        UsageError
            ``times`` of another length, negative, all zero, or so large that sums would overflow
        DataError
            every region is narrower than 1e-9
        """
        counts = self._counts(times)
        best, stop, level = best_region(
            self.position, self.rank, self.owner, self.height, counts, self._allowed(), *self.tau0_box, NARROW
        )
        if level < 0:
            raise DataError(f"every region of the plane is narrower than {NARROW:g}; widen the ranges of the search")
        gains = self.height * counts[self.owner]
        tau0_range = self._wide_tau0(gains, best, stop, level)
        tau0 = (tau0_range[0] + tau0_range[1]) / 2
        upto = int(np.searchsorted(self.position, tau0, "right"))
        along = np.zeros(len(self.levels), np.int64)
        np.add.at(along, self.rank[:upto], gains[:upto])
        tau_r_range = self._run_of(np.cumsum(along) == best, self.levels, level, self.tau_r_box[1])
        value = float(self._mean(np.array(best), counts))
        return Optimum(tau0, self._middle_tau_r(tau_r_range), value, tau0_range, tau_r_range)

    def surface(self, tau0: ArrayLike, tau_r: ArrayLike, times: ArrayLike | None = None) -> NDArray[np.float64]:
        """(A, B) the objective on a grid of rising tau0 (A,) and tau_r (B,) within the box; ``times`` as in
        :meth:`optimum`.

        Raises: UsageError for values that do not rise or are outside the box.
        """
        rows, columns, row, column = self._on_grid(tau0, tau_r)
        counts = self._counts(times)
        sums = np.zeros((len(rows), len(columns)), np.int64)
        sum_on_grid(row, column, self.owner, self.height, counts, sums)
        return self._mean(sums, counts)

    def losses(
        self, tau0: ArrayLike, tau_r: ArrayLike, of: tuple[float, float]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """By how much the setting ``of``, a (tau0, tau_r), beats those of a grid (A, B), and the standard error of that
        (A, B), paired over the videos: 0 where less than two videos count.

        Raises: as :meth:`surface`.
        """
        rows, columns, row, column = self._on_grid(tau0, tau_r)
        _, _, row_of, column_of = self._on_grid([of[0]], [of[1]])
        order = np.argsort(self.owner, kind="stable")
        first = np.searchsorted(self.owner[order], np.arange(len(self.weights) + 1))
        share, nobody = 1 / self.scale / self.weights.sum(), np.zeros(1, np.int64)
        lost, square, cross = (np.zeros((len(rows), len(columns))) for _ in range(3))
        parts = self.weights / self.weights.sum()
        for v in np.flatnonzero(self.weights > 0):
            own = order[first[v] : first[v + 1]]
            owner, height = np.repeat(nobody, len(own)), self.height[own]
            here, there = np.zeros((1, 1), np.int64), np.zeros((len(rows), len(columns)), np.int64)
            sum_on_grid(row_of[own], column_of[own], owner, height, nobody + 1, here)
            sum_on_grid(row[own], column[own], owner, height, nobody + 1, there)
            difference = (here - there) * share
            lost += difference
            square += difference**2
            cross += difference * parts[v]
        counted = int((self.weights > 0).sum())
        if counted < 2:
            return lost, np.zeros_like(lost)
        spread = square - 2 * lost * cross + lost**2 * (parts**2).sum()
        return lost, np.sqrt(spread.clip(0) * counted / (counted - 1))

    def at(self, tau0: float, tau_r: float, times: ArrayLike | None = None) -> float:
        """The objective at one setting."""
        return float(self.surface([tau0], [tau_r], times)[0, 0])

    def ceiling(self) -> NDArray[np.float64]:
        """(N,) the best objective of every video, were each given a setting of its own; its (weighted) mean bounds what
        any rule of choosing (tau0, tau_r) by video can reach. Only regions of at least 1e-9 of the video count."""
        videos = len(self.weights)
        order = np.argsort(self.owner, kind="stable")
        first = np.searchsorted(self.owner[order], np.arange(videos + 1))
        # each video's own levels of tau_r; the box's first one is level 0 of every video
        lowest = np.stack([np.arange(videos), np.zeros(videos, np.int64)], axis=1)
        pairs = np.concatenate([np.stack([self.owner[order], self.rank[order]], axis=1), lowest])
        own, inverse = np.unique(pairs, axis=0, return_inverse=True)
        leaf_first = np.searchsorted(own[:, 0], np.arange(videos + 1))
        height = self.levels[own[:, 1]]
        last = np.append(height[1:], 0.0)
        last[leaf_first[1:] - 1] = self.tau_r_box[1]
        rank = inverse.reshape(-1)[: len(order)] - leaf_first[self.owner[order]]
        out = np.zeros(videos, np.int64)
        best_of_each(
            first, self.position[order], rank, self.height[order], leaf_first, last - height >= NARROW,
            *self.tau0_box, NARROW, out,
        )  # fmt: skip
        with np.errstate(invalid="ignore", divide="ignore"):
            own = (out + self.base) / self.scale / self.weights
        return np.where(self.weights > 0, own, 0.0)

    def _on_grid(self, tau0: ArrayLike, tau_r: ArrayLike) -> tuple[NDArray[Any], ...]:
        """The rows and columns of a grid, and in which of them each step begins to count."""
        rows, columns = np.asarray(tau0, np.float64), np.asarray(tau_r, np.float64)
        for name, grid, (low, high) in (("tau0", rows, self.tau0_box), ("tau_r", columns, self.tau_r_box)):
            if len(grid) == 0 or (np.diff(grid) <= 0).any() or not (low <= grid[0] and grid[-1] <= high):
                raise UsageError(f"the grid of {name} must rise within the plane's {low!r} to {high!r}")
        if self.single:
            columns = columns.astype(np.float32).astype(np.float64)
        row = np.searchsorted(rows, self.position, "left")
        return rows, columns, row, np.searchsorted(columns, self.levels, "left")[self.rank]

    def _allowed(self) -> NDArray[np.bool_]:
        leaves = 1 << max(0, len(self.levels) - 1).bit_length()
        found = np.zeros(leaves, np.bool_)
        found[: len(self.levels)] = np.append(self.levels[1:], self.tau_r_box[1]) - self.levels >= NARROW
        return found

    def _counts(self, times: ArrayLike | None) -> NDArray[np.int64]:
        if times is None:
            return np.ones(len(self.weights), np.int64)
        counts = np.ascontiguousarray(times, np.int64)
        if counts.shape != self.weights.shape or (counts < 0).any() or not (counts * self.weights).any():
            raise UsageError(f"multiplicities must be {len(self.weights)} whole numbers from 0 on, not all 0")
        if (counts * self.largest).sum() * self.scale >= _LARGEST:
            raise UsageError(f"multiplicities may sum up to about {_HEADROOM} times the number of videos")
        return counts

    def _mean(self, sums: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = (sums + int((counts * self.base).sum())) / self.scale
        found /= (counts * self.weights).sum()
        return found

    def _wide_tau0(self, gains: NDArray[np.int64], best: int, stop: int, level: int) -> tuple[float, float]:
        """How far tau0 can move from the best cell, at the level of tau_r."""
        counted = np.flatnonzero(self.rank <= level)
        at = self.position[counted]
        ends = np.append(np.flatnonzero(np.diff(at)), len(at) - 1) if len(at) else np.zeros(0, np.int64)
        edges = np.append(self.tau0_box[0], at[ends])
        sums = np.append(0, np.cumsum(gains[counted])[ends])
        here = int(np.searchsorted(at[ends], self.position[stop - 1], "right")) if stop else 0
        return self._run_of(sums == best, edges, here, self.tau0_box[1])

    @staticmethod
    def _run_of(same: NDArray[np.bool_], edges: NDArray[np.float64], here: int, last: float) -> tuple[float, float]:
        """The range of the run of True around one position."""
        before, after = np.flatnonzero(~same[:here]), np.flatnonzero(~same[here:])
        low = edges[before[-1] + 1] if len(before) else edges[0]
        return float(low), float(edges[here + after[0]]) if len(after) else float(last)

    def _middle_tau_r(self, of: tuple[float, float]) -> float:
        middle = (of[0] + of[1]) / 2
        if self.single:
            rounded = float(np.float32(middle))
            middle = rounded if of[0] <= rounded < of[1] else of[0]
        return max(middle, self.tau_r_box[0])
