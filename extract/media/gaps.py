"""Time stamps that cannot be believed although they never go back: they claim time that is not in the file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .opening import MediaError

_GAP_SECONDS = 10.0
_GAPS_SECONDS = 10.0
_LONGEST_GAP_SECONDS = 600.0
"""See `refuse_gaps`."""

_MOMENT_SECONDS = 0.0005
_MOMENT_PICTURES = 10
"""So many pictures in a row, each so shortly after the one before, have stamps that are not their own."""


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


def refuse_bursts(pictures: NDArray[np.float64]) -> None:
    """Raise if many pictures have all but the same time stamp: whoever wrote them did not know when they are shown.

    ``pictures`` : [n] sorted, when each begins, in seconds

    Raises
    ------
    MediaError
        ``unreadable``, with the moment
    """
    close = np.concatenate([[False], np.diff(pictures) < _MOMENT_SECONDS, [False]])
    edges = np.flatnonzero(np.diff(close.astype(np.int8)))
    for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if last - first >= _MOMENT_PICTURES:
            raise MediaError(
                "unreadable",
                f"the time stamps put {last - first + 1} pictures into one moment, at {pictures[first]:.1f} s",
            )
