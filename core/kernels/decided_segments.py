"""Which segments of a label are an event: median filter, thresholds, short runs and gaps. Kernels only."""

from __future__ import annotations

import numpy as np

from .jit import inlined, inner

ZEROS, REFLECT, MINUS_INF, NEAREST, MIRROR, WRAP = 0, 1, 2, 3, 4, 5
FEW = 64
"""Scores that are sorted by insertion alone."""


@inner
def beyond(x, t, segments, edge):
    """The score at a segment that may lie before the first or after the last one; -inf for one that is no number.

    Mirrors :func:`avreplay.core.reference_filters.beyond`.

    x : (>= T,) float64
    t : int
    segments : int, T
    edge : int, one of the constants of this module
    """
    if t < 0 or t >= segments:
        if edge == ZEROS:
            return 0.0
        if edge == MINUS_INF:
            return -np.inf
        if edge == NEAREST:
            t = min(max(t, 0), segments - 1)
        elif edge == WRAP:
            t = t % segments
        elif edge == REFLECT:
            t = t % (2 * segments)
            t = t if t < segments else 2 * segments - 1 - t
        else:
            period = max(2 * segments - 2, 1)
            t = t % period
            t = t if t < segments else period - t
    return x[t] if x[t] == x[t] else -np.inf


@inner
def median_filter(x, segments, size, edge, window, y):
    """The median of a window around each segment; of an even size half lies before, and the upper of the two middle
    values counts.

    Mirrors :func:`avreplay.core.reference_filters.median_filtered`.

    x : (>= T,) float64
    segments : int, T
    size : int, of the window
    edge : int, what lies beyond the ends
    window : (>= size,) float64, working memory: the values of the window, sorted
    y : (>= T,) float64, written
    """
    before = size // 2
    for i in range(size):
        window[i] = beyond(x, i - before, segments, edge)
    gap = 1
    while size > FEW and 3 * gap + 1 < size:  # Shell's sort: a window may have any length
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, size):
            value = window[i]
            k = i
            while k >= gap and window[k - gap] > value:
                window[k] = window[k - gap]
                k -= gap
            window[k] = value
        gap //= 3
    y[0] = window[size // 2]
    for t in range(1, segments):
        leaves, comes = beyond(x, t - 1 - before, segments, edge), beyond(x, t - 1 - before + size, segments, edge)
        k = 0
        while window[k] != leaves:
            k += 1
        while k + 1 < size and window[k + 1] < comes:
            window[k] = window[k + 1]
            k += 1
        while k > 0 and window[k - 1] > comes:
            window[k] = window[k - 1]
            k -= 1
        window[k] = comes
        y[t] = window[size // 2]


@inlined
def decide_segments(y, segments, threshold, low, decided):
    """Which segments lie in a run above the lower threshold with one above the threshold in it, all strict.

    Mirrors :func:`avreplay.core.reference_steps.hysteresis`.

    y : (>= T,) float64
    segments : int, T
    threshold : float
    low : float, one above the threshold is taken for it
    decided : (>= T,) uint8, written
    """
    low = min(low, threshold)
    t = 0
    while t < segments:
        begin, high = t, False
        while t < segments and y[t] > low:
            high = high or y[t] > threshold
            t += 1
        for i in range(begin, t):
            decided[i] = high
        if t < segments:
            decided[t] = 0
            t += 1


@inlined
def tidy_runs(decided, segments, min_length, max_gap):
    """Drop runs that are short, then bridge short gaps.

    Mirrors :func:`avreplay.core.reference_steps.tidied`.

    decided : (>= T,) uint8, changed
    segments : int, T
    min_length : int, runs of fewer segments are dropped
    max_gap : int, gaps of up to so many are bridged
    """
    end = -1
    t = 0
    while t < segments:
        if not decided[t]:
            t += 1
            continue
        begin = t
        while t < segments and decided[t]:
            t += 1
        if t - begin < min_length:
            for i in range(begin, t):
                decided[i] = 0
            continue
        if end >= 0 and begin - end <= max_gap:
            for i in range(end, begin):
                decided[i] = 1
        end = t
