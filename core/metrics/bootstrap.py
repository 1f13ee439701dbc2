"""Bootstrap over videos: how far a figure would move if other videos of the same kind had been scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, UsageError
from ..events import Events
from ..kernels.resample import resample_block
from .base import Metric, Truth, checked_score


@dataclass(frozen=True, eq=False)
class Interval:
    """A confidence interval for each of M figures: the figure, its bounds and its standard error, all (M,) float64.

    ``sign`` (M,) is the share of resamples on the other side of zero or at it, doubled: for a difference, a
    two-sided bootstrap p-value.
    """

    figure: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    error: NDArray[np.float64]
    sign: NDArray[np.float64]


def bootstrap(
    per_video: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile intervals of the (weighted) means over videos.

    Parameters
    ----------
    per_video : (N, M) each video's part of M figures, or the difference of two settings' parts
    weights : (N,) of the videos (AVE accuracy: their segments); default: all equal
    resamples : how many times N videos are drawn with replacement
    level : share of the resamples that lies within the bounds
    seed : the same seed gives the same bounds, and paired resamples for every array of the same N

    Raises
    ------
    DataError
        no video
    UsageError
        resamples below 1, a level outside (0, 1), a negative seed or one of more than 63 bits
    """
    values = np.ascontiguousarray(per_video, np.float64)
    n = len(values)
    if values.ndim != 2 or n == 0:
        raise DataError(f"a bootstrap needs figures of at least one video; got an array of shape {values.shape}")
    _check(resamples, level, seed)
    w = np.ones(n) if weights is None else np.ascontiguousarray(weights, np.float64)
    if w.shape != (n,) or not (w > 0).all():
        raise DataError(f"weights of a bootstrap must be {n} numbers above zero, one a video")
    out = np.empty((resamples, values.shape[1]))
    resample_block(values, w, seed, out)
    return _interval((w[:, None] * values).sum(axis=0) / w.sum(), out, level)


def bootstrap_metric(
    metric: Metric,
    predicted: Sequence[Events],
    truth: Truth,
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile intervals of the figures of a metric that is no mean over videos, by :meth:`Metric.resampled`.

    ``predicted`` is one run of the N videos, or two, of which the intervals are of the second minus the first, on the
    same resamples.

    Raises: as :func:`bootstrap`.
    """
    n = len(truth.segments)
    if n == 0:
        raise DataError("a bootstrap needs figures of at least one video; got none")
    _check(resamples, level, seed)
    draws = np.random.default_rng(seed).integers(0, n, (resamples, n))

    def of(found: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        return found[0] if len(found) == 1 else found[1] - found[0]

    figure = of([checked_score(metric, p, truth).values[0] for p in predicted])
    return _interval(figure, of([metric.resampled(p, truth, draws) for p in predicted]), level)


def _check(resamples: int, level: float, seed: int) -> None:
    if resamples < 1 or not 0 < level < 1:
        raise UsageError(f"{resamples} resamples at level {level}; give at least 1, and a level between 0 and 1")
    if not 0 <= seed < 2**63:
        raise UsageError(f"the seed is {seed}; it must be from 0 to 2^63 - 1")


def _interval(figure: NDArray[np.float64], out: NDArray[np.float64], level: float) -> Interval:
    """Intervals of M figures from their values on the resamples, ``out`` (B, M); those on which a figure is undefined
    do not count for it."""
    if np.isnan(out).any():
        columns = [(figure[i : i + 1], out[~np.isnan(out[:, i]), i : i + 1]) for i in range(out.shape[1])]
        none = Interval(*(np.full(1, np.nan) for _ in range(5)))
        parts = [replace(none, figure=f) if len(o) == 0 else _interval(f, o, level) for f, o in columns]
        return Interval(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Interval)))
    low, high = np.quantile(out, [(1 - level) / 2, (1 + level) / 2], axis=0)
    other = np.where(figure > 0, (out <= 0).mean(axis=0), (out >= 0).mean(axis=0))
    error = out.std(axis=0, ddof=1) if len(out) > 1 else np.full(out.shape[1], np.nan)
    return Interval(figure, low, high, error, np.minimum(1.0, 2 * other))
