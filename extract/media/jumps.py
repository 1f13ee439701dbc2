"""Where the time stamps of a track jump, and which of the jumps are one wrong stamp.

Decoding time stamps never step back within a recording, and no picture that can be decoded by itself (a key picture) is
shown before one that lies before it in the file. So a step back, however short, is a joint of two recordings if both
tracks have one at the same bytes of the file; a longer one is a joint or an error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .packets import Packets

BACK_SECONDS = 0.25
"""A longer step back counts without the other track; a shorter one may be a stamp that was rounded badly."""

_REORDERED_PICTURES = 16
_REORDERED_SECONDS = 2.0
"""Where only presentation stamps are known, other than key pictures may step back by as many pictures (of slow ones,
half as many, if that is longer than the seconds)."""

FORWARD_SECONDS = 10.0
"""A stamp this far after the latest one is a jump; ffmpeg's ``-dts_delta_threshold``."""

WILD_PACKETS = 2
"""Packets in a row whose stamps may be left out as wild."""

_PACED_PACKETS = 10
_PACE = 4.0
_SMOOTH_STEPS = 10.0
_SMOOTH_SECONDS = 1.0
_SAME_EDGE_SECONDS = 0.5
"""See `wild_at_the_edges`."""

MOST_JUMPS = 200


@dataclass(frozen=True)
class Jump:
    """Two neighbouring packets of a track whose stamps do not follow each other.

    Attributes
    ----------
    first : the first packet after the jump
    step : from the latest stamp before it, in seconds
    sure : it is one even if the other track has none there
    low, high : the joint lies after the first of these places of the file, and not after the second
    """

    first: int
    step: float
    sure: bool
    low: int
    high: int

    def meets(self, other: Jump) -> bool:
        """Whether two jumps can be at one byte of the file."""
        return max(self.low, other.low) < min(self.high, other.high)


def jumps(track: Packets) -> list[Jump]:
    """All jumps of a track, at most `MOST_JUMPS` + 1."""
    times = track.order_seconds
    if len(times) < 2:
        return []
    if not track.reordered:
        steps = np.diff(times)
        return _found(track, steps, (steps < -BACK_SECONDS) | (steps > FORWARD_SECONDS), _hardly_forward(track, steps))
    made: list[Jump] = []
    begin = 0
    while len(made) <= MOST_JUMPS:
        steps = times[begin + 1 :] - np.maximum.accumulate(times[begin:])[:-1]
        back = track.keys[begin + 1 :] & (steps <= 0)
        sure = (steps < -_reordering(track)) | (back & (steps < -BACK_SECONDS)) | (steps > FORWARD_SECONDS)
        found = _found(track, steps, sure, back, begin)
        next_sure = next((k for k, jump in enumerate(found) if jump.sure), len(found) - 1)
        made += found[: next_sure + 1]
        if not found or not found[next_sure].sure:
            break
        begin = found[next_sure].first
    return made


def _hardly_forward(track: Packets, steps: NDArray[np.float64]) -> NDArray[np.bool_]:
    """[n - 1] where a track goes on so little that its packets overlap."""
    if track.name == "pictures":
        return np.asarray(steps <= 0, np.bool_)
    lengths = track.durations[:-1] * float(track.time_base)
    return np.asarray(steps < 0.5 * np.where(lengths > 0, lengths, track.usual_step), np.bool_)


def _reordering(track: Packets) -> float:
    usual = min(track.usual_step, 60.0)
    most = max(_REORDERED_SECONDS, _REORDERED_PICTURES / 2 * usual)
    return max(BACK_SECONDS, min(_REORDERED_PICTURES * usual, most))


def _found(
    track: Packets, steps: NDArray[np.float64], sure: NDArray[np.bool_], weak: NDArray[np.bool_], begin: int = 0
) -> list[Jump]:
    made = []
    for k in np.flatnonzero(sure | weak)[: MOST_JUMPS + 1].tolist():
        first = begin + k + 1
        low = int(track.places[first - 1])
        after = int(np.searchsorted(track.places, low, "right"))  # packets of one block share its place
        high = int(track.places[max(first, after)]) if max(first, after) < len(track) else low + 1
        made.append(Jump(first, float(steps[k]), bool(sure[k]), low, high))
    return made


def wild_at(track: Packets, first: int) -> range | None:
    """The few packets that lie apart from their neighbours at a jump before packet ``first``; None if more do.

    Of the packets before the jump and those after it, the ones without which the others go on most smoothly are wild.
    """
    times, count = track.order_seconds, len(track)
    slack = _reordering(track) if track.reordered else 0.0
    smooth = max(_SMOOTH_SECONDS, _SMOOTH_STEPS * track.usual_step)
    best, found = smooth, None
    for few in range(1, WILD_PACKETS + 1):
        for begin in (first - few, first):
            end = begin + few
            if begin < 0 or end > count or end - begin == count:
                continue
            before, after = times[max(0, begin - 2) : begin], times[end : end + 2]
            around = np.diff(np.concatenate([before, after]))
            if (around < -slack).any() or (begin == 0 and not _goes_on(times, end)):
                continue
            roughest = float(np.abs(around).max()) if len(around) else 0.0
            if roughest < best:
                best, found = roughest, range(begin, end)
    return found


def _goes_on(times: NDArray[np.float64], first: int) -> bool:
    return len(times) - first > WILD_PACKETS


def wild_at_the_edges(track: Packets, other: Packets | None) -> list[int]:
    """Packets at the begin or the end whose stamps lie apart, where neither their own track nor the other reaches.

    The others of the track must be paced, and both tracks begin, or end, together without them.
    """
    count, times = len(track), track.order_seconds
    if other is None or not len(other) or count < _PACED_PACKETS + WILD_PACKETS:
        return []
    steps = np.diff(times)
    wide = max(_SMOOTH_SECONDS, _SMOOTH_STEPS * track.usual_step)
    begin, end = float(other.order_seconds.min()), float(other.ends().max())
    found: list[int] = []
    for few in range(1, WILD_PACKETS + 1):
        if steps[few - 1] > wide and _paced(steps[few : few + _PACED_PACKETS], track.usual_step):
            if abs(times[few] - begin) < _SAME_EDGE_SECONDS and times[few - 1] < begin:
                found += range(few)
        at = count - 1 - few
        if steps[at] > wide and _paced(steps[max(0, at - _PACED_PACKETS) : at], track.usual_step):
            last = float(times[at]) + track.usual_step
            if abs(last - end) < _SAME_EDGE_SECONDS and times[at + 1] > end:
                found += range(at + 1, count)
    return sorted(set(found))


def _paced(steps: NDArray[np.float64], usual: float) -> bool:
    return bool((np.abs(steps) <= _PACE * usual).all())


def wild_to_show(track: Packets) -> list[int]:
    """Packets that are shown far from when they are decoded, further than most of the track."""
    if track.name != "pictures" or track.reordered or len(track) < _PACED_PACKETS:
        return []
    later = (track.stamps - track.order) * float(track.time_base)
    far = np.abs(later - np.median(later)) > _reordering(track)
    return np.flatnonzero(far).tolist() if far.sum() <= WILD_PACKETS else []
