"""Where a file has lost data: stretches of time without packets, and whether something is missing there.

Most formats are read on after damage as if nothing were: the packets that were there are just gone. A track without
packets for some seconds may also be meant so (a pause, a slide), so a stretch counts as lost only where the file shows
damage: bytes that belong to no packet, a structure that is broken (see `structure`), a packet that the format calls
corrupt, or one that is stored there and that FFmpeg drops. In formats in which sound does not pause, any stretch
without sound counts.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from .packets import Packets

_ACCOUNTED_FORMAT = "matroska,webm"
"""A format in which packets follow each other with a few bytes between them."""

_PAUSING_FORMATS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "flv")
"""Formats in which sound may pause. In others it never does, and damage is skipped without a trace."""

_LEAST_BYTES = 256
_LEAST_SECONDS = 0.1
_SAME_SECONDS = 0.01
"""Packets closer to each other than this are the same one."""

_LATE_SECONDS = 0.5
"""A track that begins this much later, or ends earlier, than the other has lost something if the file shows damage."""


def loses_bytes(format_name: str, positions: Sequence[tuple[int, int]]) -> bool:
    """Whether some bytes between the packets belong to none, in a format in which that can be said.

    ``positions`` : (first byte, bytes) of every packet that has a position
    """
    if format_name != _ACCOUNTED_FORMAT or len(positions) < 3:
        return False
    first, size = np.array(positions, np.int64).T
    begins, group = np.unique(first, return_inverse=True)  # packets of one block share its position
    ends = begins + np.bincount(group, size).astype(np.int64)
    between = begins[1:] - ends[:-1]
    return bool((between > max(_LEAST_BYTES, 20 * float(np.median(between)))).any()) if len(between) else False


def lost_stretches(
    track: Packets,
    format_name: str,
    broken: bool,
    corrupt: Collection[int],
    whole: tuple[float, float],
    stored: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """[n, 2] begin and end, in seconds of the track's time stamps, of the stretches whose packets are lost.

    Parameters
    ----------
    broken : the file shows damage
    corrupt : numbers of the packets that the format calls corrupt
    whole : begin and end of all tracks
    stored : [n] sorted, when each packet of the track begins that the format stores, in seconds; None if not known
    """
    order = np.argsort(track.stamps, kind="stable")
    starts, ends = track.seconds[order], np.maximum.accumulate(_ends(track)[order])
    if not len(order):
        return np.zeros((0, 2))
    wide = np.flatnonzero(starts[1:] - ends[:-1] > _LEAST_SECONDS)
    stretches = np.stack([ends[wide], starts[wide + 1]], axis=1)
    if broken:
        edges = [(whole[0], starts[0]), (ends[-1], whole[1])]
        wide_edges = [(begin, end) for begin, end in edges if end - begin > _LATE_SECONDS]
        return np.concatenate([stretches, np.array(wide_edges).reshape(-1, 2)])
    if format_name not in _PAUSING_FORMATS and track.name == "sound":
        return stretches
    numbers = np.array(sorted(corrupt), np.int64)
    traced = np.isin(track.numbers[order[wide]], numbers) | np.isin(track.numbers[order[wide + 1]], numbers)
    if stored is None or not len(stored):
        return stretches[traced]
    first, last = np.searchsorted(stored, stretches.T - _SAME_SECONDS)
    edges = [(float(stored[0]), starts[0]), (ends[-1], float(stored[-1]))]
    wide_edges = [(begin, end) for begin, end in edges if end - begin > _LEAST_SECONDS]
    return np.concatenate([stretches[traced | (last > first)], np.array(wide_edges).reshape(-1, 2)])


def may_lack(track: Packets, whole: tuple[float, float]) -> bool:
    """Whether a track has a stretch without packets, so that it is worth knowing what the format stores of it."""
    order = np.argsort(track.stamps, kind="stable")
    edges = np.concatenate([[whole[0]], np.maximum.accumulate(_ends(track)[order])])
    begins = np.concatenate([track.seconds[order], [whole[1]]])
    return bool((begins - edges > _LATE_SECONDS).any())


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
