"""Notes of what a file has none of for a while: pictures or sound that begin late, pause, or end early."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ...cache import Note

NOTED_SECONDS = 0.5
"""Pictures or sound that begin later or end earlier than the other by more than this are noted."""

_SAME_RATE, _MOSTLY = 0.2, 0.95
"""Pictures have a constant rate if this share of their steps is as far from the usual one at most."""

_LEAST_GAP = 2.5
"""Single pictures that are left out are usual (duplicates), and no gap."""


def pauses(what: str, begins: NDArray[np.float64], ends: NDArray[np.float64], least: float) -> list[Note]:
    """What there is none of for a while; of pictures, the one before stands."""
    long = [(a, b) for a, b in zip(begins.tolist(), ends.tolist(), strict=True) if b - a > least]
    if not long:
        return []
    times = ", ".join(f"from {a:.1f} to {b:.1f} s" for a, b in long[:5])
    return [Note("pause", f"there is no {what} {times}" + ("" if what == "sound" else "; the one before stands"))]


def pauses_of_pictures(times: NDArray[np.float64], least: float, untold: int | None) -> list[Note]:
    """Pauses between pictures, of more than ``least`` seconds and of ten usual steps.

    At a constant rate, a shorter one is noted, too, if as many pictures could be lost there without a trace.

    ``times`` : [n] sorted, when each picture begins, in seconds; ``untold`` : so many leave no trace; None if all do
    """
    steps = np.diff(times)
    usual = float(np.median(steps))
    shortest = max(least, 10 * usual)
    if untold is not None and float(np.mean(np.abs(steps - usual) <= _SAME_RATE * usual)) > _MOSTLY:
        shortest = min(shortest, max(untold + 0.5, _LEAST_GAP) * usual)
    return pauses("picture", times[:-1], times[1:], shortest)


def late_and_early(
    pictures: tuple[float, float], sound: tuple[float, float], origin: float, end: float
) -> Iterator[Note]:
    """What of the two begins later, or ends earlier, than the other."""
    length = f"of {end - origin:.1f} s"
    if pictures[0] - origin > NOTED_SECONDS:
        yield Note("late_pictures", f"the pictures begin at {pictures[0] - origin:.1f} s; the first one stands before")
    if end - pictures[1] > NOTED_SECONDS:
        text = f"the pictures end at {pictures[1] - origin:.1f} {length}; the last one stands"
        yield Note("early_end_of_pictures", text)
    if sound[0] - origin > NOTED_SECONDS:
        yield Note("late_sound", f"the sound begins at {sound[0] - origin:.1f} s; there is silence before")
    if end - sound[1] > NOTED_SECONDS:
        yield Note("early_end_of_sound", f"the sound ends at {sound[1] - origin:.1f} {length}; there is silence after")
