"""Counts and F-scores of LLP's metrics. Kernels only.

What is exploited: the annotated runs of a video are found once for all settings; a label that is only predicted or only
annotated has F = 0, which changes no sum, so that its events need not be matched, only counted where totals are asked
for. Sums run over the labels in their order: they do not depend on the order of events.
"""

from __future__ import annotations

import numpy as np

from .bits import popcount, set_bits
from .counts import count_runs, f_score, find_runs, sort_labels
from .jit import inlined, kernel


@inlined
def _mark(starts, label, onset, offset, row, bits, seen, touched, n):
    """Set the bits of the events of a track, and note their labels; returns how many labels are noted.

    Mirrors the timelines in :func:`avreplay.core.reference.llp_f_scores`.

    starts : (R + 1,) int64, where the events of each row begin
    label : (E,) int32
    onset : (E,) int32
    offset : (E,) int32
    row : int, (setting, video, track)
    bits : (C, W) uint64, written
    seen : (C,) bool, which labels are noted
    touched : (C,) int64, these labels
    n : int, how many these are
    """
    for i in range(starts[row], starts[row + 1]):
        c = label[i]
        if not seen[c]:
            seen[c] = True
            touched[n] = c
            n += 1
        set_bits(bits[c], onset[i], offset[i])
    return n


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
    longest, most = 1, 1
    for v in range(videos):
        longest = max(longest, segments[v])
        most = max(most, g_starts[3 * v + 3] - g_starts[3 * v])
    words = (longest + 63) // 64
    predicted = np.zeros((3, num_labels, words), np.uint64)
    truth = np.zeros((3, num_labels, words), np.uint64)
    known = np.zeros(num_labels, np.bool_)
    seen = np.zeros(num_labels, np.bool_)
    named, touched = np.empty(num_labels, np.int64), np.empty(num_labels, np.int64)
    ps, pe = np.empty(longest, np.int64), np.empty(longest, np.int64)
    gs, ge = np.empty(most, np.int64), np.empty(most, np.int64)
    runs = np.zeros((2, 3, num_labels), np.int64)  # of the annotated labels: where in gs and ge, and how many
    counts = np.zeros((4, 2, 3), np.int64)
    common = np.zeros(4, np.int64)
    present = np.zeros(4, np.int64)
    for v in range(videos):
        num_truth = 0
        for k in range(3):
            num_truth = _mark(g_starts, g_label, g_onset, g_offset, v * 3 + k, truth[k], known, named, num_truth)
        at = 0
        common[:] = 0
        for a in range(num_truth):
            c = named[a]
            for k in range(3):
                runs[0, k, c] = at
                runs[1, k, c] = find_runs(truth[k, c], segments[v], gs[at:], ge[at:])
                at += runs[1, k, c]
                common[k] += runs[1, k, c] > 0
            common[3] += runs[1, 0, c] + runs[1, 1, c] > 0
        for p in range(f_out.shape[0]):
            n = 0
            for k in range(3):
                row = (p * videos + v) * 3 + (1 if k == 0 and audio_from_visual else k)
                n = _mark(p_starts, p_label, p_onset, p_offset, row, predicted[k], seen, touched, n)
            if totals is not None:
                for a in range(num_truth):
                    if not seen[named[a]]:
                        seen[named[a]] = True
                        touched[n] = named[a]
                        n += 1
            sort_labels(touched, n)
            for k in range(4):
                present[k] = common[k]
            f = f_out[p, v]
            for a in range(n):
                c = touched[a]
                seen[c] = False
                matched = False
                for k in range(3):
                    tp = fp = fn = 0
                    for w in range(words):
                        x, y = predicted[k, c, w], truth[k, c, w]
                        tp += popcount(x & y)
                        fp += popcount(x & ~y)
                        fn += popcount(y & ~x)
                    counts[k, 0, 0], counts[k, 0, 1], counts[k, 0, 2] = tp, fp, fn
                    matched = matched or tp > 0
                    present[k] += fp > 0 and tp + fn == 0
                present[3] += (
                    counts[0, 0, 1] + counts[1, 0, 1] > 0
                    and counts[0, 0, 0] + counts[0, 0, 2] + counts[1, 0, 0] + counts[1, 0, 2] == 0
                )
                if matched or totals is not None:
                    for k in range(3):
                        first, num_g = runs[0, k, c], runs[1, k, c] if known[c] else 0
                        num_p = find_runs(predicted[k, c], segments[v], ps, pe)
                        count_runs(ps, pe, num_p, gs[first:], ge[first:], num_g, iou, counts[k, 1])
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
                            value = f_score(tp, fp, fn) if tp > 0 else 0.0
                            f[k, level] += value
                            if totals is not None and in_av:
                                class_sum[p, c, k, level] += value if tp + fp + fn > 0 else 1.0
                    if totals is not None and in_av:
                        class_videos[p, c] += 1
                        length = counts[2, 0, 0] + counts[2, 0, 2]
                        if p == 0 and length > 0:
                            annotated[c, 0] += 1
                            annotated[c, 1] += length
                for k in range(3):
                    for w in range(words):
                        predicted[k, c, w] = 0
            for k in range(4):
                for level in range(2):
                    f[k, level] = f[k, level] / present[k] if present[k] else 1.0
        for a in range(num_truth):
            truth[:, named[a]] = 0
            known[named[a]] = False
