"""Segments that events cover, with the largest confidence, and bins of confidence. Kernels only."""

from __future__ import annotations

import numpy as np

from .jit import kernel


@kernel
def cover_block(starts, onset, offset, confidence, segments, key, g_starts, g_onset, g_offset, value, right, place):
    """The segments that the events of each video and class cover, the largest confidence there, and whether they are
    annotated.

    Mirrors :func:`avreplay.core.reference_ranking.covered`.

    starts : (K + 1,) int64, where the events of each (setting, video, label) that has any begin
    onset : (E,) int64, segments
    offset : (E,) int64, segments
    confidence : (E,) float64
    segments : (K,) int64, segments of the video
    key : (K,) int64, video * C + label
    g_starts : (N * C + 1,) int64, where the truths of (video, label) begin
    g_onset : (G,) int64, segments
    g_offset : (G,) int64, segments
    value : (S,) float64, written: of each covered segment, one video and class after the other
    right : (S,) bool, written
    place : (K + 1,) int64, written: where those of each begin
    """
    longest = 1
    for g in range(key.shape[0]):
        longest = max(longest, segments[g])
    most = np.empty(longest)
    covered, true = np.empty(longest, np.bool_), np.empty(longest, np.bool_)
    n = 0
    for g in range(key.shape[0]):
        place[g] = n
        covered[:], true[:] = False, False
        for i in range(starts[g], starts[g + 1]):
            for t in range(onset[i], offset[i]):
                if not covered[t] or confidence[i] > most[t]:
                    most[t] = confidence[i]
                covered[t] = True
        for i in range(g_starts[key[g]], g_starts[key[g] + 1]):
            true[g_onset[i] : g_offset[i]] = True
        for t in range(segments[g]):
            if covered[t]:
                value[n], right[n] = most[t], true[t]
                n += 1
    place[key.shape[0]] = n


@kernel
def bin_block(setting, video, value, right, counts, sums):
    """How many values lie in each bin of equal width from 0 to 1, how many of them are right, and their sum.

    Mirrors :func:`avreplay.core.reference_ranking.binned`.

    setting : (E,) int64
    video : (E,) int64
    value : (E,) float64, from 0 to 1; a bin holds its upper edge, the first also 0
    right : (E,) bool
    counts : (P, N, bins, 2) int64, added to: values, right ones
    sums : (P, N, bins, 2) float64, added to: values, squares of their distance from 1 (right) or 0
    """
    bins = counts.shape[2]
    for i in range(value.shape[0]):
        b = min(max(np.int64(np.ceil(value[i] * bins)) - 1, 0), bins - 1)
        counts[setting[i], video[i], b, 0] += 1
        counts[setting[i], video[i], b, 1] += right[i]
        sums[setting[i], video[i], b, 0] += value[i]
        sums[setting[i], video[i], b, 1] += (value[i] - right[i]) ** 2


@kernel
def pool_block(scores, frames, begin, end, segments, seg_begin, seg_end, out):
    """Segments with the largest score of the frames that each overlaps.

    Mirrors :func:`avreplay.core.reference_ranking.pooled`.

    scores : (F, C) float64
    frames : (N + 1,) int64, where the frames of each video begin
    begin : (F,) float64, seconds
    end : (F,) float64, seconds
    segments : (N + 1,) int64, where the segments of each video begin
    seg_begin : (S,) float64, seconds
    seg_end : (S,) float64, seconds
    out : (S, C) float64, written; each segment overlaps a frame
    """
    labels = scores.shape[1]
    for v in range(frames.shape[0] - 1):
        first = frames[v]
        for s in range(segments[v], segments[v + 1]):
            while first + 1 < frames[v + 1] and end[first] <= seg_begin[s]:
                first += 1
            for c in range(labels):
                out[s, c] = scores[first, c]
            f = first + 1
            while f < frames[v + 1] and begin[f] < seg_end[s]:
                for c in range(labels):
                    out[s, c] = max(out[s, c], scores[f, c])
                f += 1
