"""How counts of events within collars of a truth change as a threshold on their confidence falls. Kernels only.

Of each video and class, items (events, or the segments that events are runs of) are taken in by falling value; the
counts of what is then detected, less those before, stand beside the item.
"""

from __future__ import annotations

import numpy as np

from .jit import inlined, kernel
from .ordering import ordered
from .stray_events import stray


@inlined
def detected(first, last, cut, joins, value, onset, offset, on, off):
    """The events at a threshold: items from ``cut`` on, neighbours as one where they are segments. Returns how many.

    Mirrors :func:`avreplay.core.reference_ranking.detected`.

    first : int, first item of the video and class
    last : int, end of its items
    cut : float, least value
    joins : bool, items are consecutive segments
    value : (E,) float64
    onset : (E,) float64, seconds
    offset : (E,) float64, seconds
    on : (n,) float64, written
    off : (n,) float64, written
    """
    n = 0
    before = False
    for i in range(first, last):
        if value[i] >= cut:
            if joins and before:
                off[n - 1] = offset[i]
            else:
                on[n] = onset[i]
                off[n] = offset[i]
                n += 1
            before = True
        else:
            before = False
    return n


@inlined
def _within(distance, collar, scale):
    """Whether a distance is at most a collar, of a difference that is rounded to ``1 / scale``; as they are where it is
    0.

    Mirrors :func:`avreplay.core.reference_ranking.within`.

    distance : float, seconds
    collar : float, seconds
    scale : float
    """
    return np.rint((distance - collar) * scale) <= 0 if scale > 0 else distance <= collar


@inlined
def _fits(k, t, on, off, g_onset, g_offset, collars, scale):
    """Whether a detected event lies within the collars of a truth.

    Mirrors :func:`avreplay.core.reference_ranking.fits`.

    k : int, the event
    t : int, the truth
    on : (n,) float64, seconds
    off : (n,) float64, seconds
    g_onset : (G,) float64
    g_offset : (G,) float64
    collars : (3,) float64, onset and offset in seconds, offset as a share of the truth; offset below 0: any
    scale : float, see :func:`_within`
    """
    if not _within(abs(on[k] - g_onset[t]), collars[0], scale):
        return False
    allowed = max(collars[1], collars[2] * (g_offset[t] - g_onset[t]))
    return collars[1] < 0 or _within(abs(off[k] - g_offset[t]), allowed, scale)


@inlined
def _greedy(n, a, b, on, off, g_onset, g_offset, collars, scale, used):
    """How many truths get an event, if each in turn takes the first that fits and is free.

    Mirrors :func:`avreplay.core.reference_ranking.greedy`.

    n : int, events
    a : int, first truth
    b : int, end of the truths
    on : (n,) float64, seconds
    off : (n,) float64, seconds
    g_onset : (G,) float64
    g_offset : (G,) float64
    collars : (3,) float64, see :func:`_fits`
    scale : float, see :func:`_within`
    used : (n,) bool, memory
    """
    for k in range(n):
        used[k] = False
    found = 0
    for t in range(a, b):
        for k in range(n):
            if not used[k] and _fits(k, t, on, off, g_onset, g_offset, collars, scale):
                used[k] = True
                found += 1
                break
    return found


@inlined
def _most_pairs(n, a, b, on, off, g_onset, g_offset, collars, scale, owner, parent, queue):
    """How many truths can be given an event of their own, at the most.

    Mirrors :func:`avreplay.core.reference_ranking.most_pairs`.

    n : int, events
    a : int, first truth
    b : int, end of the truths
    on : (n,) float64, seconds
    off : (n,) float64, seconds
    g_onset : (G,) float64
    g_offset : (G,) float64
    collars : (3,) float64, see :func:`_fits`
    scale : float, see :func:`_within`
    owner : (G,) int64, memory: the event that a truth is given
    parent : (G,) int64, memory
    queue : (G,) int64, memory
    """
    for t in range(a, b):
        owner[t] = -1
    found = 0
    for k in range(n):
        # breadth first, from the event along truths that are taken to one that is free
        for t in range(a, b):
            parent[t] = -2
        head = tail = 0
        at, via, end = k, -1, -1
        while end < 0:
            for t in range(a, b):
                if parent[t] == -2 and _fits(at, t, on, off, g_onset, g_offset, collars, scale):
                    parent[t] = via
                    if owner[t] < 0:
                        end = t
                        break
                    queue[tail] = t
                    tail += 1
            if end >= 0 or head == tail:
                break
            via = queue[head]
            head += 1
            at = owner[via]
        found += end >= 0
        while end >= 0:
            before = parent[end]
            owner[end] = owner[before] if before >= 0 else k
            end = before
    return found


@kernel
def collar_changes(
    starts, key, value, onset, offset, joins, g_starts, g_onset, g_offset, collars, scale, greedy, tp, fp
):  # fmt: skip
    """Changes of the counts of events within collars of a truth.

    Mirrors :func:`avreplay.core.reference_ranking.collar_changes`.

    starts : (K + 1,) int64, where the items of each (setting, video, label) that has any begin
    key : (K,) int64, video * C + label
    value : (E,) float64
    onset : (E,) float64, seconds
    offset : (E,) float64, seconds
    joins : bool, items are consecutive segments
    g_starts : (N * C + 1,) int64, where the truths of (video, label) begin
    g_onset : (G,) float64
    g_offset : (G,) float64
    collars : (3,) float64, see :func:`_fits`
    scale : float, see :func:`_within`
    greedy : bool, each truth in turn takes the first event that fits; else as many pairs as possible
    tp : (E,) int64 of zeros, written: by how many the events with a truth become more
    fp : (E,) int64 of zeros, written: the others
    """
    longest = 1
    for g in range(key.shape[0]):
        longest = max(longest, starts[g + 1] - starts[g])
    on, off = np.empty(longest), np.empty(longest)
    used = np.empty(longest, np.bool_)
    order, memory = np.empty(longest, np.int64), np.empty(longest, np.int64)
    owner = np.empty(g_onset.shape[0], np.int64)
    parent, queue = np.empty_like(owner), np.empty_like(owner)
    for g in range(key.shape[0]):
        first, last = starts[g], starts[g + 1]
        a, b = g_starts[key[g]], g_starts[key[g] + 1]
        if a == b:
            stray(first, last, joins, value, fp)
            continue
        right = wrong = 0
        ordered(value[first:last], last - first, -1.0, order, memory)
        for j in range(last - first):
            i = first + order[j]
            if j > 0 and value[first + order[j - 1]] == value[i]:
                continue
            n = detected(first, last, value[i], joins, value, onset, offset, on, off)
            if greedy or b - a == 1:  # of a single truth both are the same
                found = _greedy(n, a, b, on, off, g_onset, g_offset, collars, scale, used)
            else:
                found = _most_pairs(n, a, b, on, off, g_onset, g_offset, collars, scale, owner, parent, queue)
            tp[i], fp[i] = found - right, n - found - wrong
            right, wrong = found, n - found
