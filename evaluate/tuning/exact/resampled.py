"""How the exact optimum of a plane moves with the videos: without each of them, and on resamples of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.exact.axes import PLANE
from ....core.exact.plane import Optimum, Plane
from ....core.metrics.bootstrap import bootstrap
from ....core.threads import Pool
from ..honest.spread import LEVEL, Spread

RESAMPLES = 500
"""Of which the optimum is found, at most."""

MOST_STEPS = 200_000_000
"""Steps of the plane that are summed for all videos left out, or all resamples, at most: about 20 s of one thread."""


@dataclass(frozen=True)
class Resampled:
    """The exact optimum of (tau0, tau_r) on B resamples of the videos.

    Attributes
    ----------
    optima : of each resample
    out_of_bag : mean objective of the optimum on the videos that the resample leaves out; None where none are
    """

    optima: tuple[Optimum, ...]
    out_of_bag: float | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        tails = [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2]
        value = np.array([o.value for o in self.optima])
        low, _, high = np.quantile(value, tails).tolist()
        options = {
            n: dict(zip(("low", "median", "high"), np.quantile([getattr(o, n) for o in self.optima], tails).tolist(),
                        strict=True))
            for n in PLANE
        }  # fmt: skip
        return {
            "resamples": len(self.optima),
            "level": LEVEL,
            "value": {"mean": float(value.mean()), "low": low, "high": high},
            "out_of_bag": self.out_of_bag,
            "options": options,
        }


def affordable(plane: Plane, optima: int) -> int:
    """How many of so many optima are found within the bound."""
    return min(optima, MOST_STEPS // max(len(plane.position), 1))


def leave_one_out(plane: Plane, resamples: int, seed: int, threads: int | None = None) -> Spread | None:
    """The objective where each video has the optimum of the others, with its interval; None where that would take too
    long, or where less than two videos count."""
    counted = np.flatnonzero(plane.weights > 0)
    if len(counted) < 2 or affordable(plane, len(counted)) < len(counted):
        return None
    everyone = np.ones(len(plane.weights), np.int64)
    only = np.zeros_like(everyone)

    def held_out(v: int) -> float:
        best = plane.optimum(_with(everyone, v, 0))
        return plane.at(best.tau0, best.tau_r, _with(only, v, 1))

    values = np.array(_all_of(held_out, counted.tolist(), threads))
    weights = plane.weights[counted]
    value = float((values * weights).sum() / weights.sum())
    if resamples < 1:
        return Spread(value)
    i = bootstrap(values[:, None], weights=weights, resamples=resamples, level=LEVEL, seed=seed)
    return Spread(value, float(i.low[0]), float(i.high[0]), float(i.error[0]))


def optimum_of_resamples(plane: Plane, resamples: int, seed: int, threads: int | None = None) -> Resampled | None:
    """The optimum of the first of the resamples that the choice among the settings tried has, 500 at most; None where
    even a few would take too long."""
    n = len(plane.weights)
    count = affordable(plane, min(resamples, RESAMPLES))
    if count < min(resamples, 20):
        return None
    draws = np.random.default_rng(seed).integers(0, n, (count, n))

    def of_draw(draw: NDArray[np.int64]) -> tuple[Optimum, float] | None:
        times = np.bincount(draw, minlength=n)
        if not (times * plane.weights).any():
            return None
        best, rest = plane.optimum(times), (times == 0).astype(np.int64)
        return best, plane.at(best.tau0, best.tau_r, rest) if (rest * plane.weights).any() else np.nan

    found = [one for one in _all_of(of_draw, draws, threads) if one is not None]
    if not found:
        return None
    outside = np.array([o for _, o in found])
    known = outside[~np.isnan(outside)]
    return Resampled(tuple(best for best, _ in found), float(known.mean()) if len(known) else None)


def _with(counts: NDArray[np.int64], video: int, times: int) -> NDArray[np.int64]:
    changed = counts.copy()
    changed[video] = times
    return changed


def _all_of(of: Callable[[Any], Any], items: Iterable[Any], threads: int | None) -> list[Any]:
    """In their order; the kernels were compiled for the optimum of all videos, and run beside each other."""
    with Pool(threads or os.cpu_count() or 1) as pool:
        return list(pool.map(of, items))
