"""CueRator's rule: the vote of every segment from thresholds that cues move, in float32 as released. Kernels only."""

from __future__ import annotations

import numpy as np

from .jit import inlined, inner, kernel
from .ordered import LOWEST_ORDER, order_of

CUES = 4


@inner
def _add_up(x, begin, end, step, low, high, acc, out):
    """Sums over segments of some columns, in the order in which PyTorch adds: sixteen at a time, in levels.

    Mirrors :func:`avreplay.core.reference_cuerator.levelled_sum`.

    x : (T, K) float32
    begin : int, first segment
    end : int, exclusive
    step : int, of segments
    low : int, first column
    high : int, exclusive
    acc : (4, K) float32, working memory
    out : (K,) float32, written at the columns
    """
    for level in range(4):
        for k in range(low, high):
            acc[level, k] = np.float32(0.0)
    for n, t in enumerate(range(begin, end, step), 1):
        for k in range(low, high):
            acc[0, k] += x[t, k]
        level = 1
        while level < 4 and n & ((1 << 4 * level) - 1) == 0:
            for k in range(low, high):
                acc[level, k] += acc[level - 1, k]
                acc[level - 1, k] = np.float32(0.0)
            level += 1
    for k in range(low, high):
        out[k] = ((acc[0, k] + acc[1, k]) + acc[2, k]) + acc[3, k]


@inner
def _means(x, segments, acc, part, mean):
    """Means over segments.

    Mirrors :func:`avreplay.core.reference_cuerator.mean_of_segments`.

    x : (T, K) float32
    segments : int, how many of the T
    acc : (4, K) float32, working memory
    part : (K,) float32, working memory
    mean : (K,) float32, written
    """
    labels = mean.shape[0]
    whole = labels // 32 * 32 if labels >= 8 else labels // 4 * 4
    _add_up(x, 0, segments, 1, 0, whole, acc, mean)
    fours = segments // 4 * 4
    for lane in range(4):
        _add_up(x, lane, fours, 4, whole, labels, acc, part)
        if lane == 0:
            for t in range(fours, segments):
                for k in range(whole, labels):
                    part[k] += x[t, k]
        for k in range(whole, labels):
            mean[k] = part[k] if lane == 0 else mean[k] + part[k]
    for k in range(labels):
        mean[k] /= np.float32(segments)


@inner
def _gaps(x, out):
    """R of a row: the best of the other labels minus each.

    Mirrors :func:`avreplay.core.reference_cuerator.gaps`.

    x : (K,) float32, K at least 2
    out : (K,) float32, written
    """
    best, second, leader = np.float32(-np.inf), np.float32(-np.inf), 0
    for k in range(x.shape[0]):
        if x[k] > best:
            best, second, leader = x[k], best, k
        elif x[k] > second:
            second = x[k]
        elif x[k] != x[k]:
            best = second = np.float32(np.nan)
            break
    for k in range(x.shape[0]):
        out[k] = best - x[k]
    out[leader] = second - x[leader]


@inner
def _read_cues(audio, visual, first, segments, columns, a, v, cues_a, cues_v, work):
    """The scores of a video's labels that compete, and the cues of both thresholds.

    Mirrors :func:`avreplay.core.reference_cuerator.cues`.

    audio : (S, C) float32
    visual : (S, C) float32
    first : int, the video's first segment
    segments : int, T
    columns : (K,) int64, the labels that compete
    a : (T, K) float32, written
    v : (T, K) float32, written
    cues_a : (T, 4, K) float32, written
    cues_v : (T, 4, K) float32, written
    work : (T + 7, K) float32, working memory
    """
    labels = columns.shape[0]
    half = np.float32(0.5)
    joint, acc, part, mean, gap = work[7:], work[:4], work[4], work[5], work[6]
    for t in range(segments):
        for k in range(labels):
            a[t, k] = audio[first + t, columns[k]]
            v[t, k] = visual[first + t, columns[k]]
    for side in range(2):
        x, other, cues = (a, v, cues_a) if side == 0 else (v, a, cues_v)
        for t in range(segments):
            for k in range(labels):
                low = a[t, k] if a[t, k] < v[t, k] or a[t, k] != a[t, k] else v[t, k]
                joint[t, k] = (x[t, k] + low) * half
        _means(joint, segments, acc, part, mean)
        _gaps(mean, gap)
        for t in range(segments):
            _gaps(joint[t], cues[t, 0])
            # the gap in the other modality is the second cue of the audio threshold, and the last one of the visual
            _gaps(other[t], cues[t, 1 if side == 0 else 3])
            for k in range(labels):
                cues[t, 2 if side == 0 else 1, k] = gap[k]
                cues[t, 3 if side == 0 else 2, k] = x[t, k] - mean[k]


@inlined
def _above(x, cues, p, k):
    """Whether a score is above its threshold, which is summed from left to right in float32.

    Mirrors :func:`avreplay.core.reference_cuerator.thresholds`.

    x : (K,) float32
    cues : (4, K) float32
    p : (5,) float32, weights
    k : int, the label
    """
    return x[k] > (((p[0] + p[1] * cues[0, k]) + p[2] * cues[1, k]) + p[3] * cues[2, k]) + p[4] * cues[3, k]


@inner
def _vote(x, leader, cues, p):
    """The highest score above its threshold: its position, the first of equals; -1 for none.

    Mirrors :func:`avreplay.core.reference_cuerator.votes`.

    x : (K,) float32
    leader : int, the position of the highest score
    cues : (4, K) float32
    p : (5,) float32, weights
    """
    if _above(x, cues, p, leader):
        return leader
    best = LOWEST_ORDER
    for k in range(x.shape[0]):
        best = max(best, order_of(x[k]) if _above(x, cues, p, k) else LOWEST_ORDER)
    if best == LOWEST_ORDER:
        return -1
    k = 0
    while order_of(x[k]) != best or not _above(x, cues, p, k):
        k += 1
    return k


@inner
def _leader(x):
    """The position of the highest score, the first of equals.

    Mirrors :func:`avreplay.core.reference_cuerator.votes`.

    x : (K,) float32
    """
    best = 0
    for k in range(1, x.shape[0]):
        if x[k] > x[best]:
            best = k
    return best


@kernel
def votes_block(first, audio, visual, present, columns, points, votes):
    """The votes of each segment of N videos under P settings: by sound, by pictures, and where both agree.

    Mirrors :func:`avreplay.core.reference_cuerator.votes`.

    first : (N + 1,) int64, first segment of each video
    audio : (S, C) float32
    visual : (S, C) float32
    present : (N,) bool, whether the video has both streams; without one there are no cues and no votes
    columns : (K,) int64, the labels that compete, K at least 2
    points : (P, 10) float32, weights
    votes : (P, 3, S) int32, written, -1 for background
    """
    labels, longest = len(columns), 0
    for v in range(len(first) - 1):
        longest = max(longest, first[v + 1] - first[v])
    a, v_ = np.empty((longest, labels), np.float32), np.empty((longest, labels), np.float32)
    cues_a = np.empty((longest, CUES, labels), np.float32)
    cues_v = np.empty((longest, CUES, labels), np.float32)
    work = np.empty((longest + 7, labels), np.float32)
    leaders = np.empty((2, longest), np.int64)
    for video in range(len(first) - 1):
        begin, segments = first[video], first[video + 1] - first[video]
        if not present[video] or segments == 0:
            votes[:, :, begin : first[video + 1]] = -1
            continue
        _read_cues(audio, visual, begin, segments, columns, a, v_, cues_a, cues_v, work)
        for t in range(segments):
            leaders[0, t] = _leader(a[t])
            leaders[1, t] = _leader(v_[t])
        for i in range(points.shape[0]):
            for t in range(segments):
                by_sound = _vote(a[t], leaders[0, t], cues_a[t], points[i, :5])
                by_sight = _vote(v_[t], leaders[1, t], cues_v[t], points[i, 5:])
                votes[i, 0, begin + t] = -1 if by_sound < 0 else columns[by_sound]
                votes[i, 1, begin + t] = -1 if by_sight < 0 else columns[by_sight]
                votes[i, 2, begin + t] = votes[i, 0, begin + t] if by_sound == by_sight else -1
