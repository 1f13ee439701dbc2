"""LLP's F-scores of many combinations of event lists of one video: counts once for each list. Kernels only."""

from __future__ import annotations

import numpy as np

from ...kernels.bits import popcount, set_bits
from ...kernels.counts import count_runs, f_score, find_runs, sort_labels
from ...kernels.jit import inlined, kernel
from .growing import grown

LABEL, COUNTS = 0, 1
"""Columns of an entry: the label; TP, FP, FN of segments, then of events."""


@inlined
def _mean_f(entries, first, end, level):
    """F of one level of a track: the mean over the labels of its entries.

    Mirrors :func:`avreplay.core.reference.llp_f_scores`.

    entries : (E, 7) int64, by label
    first : int, first entry
    end : int, end (exclusive)
    level : int, 0 segments, 1 events
    """
    total = 0.0
    present = 0
    at = COUNTS + 3 * level
    for i in range(first, end):
        tp, fp, fn = entries[i, at], entries[i, at + 1], entries[i, at + 2]
        if tp + fp + fn > 0:
            total += f_score(tp, fp, fn)
            present += 1
    return total / present if present else 1.0


@inlined
def _pooled_f(entries, i, i_end, j, j_end, level):
    """F of one level of audio and visual counts added by label (Event@AV).

    Mirrors :func:`avreplay.core.reference.llp_f_scores`.

    entries : (E, 7) int64, by label
    i : int, first audio entry
    i_end : int, their end
    j : int, first visual entry
    j_end : int, their end
    level : int, 0 segments, 1 events
    """
    total = 0.0
    present = 0
    at = COUNTS + 3 * level
    while i < i_end or j < j_end:
        audio = i < i_end and (j == j_end or entries[i, LABEL] <= entries[j, LABEL])
        visual = j < j_end and (i == i_end or entries[j, LABEL] <= entries[i, LABEL])
        tp = fp = fn = 0
        if audio:
            tp, fp, fn = entries[i, at], entries[i, at + 1], entries[i, at + 2]
            i += 1
        if visual:
            tp, fp, fn = tp + entries[j, at], fp + entries[j, at + 1], fn + entries[j, at + 2]
            j += 1
        if tp + fp + fn > 0:
            total += f_score(tp, fp, fn)
            present += 1
    return total / present if present else 1.0


@kernel
def llp_of_combinations(
    a, b, c, lists, combination_first, grouped, g_starts, g_label, g_onset, g_offset, segments, to_label, num_labels,
    iou, out,
):  # fmt: skip
    """F-scores (M, 4, 2) of combinations of event lists, as :func:`avreplay.core.kernels.llp_counts.count_block` gives
    them for events of as many videos.

    Mirrors :func:`avreplay.core.reference.llp_f_scores`.

    a : audio, a :class:`avreplay.core.exact.kernels.overlay.TrackRegions` of N videos
    b : visual
    c : audio-visual
    lists : (M, 3) int64, list of each track
    combination_first : (N + 1,) int64, first combination of each video
    grouped : (3,) bool, whether the lists of a track count, or are empty
    g_starts : (N * 3 + 1,) int64, where the annotated events of (video, track) begin
    g_label : (G,) int32
    g_onset : (G,) int32
    g_offset : (G,) int32, end (exclusive)
    segments : (N,) int64, segments that are scored; what is beyond does not count
    to_label : (C',) int32, the annotations' index of each label of the lists, -1 for none
    num_labels : int, C
    iou : float, least intersection over union of a match
    out : (M, 4, 2) float64, written
    """
    videos = segments.shape[0]
    longest = 1
    for v in range(videos):
        longest = max(longest, segments[v])
    words = (longest + 63) // 64
    truth = np.zeros((3, num_labels, words), np.uint64)
    bits = np.zeros((num_labels, words), np.uint64)
    seen = np.zeros(num_labels, np.bool_)
    # annotated labels of a track; those of a track and a list
    known, touched = np.empty((3, num_labels), np.int64), np.empty(num_labels, np.int64)
    known_count = np.zeros(3, np.int64)
    ps, pe = np.empty(longest, np.int64), np.empty(longest, np.int64)
    gs, ge = np.empty((3, num_labels, longest), np.int64), np.empty((3, num_labels, longest), np.int64)
    num_g = np.zeros((3, num_labels), np.int64)
    counts = np.empty(3, np.int64)
    most = max(a.list_first.shape[0], b.list_first.shape[0], c.list_first.shape[0]) + 1
    # first entry and end of each list, the last row for no list; its F-scores
    span, f_of = np.full((3, most, 2), -1), np.empty((3, most, 2))
    entries = np.empty((1024, 7), np.int64)
    for v in range(videos):
        used = 0
        for k in range(3):
            known_count[k] = 0
            span[k, most - 1, 0] = -1
            for i in range(g_starts[v * 3 + k], g_starts[v * 3 + k + 1]):
                label = g_label[i]
                if not seen[label]:
                    seen[label] = True
                    known[k, known_count[k]] = label
                    known_count[k] += 1
                set_bits(truth[k, label], g_onset[i], g_offset[i])
            for i in range(known_count[k]):
                label = known[k, i]
                seen[label] = False
                num_g[k, label] = find_runs(truth[k, label], segments[v], gs[k, label], ge[k, label])
        last_a = last_b = -2
        for m in range(combination_first[v], combination_first[v + 1]):
            for k in range(3):
                track = a if k == 0 else (b if k == 1 else c)
                chosen = lists[m, k] if grouped[k] else most - 1
                if span[k, chosen, 0] < 0:
                    n = known_count[k]
                    for i in range(n):
                        touched[i] = known[k, i]
                        seen[known[k, i]] = True
                    first = end = np.int64(0)
                    if grouped[k]:
                        first, end = track.list_first[chosen], track.list_first[chosen + 1]
                    for i in range(first, end):
                        label = to_label[track.events[i, 0]]
                        onset, offset = track.events[i, 1], min(np.int64(track.events[i, 2]), segments[v])
                        if label < 0 or onset >= offset:
                            continue
                        if not seen[label]:
                            seen[label] = True
                            touched[n] = label
                            n += 1
                        set_bits(bits[label], onset, offset)
                    sort_labels(touched, n)
                    if used + n > entries.shape[0]:
                        entries = grown(entries, used, 2 * (used + n))
                    span[k, chosen, 0] = used
                    for i in range(n):
                        label = touched[i]
                        seen[label] = False
                        tp = fp = fn = 0
                        for w in range(words):
                            x, y = bits[label, w], truth[k, label, w]
                            tp += popcount(x & y)
                            fp += popcount(x & ~y)
                            fn += popcount(y & ~x)
                        entry = entries[used]
                        used += 1
                        entry[LABEL] = label
                        entry[1], entry[2], entry[3] = tp, fp, fn
                        num_p = find_runs(bits[label], segments[v], ps, pe) if tp + fp else 0
                        annotated = num_g[k, label] if tp + fn else 0
                        count_runs(ps, pe, num_p, gs[k, label], ge[k, label], annotated, iou, counts)
                        entry[4], entry[5], entry[6] = counts[0], counts[1], counts[2]
                        for w in range(words):
                            bits[label, w] = 0
                    span[k, chosen, 1] = used
                    for level in range(2):
                        f_of[k, chosen, level] = _mean_f(entries, span[k, chosen, 0], used, level)
                for level in range(2):
                    out[m, k, level] = f_of[k, chosen, level]
            in_a, in_b = lists[m, 0] if grouped[0] else most - 1, lists[m, 1] if grouped[1] else most - 1
            for level in range(2):
                if m > combination_first[v] and in_a == last_a and in_b == last_b:
                    out[m, 3, level] = out[m - 1, 3, level]
                else:
                    out[m, 3, level] = _pooled_f(
                        entries, span[0, in_a, 0], span[0, in_a, 1], span[1, in_b, 0], span[1, in_b, 1], level
                    )
            last_a, last_b = in_a, in_b
        for k in range(3):
            for i in range(known_count[k]):
                label = known[k, i]
                num_g[k, label] = 0
                for w in range(words):
                    truth[k, label, w] = 0
