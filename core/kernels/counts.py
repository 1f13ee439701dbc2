"""Counts of predicted against annotated events, from which every metric is made. Kernels only.

A track's prediction for one label is a string of bits, one a segment: segment counts are popcounts, events are runs
of ones.
"""

from __future__ import annotations

import numpy as np

from .jit import inlined, inner, kernel


@inner
def set_bits(words, start, end):
    """Set the bits of the segments ``start`` to ``end``.

    Mirrors :func:`avreplay.core.reference.runs_of`.

    words : (W,) uint64, a bit a segment
    start : int, first segment
    end : int, end (exclusive)
    """
    for t in range(start, end):
        words[t >> 6] |= np.uint64(1) << np.uint64(t & 63)


@inner
def popcount(x):
    """How many bits are set.

    x : uint64
    """
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))


@inner
def find_runs(words, segments, starts, ends):
    """Maximal runs of ones as half-open ranges; returns how many there are.

    Mirrors :func:`avreplay.core.reference.runs_of`.

    words : (W,) uint64, a bit a segment
    segments : int, T of the video
    starts : (T,) int64, written
    ends : (T,) int64, written
    """
    found = 0
    inside = False
    for t in range(segments):
        one = (words[t >> 6] >> np.uint64(t & 63)) & np.uint64(1)
        if one and not inside:
            starts[found] = t
            inside = True
        elif inside and not one:
            ends[found] = t
            found += 1
            inside = False
    if inside:
        ends[found] = segments
        found += 1
    return found


@inner
def count_runs(ps, pe, num_p, gs, ge, num_g, iou, counts):
    """A predicted run is TP if some annotated run has IoU >= iou, else FP; an annotated run without one is FN.

    Mirrors :func:`avreplay.core.reference.event_counts`.

    ps : (>= num_p,) int64, starts of predicted runs
    pe : (>= num_p,) int64, their ends
    num_p : int, how many
    gs : (>= num_g,) int64, starts of annotated runs
    ge : (>= num_g,) int64, their ends
    num_g : int, how many
    iou : float, least intersection over union of a match
    counts : (3,) int64, written: TP, FP, FN
    """
    hits = 0
    for i in range(num_p):
        for j in range(num_g):
            common = min(pe[i], ge[j]) - max(ps[i], gs[j])
            if common > 0 and common / (max(pe[i], ge[j]) - min(ps[i], gs[j])) >= iou:
                hits += 1
                break
    found = 0
    for j in range(num_g):
        for i in range(num_p):
            common = min(pe[i], ge[j]) - max(ps[i], gs[j])
            if common > 0 and common / (max(pe[i], ge[j]) - min(ps[i], gs[j])) >= iou:
                found += 1
                break
    counts[0] = hits
    counts[1] = num_p - hits
    counts[2] = num_g - found


@inner
def f_score(tp, fp, fn):
    """2 TP / (2 TP + FP + FN).

    Mirrors :func:`avreplay.core.reference.f_score`.

    tp : int
    fp : int
    fn : int
    """
    return 2.0 * tp / (2.0 * tp + (fp + fn))


NO_LABEL = -2
"""A label that no event has."""


@inlined
def sort_labels(touched, n):
    """Put labels in order, so that sums over them do not depend on the order of events.

    Mirrors the loop over labels in :func:`avreplay.core.reference.llp_f_scores`.

    touched : (>= n,) int64, labels, sorted in place
    n : int, how many
    """
    for a in range(1, n):
        c = touched[a]
        b = a
        while b > 0 and touched[b - 1] > c:
            touched[b] = touched[b - 1]
            b -= 1
        touched[b] = c


@inlined
def label_segments(label, onset, offset, score, first, last, segments, other, none, decided, best):
    """The label of every segment of one video: that of the event there with the highest score, the first of equals.

    An event without a score gives way to one with, and to an earlier one without. Mirrors
    :func:`avreplay.core.reference.label_of_segment`.

    label : (E,) int32, label of each event
    onset : (E,) int32, first segment
    offset : (E,) int32, end (exclusive)
    score : (E,) float64, NaN for none
    first : int, first event of the video's track
    last : int, end of its events (exclusive)
    segments : int, T
    other : int, a label whose events count as ``none``
    none : int, what stands for no label
    decided : (>= T,) int64, written
    best : (>= T,) float64, working memory
    """
    for t in range(segments):
        decided[t] = none
        best[t] = -np.inf
    for i in range(first, last):
        value = score[i] if score[i] == score[i] else -1.0
        for t in range(onset[i], offset[i]):
            if value > best[t]:
                best[t] = value
                decided[t] = none if label[i] == other else label[i]


@kernel
def count_block(
    p_starts, p_label, p_onset, p_offset, g_starts, g_label, g_onset, g_offset, segments, num_labels, iou,
    audio_from_visual, f_out, totals, class_sum, class_videos, annotated,
):  # fmt: skip
    """F-scores and counts of P settings x N videos, added to the output arrays, which begin as zeros. The last four are
    None together, where only the F-scores are wanted.

    Mirrors :func:`avreplay.core.reference.llp_f_scores`.

    p_starts : (P * N * 3 + 1,) int64, where the predicted events of (setting, video, track) begin
    p_label : (E,) int32, label of each predicted event
    p_onset : (E,) int32, first segment
    p_offset : (E,) int32, end (exclusive)
    g_starts : (N * 3 + 1,) int64, the same of the annotated events
    g_label : (G,) int32
    g_onset : (G,) int32
    g_offset : (G,) int32
    segments : (N,) int64, segments of each video
    num_labels : int, C
    iou : float, least intersection over union of a match
    audio_from_visual : bool, score the visual track as audio
    f_out : (P, N, 4, 2) float64, F-scores of each video
    totals : (P, C, 3, 2, 3) int64, TP, FP, FN over all videos by class, track and level
    class_sum : (P, C, 4, 2) float64, sums of F for the per-class table
    class_videos : (P, C) int64, how many videos are in these
    annotated : (C, 2) int64, videos and segments with an audio-visual annotation
    """
    videos = segments.shape[0]
    longest = 1
    for v in range(videos):
        longest = max(longest, segments[v])
    words = (longest + 63) // 64
    predicted = np.zeros((3, num_labels, words), np.uint64)
    truth = np.zeros((3, num_labels, words), np.uint64)
    seen = np.zeros(num_labels, np.bool_)
    touched = np.empty(num_labels, np.int64)
    ps, pe = np.empty(longest, np.int64), np.empty(longest, np.int64)
    gs, ge = np.empty(longest, np.int64), np.empty(longest, np.int64)
    counts = np.zeros((4, 2, 3), np.int64)
    for p in range(f_out.shape[0]):
        for v in range(videos):
            n = 0
            for k in range(3):
                row = (p * videos + v) * 3 + (1 if k == 0 and audio_from_visual else k)
                for i in range(p_starts[row], p_starts[row + 1]):
                    c = p_label[i]
                    if not seen[c]:
                        seen[c] = True
                        touched[n] = c
                        n += 1
                    set_bits(predicted[k, c], p_onset[i], p_offset[i])
                row = v * 3 + k
                for i in range(g_starts[row], g_starts[row + 1]):
                    c = g_label[i]
                    if not seen[c]:
                        seen[c] = True
                        touched[n] = c
                        n += 1
                    set_bits(truth[k, c], g_onset[i], g_offset[i])
            sort_labels(touched, n)
            present = np.zeros((4, 2), np.int64)
            for a in range(n):
                c = touched[a]
                for k in range(3):
                    tp = fp = fn = 0
                    for w in range(words):
                        x, y = predicted[k, c, w], truth[k, c, w]
                        tp += popcount(x & y)
                        fp += popcount(x & ~y)
                        fn += popcount(y & ~x)
                    counts[k, 0, 0], counts[k, 0, 1], counts[k, 0, 2] = tp, fp, fn
                    if tp + fp + fn == 0:
                        counts[k, 1, :] = 0
                    else:
                        num_p = find_runs(predicted[k, c], segments[v], ps, pe) if tp + fp else 0
                        num_g = find_runs(truth[k, c], segments[v], gs, ge) if tp + fn else 0
                        count_runs(ps, pe, num_p, gs, ge, num_g, iou, counts[k, 1])
                for level in range(2):
                    for x in range(3):
                        counts[3, level, x] = counts[0, level, x] + counts[1, level, x]
                        if totals is not None:
                            for k in range(3):
                                totals[p, c, k, level, x] += counts[k, level, x]
                in_av = counts[2, 0, 0] + counts[2, 0, 1] + counts[2, 0, 2] > 0
                for k in range(4):
                    for level in range(2):
                        tp, fp, fn = counts[k, level, 0], counts[k, level, 1], counts[k, level, 2]
                        if tp + fp + fn > 0:
                            f = f_score(tp, fp, fn)
                            f_out[p, v, k, level] += f
                            present[k, level] += 1
                        else:
                            f = 1.0
                        if totals is not None and in_av:
                            class_sum[p, c, k, level] += f
                if totals is not None and in_av:
                    class_videos[p, c] += 1
                    length = counts[2, 0, 0] + counts[2, 0, 2]
                    if p == 0 and length > 0:
                        annotated[c, 0] += 1
                        annotated[c, 1] += length
                predicted[:, c] = 0
                truth[:, c] = 0
                seen[c] = False
            for k in range(4):
                for level in range(2):
                    f_out[p, v, k, level] = f_out[p, v, k, level] / present[k, level] if present[k, level] else 1.0


@kernel
def accuracy_block(
    p_starts, p_label, p_onset, p_offset, p_score, g_starts, g_label, g_onset, g_offset, segments, first_only, correct,
):  # fmt: skip
    """Segments whose label is right, of P settings x N videos: that of the audio-visual event, -1 for none.

    Mirrors :func:`avreplay.core.reference.ave_right_segments`.

    p_starts : (P * N * 3 + 1,) int64, where the predicted events of (setting, video, track) begin
    p_label : (E,) int32, label of each predicted event
    p_onset : (E,) int32, first segment
    p_offset : (E,) int32, end (exclusive)
    p_score : (E,) float64, score, NaN for none
    g_starts : (N * 3 + 1,) int64, the same of the annotated events
    g_label : (G,) int32
    g_onset : (G,) int32
    g_offset : (G,) int32
    segments : (N,) int64, segments of each video
    first_only : bool, only the first event of a video counts
    correct : (P, N) int64, added to
    """
    videos = segments.shape[0]
    longest = 1
    for v in range(videos):
        longest = max(longest, segments[v])
    predicted = np.empty(longest, np.int64)
    best = np.empty(longest)
    for p in range(correct.shape[0]):
        for v in range(videos):
            row = (p * videos + v) * 3 + 2
            last = p_starts[row + 1]
            if first_only:
                last = min(last, p_starts[row] + 1)
            label_segments(
                p_label, p_onset, p_offset, p_score, p_starts[row], last, segments[v], NO_LABEL, -1, predicted, best
            )
            row = v * 3 + 2
            last = g_starts[row + 1]
            if first_only:
                last = min(last, g_starts[row] + 1)
            for t in range(segments[v]):
                background = True
                right = False
                for i in range(g_starts[row], last):
                    if g_onset[i] <= t < g_offset[i]:
                        background = False
                        right = right or g_label[i] == predicted[t]
                if background:
                    right = predicted[t] == -1
                correct[p, v] += right
