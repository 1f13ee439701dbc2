"""Long videos: runs of segments summed up in columns, so that an hour is no black block and its page stays small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LONG_SEGMENTS = 400
"""Videos of more segments are drawn in columns; zoomed in to this many, a timeline shows single segments."""
MAX_BARS = 6000
"""Bars of a timeline: beyond it columns become wider."""
MAX_DETAIL = 20_000
"""Bars that wait for a zoom: beyond it there are the columns alone."""
MAX_TOLD = 1500
"""Events of a long video: beyond it the boxes of single segments tell when and what alone, not scores and reasons."""
_COLUMNS, _LEVELS = 480, 4

State = tuple[str, NDArray[np.bool_]]
"""What a lane shows, and in which segments, [T] bool."""


@dataclass(frozen=True)
class Block:
    """Neighbouring columns of equal share: the segments ``[start, stop)``, of which ``count`` are of the state.

    low, high : where the bar stands in its lane, of 0 (bottom) to 1 (top)
    """

    state: str
    start: int
    stop: int
    count: int
    low: float
    high: float


def column_step(segments: int, most: int = _COLUMNS) -> int:
    """How many segments a column sums up."""
    return max(1, -(-segments // most))


def column_sums(mask: NDArray[np.bool_], step: int) -> NDArray[np.int64]:
    """How many segments of each column are True."""
    found: NDArray[np.int64] = np.add.reduceat(mask.astype(np.int64), np.arange(0, len(mask), step))
    return found


def blocks(states: Sequence[State], step: int) -> list[Block]:
    """The bars of a lane: of each column and state as high as its share of the segments, one above the other.

    Shares are rounded up to quarters, so that a single segment is seen and equal columns are one bar.
    """
    found: list[Block] = []
    segments = len(states[0][1])
    width = np.diff(np.append(np.arange(0, segments, step), segments))
    filled = np.zeros(len(width))
    for name, mask in states:
        count = column_sums(mask, step)
        high = np.ceil(count / width * _LEVELS) / _LEVELS
        low = np.minimum(filled, 1 - high)
        filled = np.where(count > 0, low + high, filled)
        shape = np.stack([np.where(count > 0, low, -1), high])
        edges = np.flatnonzero(np.append(True, (shape[:, 1:] != shape[:, :-1]).any(axis=0)))
        for a, b in zip(edges.tolist(), [*edges[1:].tolist(), len(width)], strict=True):
            if count[a]:
                stop = min(b * step, segments)
                sum_ = int(count[a:b].sum())
                found.append(Block(name, a * step, stop, sum_, float(low[a]), float(low[a] + high[a])))
    return found
