"""How counts of events within collars of a truth change as a threshold on their confidence falls. Kernels only.

Of each video and class, items (events, or the segments that events are runs of) are taken in by falling value; the
counts of what is then detected, less those before, stand beside the item, or beside another one of the same value.
Events that fit no truth are only counted: pairs are sought anew only where one that fits has come or gone.
"""

from __future__ import annotations

import numpy as np

from .falling_threshold import find_events, order_matching, stray
from .jit import inlined, kernel


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
def _fits(on, off, t, g_onset, g_offset, collars, scale):
    """Whether an event lies within the collars of a truth.

    Mirrors :func:`avreplay.core.reference_ranking.fits`.

    on : float, seconds
    off : float, seconds
    t : int, the truth
    g_onset : (G,) float64
    g_offset : (G,) float64
    collars : (3,) float64, onset and offset in seconds, offset as a share of the truth; offset below 0: any
    scale : float, see :func:`_within`
    """
    if not _within(abs(on - g_onset[t]), collars[0], scale):
        return False
    allowed = max(collars[1], collars[2] * (g_offset[t] - g_onset[t]))
    return collars[1] < 0 or _within(abs(off - g_offset[t]), allowed, scale)


@inlined
def _fits_any(n, on, off, a, b, g_onset, g_offset, collars, scale, fits):
    """Whether each event lies within the collars of any of some truths.

    Mirrors :func:`avreplay.core.reference_ranking.fits`.

    n : int, events
    on : (>= n,) float64, seconds
    off : (>= n,) float64, seconds
    a : int, first truth
    b : int, end of the truths
    g_onset : (G,) float64
    g_offset : (G,) float64
    collars : (3,) float64, see :func:`_fits`
    scale : float, see :func:`_within`
    fits : (>= n,) bool, written
    """
    near, far, share = collars[0], collars[1], collars[2]
    for k in range(n):
        fits[k] = False
    for t in range(a, b):
        g_on, g_off = g_onset[t], g_offset[t]
        allowed = max(far, share * (g_off - g_on)) if far >= 0 else np.inf
        for k in range(n):
            fits[k] |= _within(abs(on[k] - g_on), near, scale) & _within(abs(off[k] - g_off), allowed, scale)


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
            if not used[k] and _fits(on[k], off[k], t, g_onset, g_offset, collars, scale):
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
                if parent[t] == -2 and _fits(on[at], off[at], t, g_onset, g_offset, collars, scale):
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
    on, off, cut, some_on, some_off = np.empty((5, longest))
    used, fits, there = np.empty((3, longest + 1), np.bool_)
    before, after, chosen, order, memory = np.empty((5, longest), np.int64)
    owner, parent, queue = np.empty((3, g_onset.shape[0]), np.int64)
    for g in range(key.shape[0]):
        first, last = starts[g], starts[g + 1]
        a, b = g_starts[key[g]], g_starts[key[g] + 1]
        stray(first, last, joins, value, fp)
        if a == b:
            continue
        count = last - first
        find_events(first, last, joins, value, onset, offset, on, off, before, after, memory)
        _fits_any(count, on, off, a, b, g_onset, g_offset, collars, scale, fits)
        some = order_matching(first, count, fits, before, after, value, chosen, order, cut, memory, there)
        right = 0
        for j in range(some):
            k = chosen[order[j]]
            there[before[k]] = there[after[k]] = False
            there[k] = fits[k]
            if j + 1 < some and cut[order[j + 1]] == cut[order[j]]:
                continue
            n = 0
            for i in range(some):
                if there[chosen[i]]:
                    some_on[n], some_off[n] = on[chosen[i]], off[chosen[i]]
                    n += 1
            if greedy or b - a == 1:  # of a single truth both are the same
                found = _greedy(n, a, b, some_on, some_off, g_onset, g_offset, collars, scale, used)
            else:
                found = _most_pairs(
                    n, a, b, some_on, some_off, g_onset, g_offset, collars, scale, owner, parent, queue
                )  # fmt: skip
            tp[first + k] += found - right
            fp[first + k] -= found - right
            right = found
