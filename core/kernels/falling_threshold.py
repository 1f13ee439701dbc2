"""Events as a threshold falls to the value of one item after the other. Kernels only.

Where items are segments, and events runs of them, an item makes one event of itself and of those beside it that are
there already: they are the subtrees of its node in the Cartesian tree of the values. So all events of all thresholds
are found in one pass, in the order of time, and nothing is sorted.
"""

from __future__ import annotations

from .jit import inner
from .ordering import ordered


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
    if joins:  # of equal values the earlier item comes first
        for i in range(first + 1, last):
            fp[i] -= value[i - 1] >= value[i]
        for i in range(first + 1, last):
            fp[i - 1] -= value[i] > value[i - 1]


@inner
def find_events(first, last, joins, value, onset, offset, on, off, before, after, stack):
    """Of each item the event that it is in once the threshold has fallen to it, and the events that this one replaces.

    Mirrors :func:`avreplay.core.reference_ranking.detected`.

    first : int, first item of the video and class
    last : int, end of its items; n are these
    joins : bool, items are consecutive segments
    value : (E,) float64
    onset : (E,) float64, seconds
    offset : (E,) float64, seconds
    on : (>= n,) float64, written: onset of the event
    off : (>= n,) float64, written: offset of the event
    before : (>= n,) int64, written: the item whose event ends right before this item, n for none
    after : (>= n,) int64, written: the item whose event begins right after it, n for none
    stack : (>= n,) int64, memory
    """
    n = last - first
    for k in range(n):
        on[k], off[k], before[k], after[k] = onset[first + k], offset[first + k], n, n
    if not joins:
        return
    top = 0
    for k in range(n + 1):
        # of equal values the earlier item comes first
        joined = n
        while top > 0 and (k == n or value[first + stack[top - 1]] >= value[first + k]):
            top -= 1
            off[stack[top]], after[stack[top]] = offset[first + k - 1], joined
            joined = stack[top]
        if k < n:
            before[k] = joined
            if joined < n:
                on[k] = on[joined]
            stack[top] = k
            top += 1


@inner
def shared_by_each(n, on, off, a, b, g_onset, g_offset, shared):
    """Seconds that each event shares with truths, summed.

    Mirrors :func:`avreplay.core.reference_ranking.shared_seconds`.

    n : int, events
    on : (>= n,) float64, seconds
    off : (>= n,) float64, seconds
    a : int, first truth
    b : int, end of the truths
    g_onset : (G,) float64
    g_offset : (G,) float64
    shared : (>= n,) float64, written
    """
    for k in range(n):
        shared[k] = 0.0
    for t in range(a, b):
        g_on, g_off = g_onset[t], g_offset[t]
        for k in range(n):
            shared[k] += max(min(off[k], g_off) - max(on[k], g_on), 0.0)


@inner
def order_matching(first, n, matches, before, after, value, chosen, order, cut, memory, there):
    """The items at which the events that match truths change, in the order of time, and as a threshold falls. Returns
    how many.

    Mirrors :func:`avreplay.core.reference_ranking.ordered`.

    first : int, first item of the video and class
    n : int, how many it has
    matches : (> n,) bool, whether the event of an item matches any; the one at n, of no item, is set
    before : (>= n,) int64, see :func:`find_events`
    after : (>= n,) int64
    value : (E,) float64
    chosen : (>= n,) int64, written: the items
    order : (>= n,) int64, written: which of these comes first, and so on
    cut : (>= n,) float64, memory
    memory : (>= n,) int64, memory
    there : (> n,) bool, written: no event is there yet
    """
    some = 0
    matches[n] = False
    for k in range(n):
        there[k] = False
        if matches[k] | matches[before[k]] | matches[after[k]]:
            chosen[some], cut[some] = k, value[first + k]
            some += 1
    ordered(cut, some, -1.0, order, memory)
    return some
