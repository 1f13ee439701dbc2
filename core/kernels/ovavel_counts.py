"""Counts behind OV-AVEL's metrics, in which background is a class. Kernels only."""

from __future__ import annotations

import numpy as np

from .bits import popcount, set_bits
from .counts import count_runs, f_score, find_runs, label_segments, sort_labels
from .jit import inner, kernel


@inner
def _mark(starts, label, onset, offset, row, other, other_covers, last, bits, touched, n):
    """Set the bits of a track's events; ``bits[last]`` gets the segments that some event covers. Returns how many
    labels are touched.

    Mirrors :func:`avreplay.core.reference.class_matrix`.

    starts : (R + 1,) int64, where the events of each row begin
    label : (E,) int32
    onset : (E,) int32
    offset : (E,) int32
    row : int, (setting, video, track)
    other : int, label of the text `other`, -1 for none
    other_covers : bool, its events cover their segments
    last : int, row of the background
    bits : (C + 1, W) uint64, written
    touched : (C + 1,) int64, labels so far, added to
    n : int, how many these are
    """
    for i in range(starts[row], starts[row + 1]):
        c = label[i]
        if c != other or other_covers:
            set_bits(bits[last], onset[i], offset[i])
        if c == other:
            continue
        fresh = True
        for a in range(n):
            fresh = fresh and touched[a] != c
        if fresh:
            touched[n] = c
            n += 1
        set_bits(bits[c], onset[i], offset[i])
    return n


@kernel
def ovavel_block(
    p_starts, p_label, p_onset, p_offset, p_score, g_starts, g_label, g_onset, g_offset, segments, num_labels, other,
    other_covers, iou, correct, f_out,
):  # fmt: skip
    """Segments and F-scores of P settings x N videos; a video's F is the mean over its classes, background being one.

    Mirrors :func:`avreplay.core.reference.ovavel_f_scores` and :func:`avreplay.core.reference.ovavel_right_segments`.

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
    num_labels : int, C
    other : int, label of the text `other`, -1 for none
    other_covers : bool, predicted events of it are not background in the F-scores (released)
    iou : float, least intersection over union of a match
    correct : (P, N) int64, written: segments with the right label
    f_out : (P, N, 2) float64, written: segment and event F
    """
    videos = segments.shape[0]
    longest = 1
    for v in range(videos):
        longest = max(longest, segments[v])
    words = (longest + 63) // 64
    last = num_labels
    predicted = np.zeros((num_labels + 1, words), np.uint64)
    truth = np.zeros((num_labels + 1, words), np.uint64)
    touched = np.empty(num_labels + 1, np.int64)
    decided, best = np.empty(longest, np.int64), np.empty(longest)
    ps, pe = np.empty(longest, np.int64), np.empty(longest, np.int64)
    gs, ge = np.empty(longest, np.int64), np.empty(longest, np.int64)
    counts = np.zeros(3, np.int64)
    one = np.uint64(1)
    for p in range(correct.shape[0]):
        for v in range(videos):
            row = (p * videos + v) * 3 + 2
            n = _mark(p_starts, p_label, p_onset, p_offset, row, other, other_covers, last, predicted, touched, 0)
            n = _mark(g_starts, g_label, g_onset, g_offset, v * 3 + 2, other, False, last, truth, touched, n)
            for w in range(words):
                valid = min(64, max(0, segments[v] - 64 * w))
                mask = ~np.uint64(0) if valid == 64 else (one << np.uint64(valid)) - one
                predicted[last, w] = ~predicted[last, w] & mask
                truth[last, w] = ~truth[last, w] & mask
            sort_labels(touched, n)
            touched[n] = last  # background comes last
            label_segments(
                p_label, p_onset, p_offset, p_score, p_starts[row], p_starts[row + 1], segments[v], other, last,
                decided, best,
            )  # fmt: skip
            right = np.int64(0)
            for t in range(segments[v]):
                right += np.int64((truth[decided[t], t >> 6] >> np.uint64(t & 63)) & one)
            correct[p, v] = right

            active = 0
            seg = event = 0.0
            for a in range(n + 1):
                c = touched[a]
                tp = fp = fn = 0
                for w in range(words):
                    x, y = predicted[c, w], truth[c, w]
                    tp += popcount(x & y)
                    fp += popcount(x & ~y)
                    fn += popcount(y & ~x)
                if tp + fp + fn > 0:
                    active += 1
                    seg += f_score(tp, fp, fn)
                    num_p = find_runs(predicted[c], segments[v], ps, pe) if tp + fp else 0
                    num_g = find_runs(truth[c], segments[v], gs, ge) if tp + fn else 0
                    count_runs(ps, pe, num_p, gs, ge, num_g, iou, counts)
                    event += f_score(counts[0], counts[1], counts[2])
                predicted[c, :] = 0
                truth[c, :] = 0
            f_out[p, v, 0] = seg / active if active else 1.0
            f_out[p, v, 1] = event / active if active else 1.0
