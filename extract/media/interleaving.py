"""What the places of pictures and sound in the file say about their time stamps: what lies together belongs together.

Files are written so that pictures and sound of the same time lie near each other. Where they do, and the stamps say
otherwise from some place on, the stamps of one track are wrong. Files that are not interleaved tightly enough to tell
are believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .opening import MediaError
from .packets import Correction, Packets

_STEP_SECONDS = 1.0
_STEP_PACKETS = 10
"""A step forward of a track is looked at if it is longer than this, and than as many of its usual steps."""

_BESIDE_SECONDS = 15.0
_BESIDE_PACKETS = 4
"""How far before and after a step, and by how many packets at least, the tracks are compared."""

_LATE_SECONDS = 0.5
_PRELOAD_SECONDS = 0.8
"""How far before its time the sound of an AVI usually lies in the file, and how far more that may be."""

_MOVED_SECONDS = 1.0


def refuse_lone_steps(tracks: Sequence[Packets]) -> None:
    """Raise if one track steps forward where the other, which lies beside it in the file, does not.

    Where pictures or sound really pause, that much of the other track lies in the file between the packets before and
    after the pause. Where only the stamps step, the tracks lie beside each other as before, with stamps that are apart
    by the step from there on. Tracks that are not interleaved tightly enough to tell are believed.

    Raises
    ------
    MediaError
        ``unreadable``, with the step
    """
    if len(tracks) < 2 or not all(map(len, tracks)):
        return
    for track, other in (tracks, tuple(reversed(tracks))):
        times, others = track.order_seconds, other.order_seconds
        steps = np.diff(times)
        wide = np.flatnonzero(steps > max(_STEP_SECONDS, _STEP_PACKETS * track.usual_step))
        if not len(wide):
            continue
        beside, apart, known = _beside(track, other)
        for k in wide.tolist():
            step, passed = float(steps[k]), float(others[beside[k + 1]] - others[max(beside[k], 0)])
            if passed < step / 2 and _are_apart(times, apart, known, k, step):
                raise MediaError(
                    "unreadable",
                    f"the time stamps of the {track.name} jump from {times[k]:.1f} to {times[k + 1]:.1f} s, "
                    f"those of the {other.name} beside them do not",
                )


def _are_apart(
    times: NDArray[np.float64], apart: NDArray[np.float64], known: NDArray[np.bool_], k: int, step: float
) -> bool:
    """Whether from packet k to k + 1 the distance to the other track grows by the step, and is steady on both sides."""
    begin = int(np.searchsorted(times[: k + 1], times[k] - _BESIDE_SECONDS))
    end = k + 1 + int(np.searchsorted(times[k + 1 :], times[k + 1] + _BESIDE_SECONDS, "right"))
    found = [apart[side][known[side]] for side in (slice(begin, k + 1), slice(k + 1, end))]
    if min(map(len, found)) < _BESIDE_PACKETS:
        return False
    low, high = (np.percentile(one, (5, 50, 95)) for one in found)
    spread = (low[2] - low[0]) + (high[2] - high[0])
    return bool(high[1] - low[1] > 0.6 * step and spread < 0.8 * step)


def _beside(track: Packets, other: Packets) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """For each packet [n] the last one of the other track before it in the file, how much later its stamp is than that
    one's, in seconds, and whether the other track lies on both sides of it."""
    beside = np.searchsorted(other.places, track.places, "right") - 1
    apart = track.order_seconds - other.order_seconds[np.clip(beside, 0, len(other) - 1)]
    return beside, apart, (beside >= 0) & (beside < len(other) - 1)


def late_sound_of_avi(pictures: Packets, sound: Packets, declared: int) -> Correction:
    """What puts the sound of an AVI in its place, which FFmpeg counts from its first packet that is not empty.

    An AVI has no time stamps: sound that begins late begins with empty packets. These are missing from the ``declared``
    number (in units of the sound's time base), and the sound lies as much later in the file, beside later pictures.

    Raises
    ------
    MediaError
        ``unreadable``: the sound lies beside pictures of another time, and nothing says why
    """
    _, apart, known = _beside(sound, pictures)
    if known.sum() < _BESIDE_PACKETS:
        return Correction()
    low, late, high = (-float(value) for value in np.percentile(apart[known], (95, 50, 5)))
    missing = declared - int((sound.stamps + sound.durations).max())
    seconds = float(missing * sound.time_base)
    if high - low > max(late / 2, _LATE_SECONDS) or late < _LATE_SECONDS:
        return Correction()
    if seconds > _LATE_SECONDS and abs(seconds - late) <= _PRELOAD_SECONDS:
        return Correction((0,), (missing,))
    if late > _MOVED_SECONDS:
        raise MediaError("unreadable", f"the sound lies {late:.1f} s later in the file than the pictures of its time")
    return Correction()


def moved(track: Packets, correction: Correction) -> Packets:
    """A track with a correction that moves all of it."""
    shift = sum(correction.shifts)
    return replace(track, stamps=track.stamps + shift, order=track.order + shift) if shift else track
