"""Counts of predicted against annotated events, from which every metric is made. Kernels only.

A track's prediction for one label is a string of bits, one a segment: segment counts are popcounts, events are runs
of ones.
"""

from __future__ import annotations

import numpy as np

from .bits import find_bit
from .jit import inlined, inner


@inner
def find_runs(words, segments, starts, ends):
    """Maximal runs of ones as half-open ranges; returns how many there are.

    Mirrors :func:`avreplay.core.reference.runs_of`.

    words : (W,) uint64, a bit a segment
    segments : int, T of the video
    starts : (>= runs,) int64, written
    ends : (>= runs,) int64, written
    """
    found = 0
    end = 0
    while True:
        start = find_bit(words, 0, end, segments, 1)
        if start == segments:
            return found
        end = find_bit(words, 0, start, segments, 0)
        starts[found] = start
        ends[found] = end
        found += 1


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
