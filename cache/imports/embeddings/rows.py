"""From the array of a video as it lies in a file to one embedding a segment: axes, rates, lengths, norms."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError
from .found import Found
from .plan import ArrayPlan, ModalityPlan, made_most

_TOLERANCE = 1e-6
"""Of a segment, by which an embedding may miss its end."""

_TINY = 1e-12


def pooled(found: Found, plan: ArrayPlan) -> NDArray[np.float32]:
    """The embeddings (n, D) of a video's array; of a clip, n is 1.

    Axes that a store does not have are pooled or picked in the order of the array.

    Raises: DataError where the array has other axes, an index is outside of one, it is empty, or holds NaN or infinity.
    """
    array, axes = found.array, list(found.axes)
    if array.ndim != len(axes):
        raise DataError(f"{found.where} has the shape {array.shape}, and the mapping names the axes {', '.join(axes)}")
    for axis, how in plan.pool.items():
        k = axes.index(axis)
        size = array.shape[k]
        if isinstance(how, int):
            if not -size <= how < size:
                raise DataError(f"{found.where} has {size} on its axis {axis!r}, and pool picks {how}; pick another")
            array = array.take(how, axis=k)
        elif size == 0:
            raise DataError(f"{found.where} is empty on its axis {axis!r}; save it again, or leave the video out")
        elif how == "mean":
            array = array.mean(axis=k, dtype=np.float64)
        elif how == "max":
            array = array.max(axis=k)
        else:
            array = array.take(0 if how == "first" else size // 2, axis=k)
        del axes[k]
    if "segment" not in axes:
        array, axes = array[None], ["segment", *axes]
    if axes[0] != "segment":
        array = array.T
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(array, np.float32)
    if 0 in rows.shape:
        raise DataError(f"{found.where} has the shape {found.array.shape}, which holds no embedding")
    if not np.isfinite(rows).all():
        raise DataError(f"{found.where} holds NaN or infinity; save it again, or leave the video out")
    return rows


def segments_of(rows: NDArray[np.float32], plan: ModalityPlan, segment_seconds: float) -> NDArray[np.float32]:
    """One embedding a segment (T, D) of n embeddings (n, D) that follow each other.

    Those of a segment are the ``per_segment`` next ones, or with ``seconds`` those whose middle lies in it; a segment
    without any gets the embedding that covers its middle.

    Raises: DataError where that makes far more segments than there are embeddings.
    """
    n = len(rows)
    if plan.seconds is None:
        per = plan.per_segment or 1
        if per == 1:
            return rows
        owner = np.arange(n) // per
        count = -(-n // per)
    else:
        per_second = plan.seconds / segment_seconds
        count = max(1, math.ceil(n * per_second - _TOLERANCE))
        if count > made_most(n):
            raise DataError(f"{n} embeddings {plan.seconds:g} s apart would be {count} segments; check seconds")
        owner = np.minimum(np.floor((np.arange(n) + 0.5) * per_second + _TOLERANCE).astype(np.int64), count - 1)
    starts = np.searchsorted(owner, np.arange(count), "left")
    ends = np.searchsorted(owner, np.arange(count), "right")
    empty = starts == ends
    if empty.any():
        assert plan.seconds is not None
        middle = (np.flatnonzero(empty) + 0.5) * segment_seconds / plan.seconds
        starts[empty] = np.minimum(middle.astype(np.int64), n - 1)
        ends[empty] = starts[empty] + 1
    how = plan.segment_pool
    if how in ("first", "middle") or (ends - starts).max() == 1:
        return rows[starts if how == "first" else starts + (ends - starts) // 2]
    out = np.empty((count, rows.shape[1]), np.float32)
    for t, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        part = rows[start:end]
        out[t] = part.mean(0, dtype=np.float64) if how == "mean" else part.max(0)
    return out


def fitted(rows: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """The first ``count`` rows; the last one is repeated where there are fewer."""
    return rows[np.minimum(np.arange(count), len(rows) - 1)]


def normalised(rows: NDArray[np.float32], norm: str, scale: float) -> NDArray[np.float32]:
    """Rows of length 1 (``l2``; those of length 0 stay 0) or as they are, times a factor."""
    if norm == "l2":
        lengths = np.linalg.norm(rows.astype(np.float64), axis=-1, keepdims=True)
        rows = (rows / np.maximum(lengths, _TINY)).astype(np.float32)
    return rows if scale == 1 else (rows * np.float32(scale)).astype(np.float32)


def clip_of(rows: NDArray[np.float32], how: str) -> NDArray[np.float32]:
    """One embedding (D,) of those of all segments."""
    if how == "mean":
        return np.asarray(rows.mean(0, dtype=np.float64), np.float32)
    return np.asarray(rows.max(0) if how == "max" else rows[0 if how == "first" else len(rows) // 2])
