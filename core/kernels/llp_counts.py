"""Counts and F-scores of LLP's metrics. Kernels only.

What is exploited: the annotated runs of a video are found once for all settings; a label that is only predicted or only
annotated has F = 0, which changes no sum, so that its events need not be matched, only counted where totals are asked
for. Sums run over the labels in their order: they do not depend on the order of events.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .bits import popcount, set_bits
from .counts import count_runs, f_score, find_runs, sort_labels
from .jit import inlined, lean_kernel

LIMB, LIMBS = float(1 << 25), 3
"""Sums of F-scores are kept exactly, as whole numbers of 2^-25, 2^-50 and 2^-75, so that they do not depend on the
order of videos: an F-score that is not 0 is above 2^-22, as a video has at most a million segments, and its last bit is
among these."""


class CountMemory(NamedTuple):
    """Working memory of :func:`count_block`: C labels, T of the longest video, W words of T bits, G the most annotated
    events of a video; as zeros."""

    predicted: np.ndarray  # (3, C, W) uint64, a bit a segment
    truth: np.ndarray  # (3, C, W) uint64
    noted: np.ndarray  # (2, C) bool, labels with annotated events, and with events
    labels: np.ndarray  # (2, C) int64, these labels
    predicted_runs: np.ndarray  # (2, T) int64, starts and ends
    annotated_runs: np.ndarray  # (2, G) int64
    runs: np.ndarray  # (2, 3, C) int64, of the annotated labels: where their runs begin, and how many these are
    counts: np.ndarray  # (4, 2, 3) int64, TP, FP, FN by part and level
    present: np.ndarray  # (2, 4) int64, classes annotated, and annotated or predicted, by part


def new_count_memory(segments: np.ndarray, annotated: np.ndarray, num_labels: int) -> CountMemory:
    """Working memory for some videos.

    segments : (N,) int64; annotated : (N * 3 + 1,) int64, where the annotated events of each track begin
    num_labels : C
    """
    longest = int(segments.max(initial=1))
    most = int(np.diff(annotated[::3]).max(initial=1))
    words = (longest + 63) // 64
    return CountMemory(
        np.zeros((3, num_labels, words), np.uint64), np.zeros((3, num_labels, words), np.uint64),
        np.zeros((2, num_labels), np.bool_), np.zeros((2, num_labels), np.int64), np.zeros((2, longest), np.int64),
        np.zeros((2, most), np.int64), np.zeros((2, 3, num_labels), np.int64), np.zeros((4, 2, 3), np.int64),
        np.zeros((2, 4), np.int64),
    )  # fmt: skip


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


@inlined
def _add_exactly(limbs, value):
    """Add an F-score to a sum that is kept exactly.

    limbs : (LIMBS,) int64, changed
    value : float, in 0..1
    """
    for k in range(LIMBS):
        value *= LIMB
        whole = np.int64(value)
        limbs[k] += whole
        value -= whole


@lean_kernel
def count_block(
    p_starts, p_label, p_onset, p_offset, g_starts, g_label, g_onset, g_offset, segments, num_labels, iou,
    audio_from_visual, f_out, totals, class_sum, class_videos, annotated, memory,
):  # fmt: skip
    """F-scores and counts of P settings x N videos, added to the output arrays, which begin as zeros. The last four of
    these are None together, where only the F-scores are wanted.

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
    class_sum : (P, C, 4, 2, LIMBS) int64, sums of F for the per-class table, exact
    class_videos : (P, C) int64, how many videos are in these
    annotated : (C, 2) int64, videos and segments with an audio-visual annotation
    memory : working memory (:class:`CountMemory`), by reference
    """
    videos = segments.shape[0]
    predicted, truth, runs, counts = memory.predicted, memory.truth, memory.runs, memory.counts
    known, seen = memory.noted[0], memory.noted[1]
    named, touched = memory.labels[0], memory.labels[1]
    ps, pe = memory.predicted_runs[0], memory.predicted_runs[1]
    gs, ge = memory.annotated_runs[0], memory.annotated_runs[1]
    common, present = memory.present[0], memory.present[1]
    words = predicted.shape[2]
    for v in range(videos):
        num_truth = 0
        for k in range(3):
            num_truth = _mark(g_starts, g_label, g_onset, g_offset, v * 3 + k, truth[k], known, named, num_truth)
        at = 0
        for k in range(4):
            common[k] = 0
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
                    x, y = predicted[k, c, 0], truth[k, c, 0]
                    tp, fp, fn = popcount(x & y), popcount(x & ~y), popcount(y & ~x)
                    for w in range(1, words):  # rarely any: up to 64 segments are one word
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
                                _add_exactly(class_sum[p, c, k, level], value if tp + fp + fn > 0 else 1.0)
                    if totals is not None and in_av:
                        class_videos[p, c] += 1
                        length = counts[2, 0, 0] + counts[2, 0, 2]
                        if p == 0 and length > 0:
                            annotated[c, 0] += 1
                            annotated[c, 1] += length
                for k in range(3):
                    predicted[k, c, 0] = 0
                    for w in range(1, words):
                        predicted[k, c, w] = 0
            for k in range(4):
                for level in range(2):
                    f[k, level] = f[k, level] / present[k] if present[k] else 1.0
        for a in range(num_truth):
            for k in range(3):
                truth[k, named[a], 0] = 0
                for w in range(1, words):
                    truth[k, named[a], w] = 0
            known[named[a]] = False
