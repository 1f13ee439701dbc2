"""Where a file has lost data: stretches of time without packets, and whether bytes are missing there.

Most formats are read on after damage as if nothing were: the packets that were there are just gone. A track without
packets for some seconds may also be meant so (a pause, a slide), so a stretch counts as lost only with a trace of it:
bytes of the file that belong to no packet, or a packet that the format calls corrupt. In formats that show neither, any
stretch without sound counts.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from .clock import Packets

_ACCOUNTED_FORMATS = ("matroska,webm", "flv")
"""Formats in which packets follow each other with a few bytes between them."""

_TRACELESS_FORMATS = ("mpeg", "asf", "ogg")
"""Formats that skip damage without a trace."""

_LEAST_BYTES = 4096
_LEAST_SECONDS = 0.1


def lost_places(format_name: str, positions: Sequence[tuple[int, int, int]]) -> NDArray[np.int64]:
    """The first packet (its place in the file) after each stretch of bytes that belong to no packet, sorted.

    ``positions`` : (place, first byte, bytes) of every packet that has a position
    """
    if format_name not in _ACCOUNTED_FORMATS or len(positions) < 3:
        return np.zeros(0, np.int64)
    place, first, size = np.array(positions, np.int64).T
    begins, group = np.unique(first, return_inverse=True)  # packets of one block share its position
    sizes = np.bincount(group, size).astype(np.int64)
    first_place = np.full(len(begins), np.iinfo(np.int64).max)
    np.minimum.at(first_place, group, place)
    between = begins[1:] - (begins + sizes)[:-1]
    if not len(between):
        return np.zeros(0, np.int64)
    return np.sort(first_place[1:][between > max(_LEAST_BYTES, 20 * float(np.median(between)))])


def lost_stretches(
    track: Packets, format_name: str, lost: NDArray[np.int64], corrupt: Collection[int]
) -> NDArray[np.float64]:
    """[n, 2] begin and end, in seconds of the track's time stamps, of the stretches whose packets are lost.

    ``lost`` : of `lost_places`; ``corrupt`` : numbers of the packets that the format calls corrupt
    """
    order = np.argsort(track.stamps, kind="stable")
    starts, ends = track.seconds[order], np.maximum.accumulate(_ends(track)[order])
    wide = np.flatnonzero(starts[1:] - ends[:-1] > _LEAST_SECONDS)
    before, after = order[wide], order[wide + 1]
    traced = np.full(len(wide), format_name in _TRACELESS_FORMATS)
    traced |= np.searchsorted(lost, track.places[before], "right") < np.searchsorted(lost, track.places[after], "right")
    if corrupt:
        numbers = np.array(sorted(corrupt))
        traced |= np.isin(track.numbers[before], numbers) | np.isin(track.numbers[after], numbers)
    return np.stack([ends[wide], starts[wide + 1]], axis=1)[traced]


def spans(track: Packets, lost: NDArray[np.float64]) -> NDArray[np.float64]:
    """[n, 2] begin and end of the stretches that a track's packets cover, in seconds; lost ones belong to them."""
    order = np.argsort(track.stamps, kind="stable")
    starts = np.concatenate([track.seconds[order], lost[:, 0]])
    ends = np.concatenate([_ends(track)[order], lost[:, 1]])
    order = np.argsort(starts, kind="stable")
    return merged(np.stack([starts[order], ends[order]], axis=1), _LEAST_SECONDS)


def merged(stretches: NDArray[np.float64], apart: float) -> NDArray[np.float64]:
    """[m, 2] stretches sorted by their begin, those less than ``apart`` from each other made one."""
    if not len(stretches):
        return stretches.reshape(0, 2)
    ends = np.maximum.accumulate(stretches[:, 1])
    new = np.flatnonzero(stretches[1:, 0] - ends[:-1] > apart) + 1
    first = np.concatenate([[0], new])
    last = np.concatenate([new, [len(stretches)]]) - 1
    return np.stack([stretches[first, 0], ends[last]], axis=1)


def _ends(track: Packets) -> NDArray[np.float64]:
    """When each packet ends; one of unknown duration is taken to last as long as most do."""
    durations = track.durations.astype(np.float64)
    unknown = durations <= 0
    if unknown.any() and len(track) > 1:
        durations[unknown] = float(np.median(np.abs(np.diff(np.sort(track.stamps)))))
    return (track.stamps + durations) * float(track.time_base)
