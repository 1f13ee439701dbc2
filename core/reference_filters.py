"""The median filter of a label's scores in plain Python: what the kernels mirror."""

from __future__ import annotations

import math
from collections.abc import Sequence


def beyond(x: Sequence[float], t: int, edge: str) -> float:
    """The score at a segment that may lie outside of the video, by the edge rule; -inf for one that is no number."""
    n = len(x)
    if not 0 <= t < n:
        if edge in ("zeros", "minus_inf"):
            return 0.0 if edge == "zeros" else -math.inf
        if edge == "nearest":
            t = min(max(t, 0), n - 1)
        elif edge == "wrap":
            t %= n
        else:  # d c b a | a b c d | d c b a, and d c b | a b c d | c b a
            there_and_back = [*range(n), *reversed(range(n) if edge == "reflect" else range(1, n - 1))]
            t = there_and_back[t % len(there_and_back)]
    return -math.inf if math.isnan(x[t]) else x[t]


def median_filtered(x: Sequence[float], size: int, edge: str) -> list[float]:
    """The median of a window around each segment; half of an even size lies before, and the upper of the two middle
    values counts."""
    first = [t - size // 2 for t in range(len(x))]
    return [sorted(beyond(x, i, edge) for i in range(a, a + size))[size // 2] for a in first]
