"""Figures over all thresholds, from how counts change as a threshold falls. Kernels only."""

from __future__ import annotations

import numpy as np

from .jit import inner, kernel
from .ordering import ordered


@inner
def _f1(right, wrong, truths):
    """F1 from precision and recall, in this order of operations: it decides which of equals is the larger.

    Mirrors :func:`avreplay.core.reference_ranking.f1`.

    right : int
    wrong : int
    truths : int
    """
    if right == 0 or truths == 0:
        return 0.0
    precision, recall = right / (right + wrong), right / truths
    return 2.0 * precision * recall / (precision + recall)


@kernel
def curve_block(starts, value, video, tp, fp, positives, times, out):
    """Best F, average precision and the counts at the end of each curve, on B samples of N videos.

    Mirrors :func:`avreplay.core.reference_ranking.curve_figures`.

    starts : (K + 1,) int64, where the items of each (setting, label) begin, by falling value
    value : (E,) float64
    video : (E,) int64
    tp : (E,) int64, change of the right ones
    fp : (E,) int64, change of the wrong ones
    positives : (N, C) int64, truths; K is a multiple of C
    times : (B, N) int64, how often each video counts in each sample
    out : (B, K, 7) float64, written: right and wrong at the best F (the highest threshold of equals) and the value
        there (infinite where nothing is detected), average precision, right and wrong at the lowest value, truths
    """
    samples, videos = times.shape
    classes = positives.shape[1]
    for g in range(starts.shape[0] - 1):
        first, last = starts[g], starts[g + 1]
        for s in range(samples):
            truths = 0
            for v in range(videos):
                truths += times[s, v] * positives[v, g % classes]
            right = wrong = before = best_right = best_wrong = 0
            at = np.inf
            best = area = 0.0
            for i in range(first, last):
                w = times[s, video[i]]
                right += w * tp[i]
                wrong += w * fp[i]
                if i + 1 < last and value[i + 1] == value[i]:
                    continue
                if right != before:
                    area += (right - before) * (right / (right + wrong))
                    before = right
                f = _f1(right, wrong, truths)
                if f > best:
                    best, best_right, best_wrong, at = f, right, wrong, value[i]
            out[s, g, 0], out[s, g, 1], out[s, g, 2] = best_right, best_wrong, at
            out[s, g, 3] = area / truths if truths else np.nan
            out[s, g, 4], out[s, g, 5], out[s, g, 6] = right, wrong, truths


@inner
def _roc(
    first, last, label, value, video, tp, fp, cross_starts, cross_label, cross_change, times, truths, length, seconds,
    cross_weight, most, raw, order, memory, sums, rates, curve, base,
):  # fmt: skip
    """Points of the curve of one class by rising rate of false alarms, where its rate of hits rises. Returns how many.

    Mirrors :func:`avreplay.core.reference_ranking.roc`.

    first : int, first item of the class
    last : int, end of its items
    label : int, the class
    value : (E,) float64
    video : (E,) int64
    tp : (E,) int64
    fp : (E,) int64
    cross_starts : (E + 1,) int64, or (0,)
    cross_label : (X,) int32
    cross_change : (X,) int8
    times : (N,) int64
    truths : (C,) int64
    length : (C,) float64, seconds of truth
    seconds : float, of all videos
    cross_weight : float
    most : float, largest rate of false alarms, an hour
    raw : (2, n) float64, memory
    order : (n,) int64, memory
    memory : (n,) int64, memory
    sums : (C,) int64, memory
    rates : (C,) float64, memory
    curve : (2, n) float64, written from ``base`` on: rates of false alarms and of hits
    base : int
    """
    classes = truths.shape[0]
    others = 0
    for c in range(classes):
        others += c != label and truths[c] > 0
        sums[c], rates[c] = 0, 0.0
    crosses = cross_starts.shape[0] > 0 and others > 0
    total = 0.0
    anew = False
    right = wrong = n = 0
    for i in range(first, last):
        w = times[video[i]]
        right += w * tp[i]
        wrong += w * fp[i]
        if crosses:
            for k in range(cross_starts[i], cross_starts[i + 1]):
                c = cross_label[k]
                sums[c] += w * cross_change[k]
                rates[c] = sums[c] / length[c] if length[c] > 0.0 else 0.0
                anew = True
        if i + 1 < last and value[i + 1] == value[i]:
            continue
        rate = wrong / seconds
        if crosses:
            if anew:
                anew = False
                total = 0.0
                for c in range(classes):
                    total += rates[c]
            rate += cross_weight * (total / others)
        rate *= 3600.0
        if right > 0 and rate <= most:
            raw[0, n], raw[1, n] = rate, right / truths[label]
            n += 1
    ordered(raw[0], n, 1.0, order, memory)
    end = base
    for j in range(n):
        x, y = raw[0, order[j]], raw[1, order[j]]
        if end == base or y > curve[1, end - 1]:
            if end == base or x > curve[0, end - 1]:
                end += 1
            curve[0, end - 1], curve[1, end - 1] = x, y
    return end - base


@kernel
def cross_block(order, rows, item_starts, many, video, present_starts, present, change, starts, label, more):
    """The cross triggers of some items.

    Mirrors :func:`avreplay.core.reference_ranking.intersection_changes`.

    order : (n,) int64, the items
    rows : (K + 1,) int64, see :func:`.intersection_changes.intersection_changes`
    item_starts : (K + 1,) int64, where the items of each group begin
    many : (E,) int32
    video : (E,) int64
    present_starts : (N + 1,) int64
    present : (M,) int64
    change : (X,) int8
    starts : (n + 1,) int64, written: where the changes of each begin
    label : (all of ``many``,) int32, written: the class of each
    more : (all of ``many``,) int8, written: the changes
    """
    at = np.empty(many.shape[0], np.int64)
    for g in range(item_starts.shape[0] - 1):
        first, last = item_starts[g], item_starts[g + 1]
        for i in range(first, last):
            at[i] = rows[g] + (i - first) * ((rows[g + 1] - rows[g]) // (last - first))
    n = 0
    for j in range(order.shape[0]):
        i = order[j]
        starts[j] = n
        if many[i] == 0:
            continue
        a = present_starts[video[i]]
        for k in range(present_starts[video[i] + 1] - a):
            if change[at[i] + k] != 0:
                label[n], more[n] = present[a + k], change[at[i] + k]
                n += 1
    starts[order.shape[0]] = n


@kernel
def psds_block(
    starts, value, video, tp, fp, cross_starts, cross_label, cross_change, positives, lengths, seconds, cross_weight,
    spread_weight, most, times, total, of_class,
):  # fmt: skip
    """Area under the rate of hits over that of false alarms: of each class, and of the mean less a part of the spread.

    Mirrors :func:`avreplay.core.reference_ranking.psds`.

    starts : (P * C + 1,) int64, where the items of (setting, label) begin, by falling value
    value : (E,) float64
    video : (E,) int64
    tp : (E,) int64, change of the truths that are found
    fp : (E,) int64, change of the events that are none's
    cross_starts : (E + 1,) int64, where the changes of an item's cross triggers begin; (0,) where they do not count
    cross_label : (X,) int32, the class of each
    cross_change : (X,) int8
    positives : (N, C) int64, truths
    lengths : (N, C) float64, seconds of truth
    seconds : (N,) float64, of the videos
    cross_weight : float
    spread_weight : float
    most : float, largest rate of false alarms, an hour
    times : (B, N) int64, how often each video counts in each sample
    total : (B, P) float64, written; NaN without a truth
    of_class : (B, P * C) float64, written; NaN without a truth
    """
    samples, videos = times.shape
    classes = positives.shape[1]
    settings = (starts.shape[0] - 1) // classes
    longest = 0
    for p in range(settings):
        longest = max(longest, starts[(p + 1) * classes] - starts[p * classes])
    raw, curve = np.empty((2, longest)), np.empty((2, longest))
    order, memory, owner = np.empty(longest, np.int64), np.empty(longest, np.int64), np.empty(longest, np.int64)
    truths, sums = np.empty(classes, np.int64), np.empty(classes, np.int64)
    length, level, rates = np.empty(classes), np.empty(classes), np.empty(classes)
    for s in range(samples):
        duration = 0.0
        for v in range(videos):
            duration += times[s, v] * seconds[v]
        present = 0
        for c in range(classes):
            truths[c], length[c] = 0, 0.0
            for v in range(videos):
                truths[c] += times[s, v] * positives[v, c]
                length[c] += times[s, v] * lengths[v, c]
            present += truths[c] > 0
        for p in range(settings):
            n = 0
            for c in range(classes):
                g = p * classes + c
                of_class[s, g] = np.nan
                level[c] = 0.0
                if truths[c] == 0:
                    continue
                found = _roc(
                    starts[g], starts[g + 1], c, value, video, tp, fp, cross_starts, cross_label, cross_change,
                    times[s], truths, length, duration, cross_weight, most, raw, order, memory, sums, rates, curve, n,
                )  # fmt: skip
                area = 0.0
                for k in range(n, n + found):
                    owner[k] = c
                    area += curve[1, k] * ((curve[0, k + 1] if k + 1 < n + found else most) - curve[0, k])
                of_class[s, g] = area / most
                n += found
            if present == 0:
                total[s, p] = np.nan
                continue
            ordered(curve[0], n, 1.0, order, memory)
            area = 0.0
            for j in range(n):
                i = order[j]
                level[owner[i]] = curve[1, i]
                width = (curve[0, order[j + 1]] if j + 1 < n else most) - curve[0, i]
                if width == 0.0:
                    continue
                mean = spread = 0.0
                for c in range(classes):
                    mean += level[c]
                mean /= present
                for c in range(classes):
                    if truths[c] > 0:
                        spread += (level[c] - mean) ** 2
                area += max(mean - spread_weight * np.sqrt(spread / present), 0.0) * width
            total[s, p] = area / most
