"""Counts and F-scores of LLP's metrics. Kernels only.

What is exploited: labels are a string of bits too, so that they come in order. Up to 64 segments are one word, and of
nearly all labels the predicted and the annotated events are alike, apart, or one of each, so that counts of bits give
those of events, without a branch; else runs are found, the annotated ones once for all settings. A label that is only
predicted or only annotated has F = 0, which changes no sum, so that its events need not be matched, only counted where
totals are asked for. Sums run over the labels in their order: they do not depend on the order of events.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .bits import WORD, popcount, set_bits, trailing_zeros
from .counts import count_runs, f_score, find_runs
from .jit import inlined, lean_kernel

LIMB, LIMBS = float(1 << 25), 3
"""Sums of F-scores are kept exactly, as whole numbers of 2^-25, 2^-50 and 2^-75, so that they do not depend on the
order of videos: an F-score that is not 0 is above 2^-22, as a video has at most a million segments, and its last bit is
among these."""


PARTS = 4
"""Three tracks, and the first two together."""


class CountMemory(NamedTuple):
    """Working memory of :func:`count_block`: C labels, T of the longest video, W words of T bits, G the most annotated
    events of a video; as zeros."""

    predicted: np.ndarray  # (3, C, W) uint64, a bit a segment
    truth: np.ndarray  # (3, C, W) uint64
    noted: np.ndarray  # (2, C in words) uint64, a bit a label with annotated events, and with predicted ones
    predicted_runs: np.ndarray  # (2, T) int64, starts and ends
    annotated_runs: np.ndarray  # (2, G) int64
    runs: np.ndarray  # (2, 3, C) int64, of the annotated labels: where their runs begin, and how many these are
    counts: np.ndarray  # (4 * 2 * 3,) int64, TP, FP, FN by part and level
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
        np.zeros((2, (num_labels + 63) // 64), np.uint64), np.zeros((2, longest), np.int64),
        np.zeros((2, most), np.int64), np.zeros((2, 3, num_labels), np.int64), np.zeros(PARTS * 6, np.int64),
        np.zeros((2, 4), np.int64),
    )  # fmt: skip


@inlined
def _mark(starts, label, onset, offset, row, bits, noted):
    """Set the bits of the events of a track, and of their labels.

    Mirrors the timelines in :func:`avreplay.core.reference.llp_f_scores`.

    starts : (R + 1,) int64, where the events of each row begin
    label : (E,) int32
    onset : (E,) int32
    offset : (E,) int32
    row : int, (setting, video, track)
    bits : (C, W) uint64, written
    noted : (C in words,) uint64, written
    """
    for i in range(starts[row], starts[row + 1]):
        c = label[i]
        noted[c >> 6] |= np.uint64(1) << np.uint64(c & 63)
        if bits.shape[1] == 1:
            bits[c, 0] |= (~np.uint64(0) >> np.uint64(WORD - (offset[i] - onset[i]))) << np.uint64(onset[i])
        else:
            set_bits(bits[c], onset[i], offset[i])


@inlined
def _add_exactly(limbs, value):
    """Add an F-score to a sum that is kept exactly.

    limbs : (LIMBS,) int64, changed
    value : float, in 0..1
    """
    if value == 1.0:
        limbs[0] += np.int64(LIMB)
        return
    for k in range(LIMBS):
        value *= LIMB
        whole = np.int64(value)
        limbs[k] += whole
        value -= whole


@inlined
def _any_bit(words):
    """Whether any bit is set.

    Mirrors :func:`avreplay.core.reference.runs_of`.

    words : (W,) uint64
    """
    some = words[0]
    for w in range(1, words.shape[0]):
        some |= words[w]
    return some != 0


@inlined
def _number_of_runs(word):
    """How many maximal runs of ones a word has.

    Mirrors :func:`avreplay.core.reference.runs_of`.

    word : uint64
    """
    return popcount(word & ~(word << np.uint64(1)))


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
    f_out : (P, N, 4 * 2) float64, F-scores of each video, by part and level
    totals : (P, C, 3 * 2 * 3) int64, TP, FP, FN over all videos by class, track and level
    class_sum : (P, C, 4 * 2, LIMBS) int64, sums of F for the per-class table, exact
    class_videos : (P, C) int64, how many videos are in these
    annotated : (C, 2) int64, videos and segments with an audio-visual annotation
    memory : working memory (:class:`CountMemory`), by reference
    """
    videos = segments.shape[0]
    predicted, truth, runs, counts = memory.predicted, memory.truth, memory.runs, memory.counts
    known, seen = memory.noted[0], memory.noted[1]
    ps, pe = memory.predicted_runs[0], memory.predicted_runs[1]
    gs, ge = memory.annotated_runs[0], memory.annotated_runs[1]
    common, present = memory.present[0], memory.present[1]
    words = predicted.shape[2]
    for v in range(videos):
        for k in range(3):
            _mark(g_starts, g_label, g_onset, g_offset, v * 3 + k, truth[k], known)
        at = 0
        for k in range(4):
            common[k] = 0
        for word in range(known.shape[0]):
            left = known[word]
            while left:
                c = word * WORD + trailing_zeros(left)
                left &= left - np.uint64(1)
                for k in range(3):
                    runs[1, k, c] = -1  # not found yet
                    common[k] += _any_bit(truth[k, c])
                common[3] += _any_bit(truth[0, c]) or _any_bit(truth[1, c])
        for p in range(f_out.shape[0]):
            for k in range(3):
                row = (p * videos + v) * 3 + (1 if k == 0 and audio_from_visual else k)
                _mark(p_starts, p_label, p_onset, p_offset, row, predicted[k], seen)
            for k in range(4):
                present[k] = common[k]
            f = f_out[p, v]
            for word in range(seen.shape[0]):
                left = seen[word]
                if totals is not None:
                    left |= known[word]
                seen[word] = 0
                while left:
                    c = word * WORD + trailing_zeros(left)
                    left &= left - np.uint64(1)
                    matched = False
                    for k in range(3):
                        x, y = predicted[k, c, 0], truth[k, c, 0]
                        tp, fp, fn = popcount(x & y), popcount(x & ~y), popcount(y & ~x)
                        for w in range(1, words):  # rarely any: up to 64 segments are one word
                            x, y = predicted[k, c, w], truth[k, c, w]
                            tp += popcount(x & y)
                            fp += popcount(x & ~y)
                            fn += popcount(y & ~x)
                        counts[k * 6], counts[k * 6 + 1], counts[k * 6 + 2] = tp, fp, fn
                        matched = matched or tp > 0
                        present[k] += fp > 0 and tp + fn == 0
                    present[3] += counts[1] + counts[7] > 0 and counts[0] + counts[2] + counts[6] + counts[8] == 0
                    if matched or totals is not None:
                        for k in range(3):
                            tp, wrong = counts[k * 6], counts[k * 6 + 1] + counts[k * 6 + 2]
                            of_events = counts[k * 6 + 3 : k * 6 + 6]
                            num_p, num_g = _number_of_runs(predicted[k, c, 0]), _number_of_runs(truth[k, c, 0])
                            if words == 1 and ((tp > 0) & (wrong > 0) & (num_p + num_g != 2)) == 0:
                                # alike: all match; else the union of two runs that overlap is one
                                hits = num_p if wrong == 0 else np.int64(tp / (tp + wrong) >= iou)
                                of_events[0], of_events[1], of_events[2] = hits, num_p - hits, num_g - hits
                                continue
                            annotated_here = known[c >> 6] >> np.uint64(c & 63) & np.uint64(1)
                            if annotated_here and runs[1, k, c] < 0:
                                runs[0, k, c] = at
                                runs[1, k, c] = find_runs(truth[k, c], segments[v], gs[at:], ge[at:])
                                at += runs[1, k, c]
                            first, num_g = (runs[0, k, c], runs[1, k, c]) if annotated_here else (0, 0)
                            num_p = find_runs(predicted[k, c], segments[v], ps, pe)
                            count_runs(ps, pe, num_p, gs[first:], ge[first:], num_g, iou, of_events)
                        for x in range(6):
                            counts[18 + x] = counts[x] + counts[6 + x]
                        in_av = totals is not None and counts[12] + counts[13] + counts[14] > 0
                        if totals is not None:
                            for x in range(18):
                                totals[p, c, x] += counts[x]
                        for x in range(8):
                            tp, wrong = counts[3 * x], counts[3 * x + 1] + counts[3 * x + 2]
                            value = f_score(tp, wrong, tp + wrong == 0)  # 0 without any
                            f[x] += value
                            if totals is not None and in_av and (tp > 0 or wrong == 0):
                                _add_exactly(class_sum[p, c, x], value if tp > 0 else 1.0)
                        if totals is not None and in_av:
                            class_videos[p, c] += 1
                            length = counts[12] + counts[14]
                            if p == 0 and length > 0:
                                annotated[c, 0] += 1
                                annotated[c, 1] += length
                    for k in range(3):
                        predicted[k, c, 0] = 0
                        for w in range(1, words):
                            predicted[k, c, w] = 0
            for x in range(8):
                f[x] = f[x] / present[x >> 1] if present[x >> 1] else 1.0
        for word in range(known.shape[0]):
            left = known[word]
            known[word] = 0
            while left:
                c = word * WORD + trailing_zeros(left)
                left &= left - np.uint64(1)
                for k in range(3):
                    for w in range(words):
                        truth[k, c, w] = 0
