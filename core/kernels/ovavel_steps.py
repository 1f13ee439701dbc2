"""Steps around OV-AVEL's rules: a median filter of the scores, short runs and gaps of the labels. Kernels only."""

from __future__ import annotations

from .decided_segments import median_filter
from .jit import kernel


@kernel
def filter_rows(first, rows, size, edge, column, window, out):
    """The scores of N videos after the median filter of each label in each video.

    Mirrors :func:`avreplay.core.reference.filtered_cosines`.

    first : (N + 1,) int64, first segment of each video
    rows : (S, C) float32
    size : int, of the window
    edge : int, what lies beyond the ends (:mod:`avreplay.core.kernels.decided_segments`)
    column : (2, T of the longest video) float64, working memory
    window : (>= size,) float64, working memory
    out : (S, C) float32, written
    """
    x, y = column[0], column[1]
    for v in range(len(first) - 1):
        begin, segments = first[v], first[v + 1] - first[v]
        if segments == 0:
            continue
        for c in range(rows.shape[1]):
            for t in range(segments):
                x[t] = rows[begin + t, c]
            median_filter(x, segments, size, edge, window, y)
            for t in range(segments):
                out[begin + t, c] = y[t]


@kernel
def tidy_labels(first, min_length, max_gap, predicted):
    """Drop short runs of a label, then bridge short background between two runs of one label.

    Mirrors :func:`avreplay.core.reference.tidied_labels`.

    first : (N + 1,) int64, first segment of each video
    min_length : int, runs of fewer segments are dropped
    max_gap : int, background of up to so many segments is bridged
    predicted : (S,) int32, changed, -1 for background
    """
    for v in range(len(first) - 1):
        t, end, label = first[v], -1, -1
        while t < first[v + 1]:
            c, begin = predicted[t], t
            while t < first[v + 1] and predicted[t] == c:
                t += 1
            if c < 0:
                continue
            if t - begin < min_length:
                predicted[begin:t] = -1
                continue
            if c == label and begin - end <= max_gap:
                predicted[end:begin] = c
            end, label = t, c
