"""Time stamps that cannot be believed although they never go back: they claim time that is not in the file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .opening import MediaError
from .packets import Packets

_GAP_SECONDS = 10.0
_GAPS_SECONDS = 10.0
_LONGEST_GAP_SECONDS = 600.0
"""See `refuse_gaps`."""

_STEP_SECONDS = 1.0
_STEP_PACKETS = 10
"""A step forward of a track is looked at if it is longer than this, and than as many of its usual steps."""

_BESIDE_SECONDS = 15.0
_BESIDE_PACKETS = 4
"""How far before and after a step, and by how many packets at least, the tracks are compared."""


def refuse_gaps(pictures: NDArray[np.float64], sound: NDArray[np.float64], end: float) -> None:
    """Raise if the time stamps claim far more time than there are pictures and sound.

    A gap is a stretch without any packet of more than 10 s (and of more than 20 times the usual distance of pictures).
    Gaps may take 10 s, or as much as the rest of the file; none may take ten minutes.

    ``pictures``, ``sound`` : [n] and [m] when each begins, in seconds; ``end`` : when the last of them ends

    Raises
    ------
    MediaError
        ``unreadable``, with the longest gap
    """
    times = np.sort(np.concatenate([pictures, sound, [end]]))
    steps, paced = np.diff(times), np.diff(np.sort(pictures))
    if not len(steps):
        return
    usual = float(np.median(paced)) if len(paced) else 0.0
    gaps = steps > max(_GAP_SECONDS, 20 * usual)
    longest = int(np.argmax(steps))
    total, rest = float(steps[gaps].sum()), float(steps[~gaps].sum())
    if steps[longest] > _LONGEST_GAP_SECONDS or total > max(_GAPS_SECONDS, rest):
        raise MediaError(
            "unreadable",
            f"there is neither picture nor sound between {times[longest]:.1f} and {times[longest + 1]:.1f} s "
            "of the time stamps",
        )


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
        beside = np.searchsorted(other.places, track.places, "right") - 1
        known = (beside >= 0) & (beside < len(other) - 1)
        apart = times - others[np.clip(beside, 0, len(other) - 1)]
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
