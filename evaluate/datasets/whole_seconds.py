"""Events of short clips annotated by the second, as masks with a bit for each second: joined, intersected, listed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core.events import Events


class Masks(NamedTuple):
    """The annotated seconds of videos and labels in one track.

    pair : (K,) int64, video * C + label, sorted, each once; seconds : (K,) int64, bit t is second t
    """

    pair: NDArray[np.int64]
    seconds: NDArray[np.int64]


def joined(pairs: NDArray[np.int64], onset: NDArray[np.int64], offset: NDArray[np.int64]) -> Masks:
    """The union of the spans ``onset`` to ``offset`` (exclusive) of the same pair; up to 62 seconds."""
    order = np.argsort(pairs, kind="stable")
    pair = pairs[order]
    first = np.flatnonzero(np.diff(pair, prepend=-1))
    one = np.int64(1)
    masks = ((one << offset) - (one << onset))[order]
    return Masks(pair[first], np.bitwise_or.reduceat(masks, first) if len(first) else masks)


def agreed(a: Masks, b: Masks) -> Masks:
    """The seconds that are in both, for the pairs that are."""
    pair, in_a, in_b = np.intersect1d(a.pair, b.pair, assume_unique=True, return_indices=True)
    return Masks(pair, a.seconds[in_a] & b.seconds[in_b])


def listed(tracks: list[Masks], seconds: int, num_videos: int, num_labels: int) -> Events:
    """The maximal runs of seconds of three tracks, by label and time, in clips of ``seconds``."""
    rows: list[NDArray[np.int64]] = []
    columns: list[list[NDArray[np.int32]]] = []
    for track, found in enumerate(tracks):
        bits = np.zeros((len(found.pair), seconds + 2), np.int8)
        bits[:, 1:-1] = (found.seconds[:, None] >> np.arange(seconds)) & 1
        steps = np.diff(bits, axis=1)
        which, onset = np.nonzero(steps == 1)
        offset = np.nonzero(steps == -1)[1]
        video, label = np.divmod(found.pair[which], num_labels)
        rows.append(3 * video + track)
        columns.append([part.astype(np.int32) for part in (label, onset, offset)])
    row = np.concatenate(rows)
    order = np.argsort(row, kind="stable")
    events: list[NDArray[np.int32]] = [np.concatenate(column)[order] for column in zip(*columns, strict=True)]
    starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=3 * num_videos))]).astype(np.int64)
    return Events(1, num_videos, starts, events[0], events[1], events[2], np.full(len(row), np.nan))
