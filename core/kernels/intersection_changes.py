"""How counts of events by intersection with truths change as a threshold on their confidence falls. Kernels only.

Each event is compared with the truths once. Truths are looked for anew only where an event that truths of its class
cover, a relevant one, has come or gone.
"""

from __future__ import annotations

import numpy as np

from .falling_threshold import find_events, order_matching, shared_by_each, stray
from .jit import inlined, kernel


@inlined
def _least(a, b, scale):
    """Whether a >= b, of numbers that are rounded to ``1 / scale`` before; as they are where it is 0.

    Mirrors :func:`avreplay.core.reference_ranking.at_least`.

    a : float
    b : float
    scale : float
    """
    return np.rint(a * scale) >= np.rint(b * scale) if scale > 0 else a >= b


@inlined
def _found(chosen, some, there, on, off, a, b, g_onset, g_offset, share, scale):
    """How many truths relevant events cover.

    Mirrors :func:`avreplay.core.reference_ranking.intersection_changes`.

    chosen : (>= some,) int64, items whose events may be there
    some : int
    there : (>= n,) bool, of each item whether its event is, and is relevant
    on : (>= n,) float64, seconds
    off : (>= n,) float64, seconds
    a : int, first truth
    b : int, end of the truths
    g_onset : (G,) float64
    g_offset : (G,) float64
    share : float, least share of a truth
    scale : float, see :func:`_least`
    """
    found = 0
    for t in range(a, b):
        total = 0.0
        for j in range(some):
            k = chosen[j]
            seconds = max(min(off[k], g_offset[t]) - max(on[k], g_onset[t]), 0.0)
            total += seconds if there[k] else 0.0
        found += _least(total, share * (g_offset[t] - g_onset[t]), scale)
    return found


@inlined
def _highest(first, last, value):
    """The first item with the largest value.

    Mirrors :func:`avreplay.core.reference_ranking.ordered`.

    first : int
    last : int, end of the items
    value : (E,) float64
    """
    best = first
    for i in range(first, last):
        if value[i] > value[best]:
            best = i
    return best


@inlined
def _cross(
    first, n, on, off, before, after, relevant, own, here, present, g_starts, g_onset, g_offset, share,
    scale, shared, crosses, change, many,
):  # fmt: skip
    """Changes of the cross triggers of a video and class.

    Mirrors :func:`avreplay.core.reference_ranking.intersection_changes`.

    first : int, first item of the video and class
    n : int, how many it has
    on : (>= n,) float64, seconds
    off : (>= n,) float64, seconds
    before : (>= n,) int64, see :func:`.falling_threshold.find_events`
    after : (>= n,) int64
    relevant : (>= n,) bool, of each item whether its event is
    own : int, the class
    here : int, video * C
    present : (m,) int64, the classes that have truths in the video
    g_starts : (N * C + 1,) int64
    g_onset : (G,) float64
    g_offset : (G,) float64
    share : float, least share of an event
    scale : float, see :func:`_least`
    shared : (>= n,) float64, memory
    crosses : (> n,) int64, memory
    change : (n * m,) int8 of zeros, written: of each item by how many those with each of these classes become more
    many : (E,) int32 of zeros, written: how many of an item's are not 0
    """
    m = present.shape[0]
    for i in range(m):
        if present[i] == own:
            continue
        x, y = g_starts[here + present[i]], g_starts[here + present[i] + 1]
        shared_by_each(n, on, off, x, y, g_onset, g_offset, shared)
        crosses[n] = 0
        for k in range(n):
            crosses[k] = _least(shared[k], share * (off[k] - on[k]), scale) & (not relevant[k])
        for k in range(n):
            more = crosses[k] - crosses[before[k]] - crosses[after[k]]
            change[k * m + i] = more
            many[first + k] += more != 0


@kernel
def intersection_changes(
    starts, key, value, onset, offset, joins, g_starts, g_onset, g_offset, shares, scale, labels, present_starts,
    present, rows, change, many, tp, fp,
):  # fmt: skip
    """Changes of the counts by intersection: truths that are found, events that are none's, cross triggers.

    Mirrors :func:`avreplay.core.reference_ranking.intersection_changes`.

    starts : (K + 1,) int64, where the items of each (setting, video, label) that has any begin
    key : (K,) int64, video * C + label
    value : (E,) float64
    onset : (E,) float64, seconds
    offset : (E,) float64, seconds
    joins : bool, items are consecutive segments
    g_starts : (N * C + 1,) int64, where the truths of (video, label) begin
    g_onset : (G,) float64
    g_offset : (G,) float64
    shares : (3,) float64, of an event (detection tolerance), of a truth, and of an event in another class
    scale : float, see :func:`_least`
    labels : int, C
    present_starts : (N + 1,) int64, where the classes that have truths in each video begin
    present : (M,) int64, these classes
    rows : (K + 1,) int64, where the cross triggers of each group of items begin; (0,) where they do not matter
    change : (X,) int8 of zeros, written: of each item of a group, and each class that has truths in its video, by how
        many the events become more that are none's and cover truths of that class
    many : (E,) int32 of zeros, written: how many of an item's are not 0
    tp : (E,) int64 of zeros, written: by how many the truths that are found become more
    fp : (E,) int64 of zeros, written: the events that are none's
    """
    longest = 1
    for g in range(key.shape[0]):
        longest = max(longest, starts[g + 1] - starts[g])
    on, off, cut, shared = np.empty((4, longest))
    relevant, there = np.empty((2, longest + 1), np.bool_)
    before, after, chosen, order, memory, crosses = np.empty((6, longest + 1), np.int64)
    for g in range(key.shape[0]):
        first, last = starts[g], starts[g + 1]
        a, b = g_starts[key[g]], g_starts[key[g] + 1]
        video = key[g] // labels
        crossing = rows.shape[0] > 0 and rows[g + 1] > rows[g]
        stray(first, last, joins, value, fp)
        if a == b and not crossing:
            continue
        count = last - first
        find_events(first, last, joins, value, onset, offset, on, off, before, after, memory)
        for k in range(count):
            relevant[k] = False
        if a < b:
            shared_by_each(count, on, off, a, b, g_onset, g_offset, shared)
            for k in range(count):
                relevant[k] = _least(shared[k], shares[0] * (off[k] - on[k]), scale)
            # relevant events are not wrong
            relevant[count] = False
            for k in range(count):
                fp[first + k] += relevant[before[k]] + relevant[after[k]] - relevant[k]
            some = order_matching(first, count, relevant, before, after, value, chosen, order, cut, memory, there)
            # truths without length are found at the first event of all
            right = _found(chosen, 0, there, on, off, a, b, g_onset, g_offset, shares[1], scale)
            if right > 0:
                tp[_highest(first, last, value)] = right
            for j in range(some):
                k = chosen[order[j]]
                there[before[k]] = there[after[k]] = False
                there[k] = relevant[k]
                if j + 1 < some and cut[order[j + 1]] == cut[order[j]]:
                    continue
                found = _found(chosen, some, there, on, off, a, b, g_onset, g_offset, shares[1], scale)
                tp[first + k] += found - right
                right = found
        if crossing:
            _cross(
                first, count, on, off, before, after, relevant, key[g] % labels, video * labels,
                present[present_starts[video] : present_starts[video + 1]], g_starts, g_onset, g_offset, shares[2],
                scale, shared, crosses, change[rows[g] : rows[g + 1]], many,
            )  # fmt: skip
