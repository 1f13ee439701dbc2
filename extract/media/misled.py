"""Pictures that are damaged since ones before them, from which they are made, are lost.

From the loss to the next key picture, a decoder makes pictures from older ones, and shows them as if they were whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .packets import Packets

_GAP_STEPS = 1.5
"""A longer step, in usual ones, leaves something out."""

_REORDERED_PICTURES = 17
"""So many pictures before one, as they are shown, may lie before or after it in the file."""


@dataclass(frozen=True)
class Misses:
    """Where the numbers of a track's pictures leave some out.

    Attributes
    ----------
    packets : numbers of the packets before which pictures are missing
    whole_from : numbers of each key picture's packet, and of the packet from which on pictures are whole again
    needs_gap : pictures are missing only where the time stamps leave something out, too
    """

    packets: Sequence[int]
    whole_from: Sequence[tuple[int, int]]
    needs_gap: bool


def misled_stretches(track: Packets, misses: Misses) -> NDArray[np.float64]:
    """[n, 2] begin and end, in seconds of the track's time stamps, of the stretches of damaged pictures."""
    found: list[tuple[float, float]] = []
    until = -1
    for packet in misses.packets:
        begin = int(np.searchsorted(track.numbers, packet))
        if packet < until or begin == len(track) or (misses.needs_gap and not _leaves_out(track, begin)):
            continue
        after = (whole for key, whole in misses.whole_from if key >= packet and whole > packet)
        until = next(after, int(track.numbers[-1]) + 1)
        end = int(np.searchsorted(track.numbers, until))
        first = float(track.seconds[begin:end].min())
        before = track.seconds[:begin][track.seconds[:begin] < first]
        last = float(track.seconds[end]) if end < len(track) else float(track.ends().max())
        found.append((float(before.max()) + track.usual_step if len(before) else first, last))
    return np.array(found, np.float64).reshape(-1, 2)


def undecoded_stretches(track: Packets, shown: NDArray[np.int64]) -> NDArray[np.float64]:
    """[n, 2] begin and end, in seconds, of the stretches in which there are packets, and no picture comes of them.

    Of HEVC, FFmpeg's decoder leaves out what was made from lost pictures. Those before the first picture do not count:
    a recording of a broadcast begins anywhere.

    ``shown`` : [N] sorted time stamps of the decoded pictures, in units of the track's time base
    """
    steps = np.diff(shown)
    usual = float(np.median(steps)) if len(steps) else track.usual_step / float(track.time_base)
    edges = np.append(shown, max(int(track.stamps.max()), int(shown[-1])) + round(usual))
    stamps = np.sort(track.stamps)
    inside = np.searchsorted(stamps, edges[1:] - usual / 2) - np.searchsorted(stamps, edges[:-1] + usual / 2)
    empty = np.flatnonzero((inside > 0) & (np.diff(edges) > _GAP_STEPS * usual))
    return np.stack([edges[empty] + round(usual), edges[empty + 1]], axis=1) * float(track.time_base)


def _leaves_out(track: Packets, packet: int) -> bool:
    """Whether there is a gap between pictures that are shown shortly before or after a packet.

    MPEG program streams store few time stamps, and FFmpeg guesses the others: the gap comes later.
    """
    times = np.sort(track.seconds)
    at = int(np.searchsorted(times, track.seconds[packet]))
    steps = np.diff(times[max(0, at - _REORDERED_PICTURES) : at + _REORDERED_PICTURES])
    return bool((steps > _GAP_STEPS * track.usual_step).any())
