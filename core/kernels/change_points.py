"""Change-point boxes of a label's segment scores (cSEBB, arXiv 2406.04212). Kernels only."""

from __future__ import annotations

import numpy as np

from .jit import inner

NEAR, EVEN, JOIN_MARGIN, LENGTH_MARGIN = 1e-9, 1e-12, 1e-3, 1e-6


@inner
def filter_times(segments, hop, half, times):
    """Where the step filter can have an extreme, in order; returns how many.

    Mirrors :func:`avreplay.core.reference_steps.step_filter_times`.

    segments : int, T
    hop : float, length of a segment in seconds
    half : float, half the length of the filter
    times : (3 T + 4,) float64, written
    """
    end = segments * hop
    times[0] = 0.0
    found = 1
    i = j = k = 0
    while i <= segments or j <= segments or k <= segments:
        a = i * hop if i <= segments else np.inf
        b = j * hop - half if j <= segments else np.inf
        c = k * hop + half if k <= segments else np.inf
        t = min(a, b, c)
        if t == a:
            i += 1
        elif t == b:
            j += 1
        else:
            k += 1
        if 0 < t <= end and t - times[found - 1] > NEAR * hop:
            times[found] = t
            found += 1
    return found


@inner
def integral(x, segments, hop, onset, offset):
    """The integral of scores between two times; outside of the segments they are 0.

    Mirrors :func:`avreplay.core.reference_steps.score_between`.

    x : (>= T,) float64
    segments : int, T
    hop : float, length of a segment in seconds
    onset : float, seconds
    offset : float, seconds
    """
    total = 0.0
    i = int(np.floor(max(onset, 0.0) / hop))
    while i < segments and i * hop < offset:
        covered = min(offset, (i + 1) * hop) - max(onset, i * hop)
        if covered > 0:
            total += x[i] * covered
        i += 1
    return total


@inner
def _bounds_of(x, segments, hop, filter_seconds, times, bounds):
    """Onsets and offsets of events between the change points, in turn; returns how many events there are.

    Mirrors :func:`avreplay.core.reference_steps.change_point_spans`.

    x : (>= T,) float64
    segments : int, T
    hop : float, length of a segment in seconds
    filter_seconds : float, length of the filter
    times : (3 T + 4,) float64, working memory
    bounds : (3 T + 6,) float64, written
    """
    half, even = filter_seconds / 2, 0.0
    for i in range(segments):
        even = max(even, EVEN * abs(x[i]))
    count = filter_times(segments, hop, half, times)
    found = 0
    rose = False
    last = 0.0
    for i in range(count):
        t = times[i]
        delta = (integral(x, segments, hop, t, t + half) - integral(x, segments, hop, t - half, t)) / half
        rises = delta - last > even
        if i > 0:
            opens = found % 2 == 0
            if (opens and not rises and (rose or i == 1)) or (not opens and rises and not rose):
                bounds[found] = times[i - 1]
                found += 1
            rose = rises
        last = delta
    if found % 2:
        bounds[found] = segments * hop
        found += 1
    return found // 2


@inner
def _lowest_and_highest(x, segments, hop, onset, offset):
    """The lowest and the highest score of the segments between two times; 0 where there are none.

    Mirrors :func:`avreplay.core.reference_steps.span_of`.

    x : (>= T,) float64
    segments : int, T
    hop : float, length of a segment in seconds
    onset : float, seconds
    offset : float, seconds
    """
    low, high = np.inf, -np.inf
    i = int(np.floor(max(onset, 0.0) / hop))
    while i < segments and i * hop < offset:
        if min(offset, (i + 1) * hop) - max(onset, i * hop) > NEAR * hop:
            low, high = min(low, x[i]), max(high, x[i])
        i += 1
    return (low, high) if low <= high else (0.0, 0.0)


@inner
def find_boxes(x, segments, hop, filter_seconds, merge_abs, merge_rel, times, boxes):
    """Boxes of the scores of a label; returns how many.

    Mirrors :func:`avreplay.core.reference_steps.change_point_boxes`.

    x : (>= T,) float64, numbers
    segments : int, T
    hop : float, length of a segment in seconds
    filter_seconds : float, length of the filter
    merge_abs : float, neighbours that stand out by less are joined
    merge_rel : float, neighbours that stand out by a lower factor are joined
    times : (3 T + 4,) float64, working memory
    boxes : (3, 3 T + 6) float64, written: onset, offset, confidence
    """
    bounds = boxes[2]
    events = _bounds_of(x, segments, hop, filter_seconds, times, bounds)
    if events == 1:
        boxes[0, 0], boxes[1, 0] = bounds[0], bounds[1]
        length = bounds[1] - bounds[0]
        boxes[2, 0] = integral(x, segments, hop, boxes[0, 0], boxes[1, 0]) / length if length > 0 else 0.0
        return 1
    found = 0
    joins = False
    for k in range(events):
        onset, offset = bounds[2 * k], bounds[2 * k + 1]
        if not joins:
            boxes[0, found] = onset
            found += 1
        boxes[1, found - 1] = offset
        joins = False
        if k + 1 < events:
            low = _lowest_and_highest(x, segments, hop, offset, bounds[2 * k + 2])[0] + JOIN_MARGIN
            joins = low != 0
            for side in range(2):
                begin, end = (onset, offset) if side == 0 else (bounds[2 * k + 2], bounds[2 * k + 3])
                peak = _lowest_and_highest(x, segments, hop, begin, end)[1] + JOIN_MARGIN
                joins = joins and peak / low < merge_rel and peak - low < merge_abs
    for k in range(found):
        total = integral(x, segments, hop, boxes[0, k], boxes[1, k])
        boxes[2, k] = total / (boxes[1, k] - boxes[0, k] + LENGTH_MARGIN)
    return found
