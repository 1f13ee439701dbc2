"""How counts of events by intersection with truths change as a threshold on their confidence falls. Kernels only."""

from __future__ import annotations

import numpy as np

from .collar_changes import detected
from .jit import inlined, kernel
from .ordering import ordered
from .stray_events import stray


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
def _shared(on, off, a, b, g_onset, g_offset):
    """Seconds that a span shares with truths, summed.

    Mirrors :func:`avreplay.core.reference_ranking.shared_seconds`.

    on : float, seconds
    off : float, seconds
    a : int, first truth
    b : int, end of the truths
    g_onset : (G,) float64
    g_offset : (G,) float64
    """
    total = 0.0
    for t in range(a, b):
        total += max(min(off, g_offset[t]) - max(on, g_onset[t]), 0.0)
    return total


@inlined
def _cross(sign, on, off, here, own, present, g_starts, g_onset, g_offset, share, scale, change):
    """Count, or take back, the classes of which an event covers truths as a cross trigger.

    Mirrors :func:`avreplay.core.reference_ranking.intersection_changes`.

    sign : int, 1 or -1
    on : float, seconds
    off : float, seconds
    here : int, video * C
    own : int, the class of the event
    present : (n,) int64, the classes that have truths in the video
    g_starts : (N * C + 1,) int64
    g_onset : (G,) float64
    g_offset : (G,) float64
    share : float, least share of the event
    scale : float, see :func:`_least`
    change : (C,) int32, added to
    """
    for c in present:
        if c != own:
            x, y = g_starts[here + c], g_starts[here + c + 1]
            change[c] += sign * _least(_shared(on, off, x, y, g_onset, g_offset), share * (off - on), scale)


@kernel
def intersection_changes(
    starts, key, value, onset, offset, joins, g_starts, g_onset, g_offset, shares, scale, crossed, tp, fp
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
    crossed : (E, C) int32 of zeros, written: by how many the events that are none's and cover truths of another class
        become more; (0, C) where they do not matter
    tp : (E,) int64 of zeros, written: by how many the truths that are found become more
    fp : (E,) int64 of zeros, written: the events that are none's
    """
    labels = crossed.shape[1]
    longest = 1
    for g in range(key.shape[0]):
        longest = max(longest, starts[g + 1] - starts[g])
    on, off = np.empty(longest), np.empty(longest)
    order, memory = np.empty(longest, np.int64), np.empty(longest, np.int64)
    begin, end = np.empty(longest, np.int64), np.empty(longest, np.int64)
    relevant = np.empty(longest, np.bool_)
    now, then = np.zeros(labels, np.int32), np.zeros(labels, np.int32)
    crosses = crossed.shape[0] > 0
    classes = np.empty(labels, np.int64)
    present = classes[:0]
    before = -1
    for g in range(key.shape[0]):
        first, last = starts[g], starts[g + 1]
        a, b = g_starts[key[g]], g_starts[key[g] + 1]
        own = key[g] % labels
        here = key[g] - own
        if crosses and here != before:
            before = here
            n = 0
            for c in range(labels):
                if g_starts[here + c + 1] > g_starts[here + c]:
                    classes[n] = c
                    n += 1
            present = classes[:n]
        if a == b:
            stray(first, last, joins, value, fp)
            if present.shape[0] == 0:
                continue
        ordered(value[first:last], last - first, -1.0, order, memory)
        if a == b:
            # the event that an item belongs to, less those that it joins
            for j in range(last - first):
                i = first + order[j]
                x = y = order[j]
                if joins and i > first and value[i - 1] >= value[i]:
                    x = begin[order[j] - 1]
                    _cross(-1, onset[first + x], offset[i - 1], here, own, present, g_starts, g_onset, g_offset,
                           shares[2], scale, crossed[i])  # fmt: skip
                if joins and i + 1 < last and value[i + 1] > value[i]:
                    y = end[order[j] + 1]
                    _cross(-1, onset[i + 1], offset[first + y], here, own, present, g_starts, g_onset, g_offset,
                           shares[2], scale, crossed[i])  # fmt: skip
                begin[y], end[x] = x, y
                _cross(1, onset[first + x], offset[first + y], here, own, present, g_starts, g_onset, g_offset,
                       shares[2], scale, crossed[i])  # fmt: skip
            continue
        right = wrong = 0
        for c in present:
            then[c] = 0
        for j in range(last - first):
            i = first + order[j]
            if j > 0 and value[first + order[j - 1]] == value[i]:
                continue
            n = detected(first, last, value[i], joins, value, onset, offset, on, off)
            found = strays = 0
            for c in present:
                now[c] = 0
            for k in range(n):
                length = off[k] - on[k]
                relevant[k] = _least(_shared(on[k], off[k], a, b, g_onset, g_offset), shares[0] * length, scale)
                if not relevant[k]:
                    strays += 1
                    if crosses:
                        _cross(1, on[k], off[k], here, own, present, g_starts, g_onset, g_offset, shares[2], scale, now)
            for t in range(a, b):
                total = 0.0
                for k in range(n):
                    if relevant[k]:
                        total += max(min(off[k], g_offset[t]) - max(on[k], g_onset[t]), 0.0)
                found += _least(total, shares[1] * (g_offset[t] - g_onset[t]), scale)
            tp[i], fp[i] = found - right, strays - wrong
            right, wrong = found, strays
            if crosses:
                for c in present:
                    crossed[i, c] = now[c] - then[c]
                    then[c] = now[c]
