"""Where the time stamps of a track jump, and which of the jumps are one wrong stamp.

Decoding time stamps never step back within a recording, and no picture that can be decoded by itself (a key picture) is
shown before one that lies before it in the file. So a step back, however short, is a joint of two recordings if both
tracks have one at the same bytes of the file; a longer one is a joint or an error.
"""

from __future__ import annotations

from collections.abc import Sequence
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
_FORWARD_STEPS = 20
"""A stamp this far after the latest one, and this many usual steps, is a jump; ffmpeg's ``-dts_delta_threshold``."""

WILD_PACKETS = 2
"""Packets in a row whose stamps may be left out as wild."""

_PACED_PACKETS = 10
_PACE = 4.0
_SMOOTH_STEPS = 10.0
_SMOOTH_SECONDS = 1.0
_SAME_EDGE_SECONDS = 0.5
_NEAR_STEPS = 20
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
    """All jumps of a track, or the first of too many (`MOST_JUMPS`)."""
    made: list[Jump] = []
    begin = 0
    while begin < len(track) - 1 and len(made) <= MOST_JUMPS:
        found = _next_jumps(track, begin)
        made += found
        if not found or not found[-1].sure:
            break
        begin = found[-1].first
    return made


def _next_jumps(track: Packets, begin: int) -> list[Jump]:
    """The jumps after packet ``begin``, up to the first that is sure."""
    times, shown = track.order_seconds[begin:], track.seconds[begin:]
    if track.reordered:
        steps = times[1:] - np.maximum.accumulate(times)[:-1]
        weak, sure = np.zeros(len(steps), np.bool_), steps < -_reordering(track)
    else:
        steps = np.diff(times)
        weak, sure = _hardly_forward(track, begin, steps), steps < -BACK_SECONDS
    keys = np.flatnonzero(track.keys[begin + 1 :])
    if len(keys):
        behind = shown[keys + 1] - np.maximum.accumulate(shown)[keys]
        keys, behind = keys[behind <= 0], behind[behind <= 0]
        weak[keys] = True
        sure[keys] |= behind < -BACK_SECONDS
        steps[keys] = np.minimum(steps[keys], behind)
    sure |= steps > max(FORWARD_SECONDS, _FORWARD_STEPS * track.usual_step)
    made = []
    for k in np.flatnonzero(weak | sure)[: MOST_JUMPS + 1].tolist():
        first = begin + k + 1
        low = int(track.places[first - 1])
        after = max(first, int(np.searchsorted(track.places, low, "right")))  # packets of a block share its place
        high = int(track.places[after]) if after < len(track) else low + 1
        made.append(Jump(first, float(steps[k]), bool(sure[k]), low, high))
        if sure[k]:
            break
    return made


def _hardly_forward(track: Packets, begin: int, steps: NDArray[np.float64]) -> NDArray[np.bool_]:
    """[len(steps)] where a track goes on so little that its packets overlap."""
    if track.name == "pictures":
        return np.asarray(steps <= 0, np.bool_)
    lengths = track.durations[begin:-1] * float(track.time_base)
    return np.asarray(steps < 0.5 * np.where(lengths > 0, lengths, track.usual_step), np.bool_)


def _reordering(track: Packets) -> float:
    usual = min(track.usual_step, 60.0)
    most = max(_REORDERED_SECONDS, _REORDERED_PICTURES / 2 * usual)
    return max(BACK_SECONDS, min(_REORDERED_PICTURES * usual, most))


def wild_at(track: Packets, first: int) -> range | None:
    """The few packets that lie apart from their neighbours at a jump before packet ``first``; None if more do.

    Of the packets before the jump and those after it, the ones without which the others go on most smoothly are wild.
    """
    times, count = track.order_seconds, len(track)
    if count < _PACED_PACKETS:
        return None
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

    The others of the track must be paced, both tracks begin, or end, together without them, and no bytes may be missing
    between: after damage, a few packets are all that is left.
    """
    count, times = len(track), track.order_seconds
    if other is None or not len(other) or count < _PACED_PACKETS + WILD_PACKETS:
        return []
    steps, far = np.diff(times), np.diff(track.places)
    wide = max(_SMOOTH_SECONDS, _SMOOTH_STEPS * track.usual_step)
    near = far <= _NEAR_STEPS * max(float(np.median(far)), 1.0)
    begin, end = float(other.order_seconds.min()), float(other.ends().max())
    found: set[int] = set()
    for few in range(1, WILD_PACKETS + 1):
        paced = _paced(steps[few : few + _PACED_PACKETS], track.usual_step) and near[few - 1]
        if steps[few - 1] > wide and paced and abs(times[few] - begin) < _SAME_EDGE_SECONDS and times[few - 1] < begin:
            found.update(range(few))
        at = count - 1 - few
        paced = _paced(steps[max(0, at - _PACED_PACKETS) : at], track.usual_step) and near[at]
        last = float(times[at]) + track.usual_step
        if steps[at] > wide and paced and abs(last - end) < _SAME_EDGE_SECONDS and times[at + 1] > end:
            found.update(range(at + 1, count))
    return sorted(found)


def _paced(steps: NDArray[np.float64], usual: float) -> bool:
    return bool((np.abs(steps) <= _PACE * usual).all())


def wild_to_show(track: Packets, beside: Sequence[Jump]) -> list[int]:
    """Packets that are shown far from when they are decoded, in the middle of others that are paced.

    Not where the other track jumps ``beside`` them: at a joint FFmpeg guesses when the first pictures are decoded.
    """
    if track.name != "pictures" or track.reordered or len(track) < _PACED_PACKETS:
        return []
    later = (track.stamps - track.order) * float(track.time_base)
    far = np.flatnonzero(np.abs(later - np.median(later)) > _reordering(track)).tolist()
    if len(far) > WILD_PACKETS:
        return []
    last = len(track) - 1
    steps = np.diff(track.order_seconds)
    if not all(_paced(steps[max(0, k - _PACED_PACKETS) : k + _PACED_PACKETS], track.usual_step) for k in far):
        return []
    around = [(int(track.places[max(k - 1, 0)]), int(track.places[min(k + 1, last)])) for k in far]
    joined = any(jump.low < high and low < jump.high for low, high in around for jump in beside)
    return [] if joined else far
