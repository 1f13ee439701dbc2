"""Average precision of ranked events by temporal intersection over union. Kernels only."""

from __future__ import annotations

import numpy as np

from .jit import inner, kernel


@inner
def _tiou(on, off, g_on, g_off, undefined):
    """Intersection over union of two spans; ``undefined`` of two without length.

    Mirrors :func:`avreplay.core.reference_ranking.tiou`.

    on : float, seconds
    off : float, seconds
    g_on : float, seconds
    g_off : float, seconds
    undefined : float
    """
    shared = max(0.0, min(off, g_off) - max(on, g_on))
    union = (off - on) + (g_off - g_on) - shared
    return shared / union if union > 0.0 else undefined


@inner
def _precision(first, last, level, together, value, video, hit, times, truths, tp, fp):
    """Average precision of one class at one threshold: under the precision that is made to fall with recall.

    Mirrors :func:`avreplay.core.reference_ranking.average_precision`.

    first : int, first event of the class in the order of rank
    last : int, end of its events
    level : int, which threshold
    together : bool, events of equal confidence count at once
    value : (E,) float64, confidence
    video : (E,) int64
    hit : (n, L) bool, of the events of the class
    times : (N,) int64, how often each video counts
    truths : int, annotated events
    tp : (n + 1,) int64, memory
    fp : (n + 1,) int64, memory
    """
    points = 0
    right = wrong = 0
    for i in range(first, last):
        w = times[video[i]]
        if hit[i - first, level]:
            right += w
        else:
            wrong += w
        if together and i + 1 < last and value[i + 1] == value[i]:
            continue
        tp[points] = right
        fp[points] = wrong
        points += 1
    area = highest = 0.0
    for k in range(points - 1, -1, -1):
        if tp[k] + fp[k] > 0:
            highest = max(highest, tp[k] / (tp[k] + fp[k]))
        before = tp[k - 1] if k else 0
        if tp[k] > before:
            area += (tp[k] / truths - before / truths) * highest
    return area


@kernel
def tiou_precision_block(
    starts, value, video, onset, offset, g_starts, g_onset, g_offset, thresholds, together, undefined, times, out
):  # fmt: skip
    """Average precision of the classes of P settings on B samples of N videos. An event hits the truth of its video
    and class that overlaps it most (of equals the last) and that no event before it has taken.

    Mirrors :func:`avreplay.core.reference_ranking.tiou_precision`.

    starts : (P * C + 1,) int64, where the events of (setting, label) begin, in the order of their rank
    value : (E,) float64, confidence
    video : (E,) int64
    onset : (E,) float64, seconds
    offset : (E,) float64, seconds
    g_starts : (C * N + 1,) int64, where the truths of (label, video) begin
    g_onset : (G,) float64, seconds
    g_offset : (G,) float64, seconds
    thresholds : (L,) float64
    together : bool, events of equal confidence count at once
    undefined : float, tIoU of two spans without length: -1, which no threshold reaches, or infinite
    times : (B, N) int64, how often each video counts in each sample
    out : (B, P * C, L) float64, written: average precision, NaN without a truth
    """
    samples, videos = times.shape
    levels = thresholds.shape[0]
    classes = (g_starts.shape[0] - 1) // videos
    longest = 0
    for g in range(starts.shape[0] - 1):
        longest = max(longest, starts[g + 1] - starts[g])
    hit = np.zeros((longest, levels), np.bool_)
    taken = np.zeros((g_onset.shape[0], levels), np.bool_)
    tp, fp = np.empty(longest + 1, np.int64), np.empty(longest + 1, np.int64)
    for g in range(starts.shape[0] - 1):
        base = (g % classes) * videos
        first, last = starts[g], starts[g + 1]
        hit[: last - first] = False
        taken[g_starts[base] : g_starts[base + videos]] = False
        for i in range(first, last):
            a, b = g_starts[base + video[i]], g_starts[base + video[i] + 1]
            for level in range(levels):
                best = -1
                most = -1.0
                for t in range(a, b):
                    if not taken[t, level]:
                        overlap = _tiou(onset[i], offset[i], g_onset[t], g_offset[t], undefined)
                        if overlap >= most:
                            best, most = t, overlap
                if best >= 0 and most >= thresholds[level]:
                    taken[best, level] = True
                    hit[i - first, level] = True
        for s in range(samples):
            truths = 0
            for v in range(videos):
                truths += times[s, v] * (g_starts[base + v + 1] - g_starts[base + v])
            for level in range(levels):
                if truths > 0:
                    out[s, g, level] = _precision(
                        first, last, level, together, value, video, hit, times[s], truths, tp, fp
                    )
                else:
                    out[s, g, level] = np.nan
