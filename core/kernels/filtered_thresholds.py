"""Steps around dynamic thresholds: a median filter of the scores before them, hysteresis after them. Kernels only."""

from __future__ import annotations

import math

import numpy as np

from .bits import find_bit
from .decided_segments import median_filter
from .jit import inner
from .lanes import close_lanes
from .scratch import BAD


@inner
def smooth_scores(scores, n, segments, lanes, params, filters, s):
    """The scores of a track after the median filter into ``filters.scores``; ``s.steps[BAD]`` marks segments without a
    score, which are those of all labels.

    Mirrors :func:`avreplay.core.reference.smoothed`.

    scores : (>= n * lanes,) float64, in lanes
    n : int, k, how many labels are selected, at least one
    segments : int, T of the video, at least one
    lanes : int, T in lanes
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    filters : working memory (:class:`avreplay.core.kernels.scratch.FilterScratch`)
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    """
    x, y, bad = filters.column[0], filters.column[1], s.steps[BAD]
    for j in range(n):
        for t in range(segments):
            x[t] = scores[j * lanes + t]
        median_filter(x, segments, params.median, params.median_edge, filters.window, y)
        for t in range(segments):
            bad[t] = y[t] == -np.inf
            filters.scores[j * lanes + t] = math.nan if bad[t] else y[t]
    close_lanes(filters.scores, n, segments, lanes)


@inner
def extend_decisions(scores, n, segments, lanes, last, moving, tau, labels, params, s):
    """Decisions in ``s.fired`` with the whole run of scores above the lower threshold around each.

    Mirrors :func:`avreplay.core.reference.extended`.

    scores : (>= n * lanes,) float64, in lanes
    n : int, k, how many labels are selected
    segments : int, T of the video
    lanes : int, T in lanes
    last : int, last segment that can have a decision
    moving : bool, whether thresholds move
    tau : (>= T, C) float64, the thresholds of the labels with a decision, where they move
    labels : (>= n,) int64, the selected labels
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    """
    fired, words, drop = s.fired, (segments + 63) // 64, params.hysteresis_drop
    for j in range(n):
        at = j * words
        if find_bit(fired, at, 0, segments, 1) == segments:
            continue
        begin = 0
        decided = False
        for t in range(last + 2):
            above = False
            if t <= last:
                threshold = tau[t, labels[j]] if moving else params.tau0
                above = scores[j * lanes + t] > threshold - drop
            if above:
                decided = decided or (fired[at + (t >> 6)] >> np.uint64(t & 63)) & np.uint64(1) != 0
                continue
            if decided:
                for i in range(begin, t):
                    fired[at + (i >> 6)] |= np.uint64(1) << np.uint64(i & 63)
            begin, decided = t + 1, False
