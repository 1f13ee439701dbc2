"""How counts of events of a class without a truth in a video change as a threshold falls. Kernels only.

All of them are wrong, so that only the event that an item begins, lengthens or joins has to be looked at.
"""

from __future__ import annotations

from .jit import inner


@inner
def stray(first, last, joins, value, fp):
    """By how many the events become more at each item.

    Mirrors :func:`avreplay.core.reference_ranking.collar_changes`.

    first : int, first item of the video and class
    last : int, end of its items
    joins : bool, items are consecutive segments
    value : (E,) float64
    fp : (E,) int64, written
    """
    for i in range(first, last):
        fp[i] = 1
        if joins:
            # of equal values the earlier item comes first
            fp[i] -= i > first and value[i - 1] >= value[i]
            fp[i] -= i + 1 < last and value[i + 1] > value[i]
