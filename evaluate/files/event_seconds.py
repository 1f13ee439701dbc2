"""Real-valued seconds of events in files: which are times within their video."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_NEAR = 1e-6
"""Of a segment: what rounding may put a time beyond the end of its video, or beside a number of segments."""


def within(seconds: NDArray[np.float64], ends: NDArray[np.float64], lengths: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which onsets and offsets (E, 2) are in order and within their video, which ends at ``ends`` (E,); ``lengths``
    (E,) of a segment."""
    onset, offset = seconds[:, 0], seconds[:, 1]
    found: NDArray[np.bool_] = (onset >= 0) & (onset < offset) & (offset <= ends + _NEAR * lengths)
    return found


def finer(seconds: NDArray[np.float64], segments: NDArray[np.int64], lengths: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which times (E,) are not those of a whole number of segments (E,)."""
    found: NDArray[np.bool_] = ~(np.abs(seconds - segments * lengths) <= _NEAR * lengths)
    return found
