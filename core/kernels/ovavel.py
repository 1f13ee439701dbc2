"""OV-AVEL's rules: the label of every segment from audio and visual scores. Kernels only."""

from __future__ import annotations

import numpy as np

from .jit import inner, kernel
from .ordered import LOWEST, position_of, rank_of

LOWEST_BUT_ONE = LOWEST + 1

FIRST_AGREEMENT, PER_SEGMENT, SQRT, PROB_AVG, FEA_AVG = 0, 1, 2, 3, 4


@inner
def _best(row, competes):
    """The label with the highest score; the first of equals.

    Mirrors :func:`avreplay.core.reference.ovavel_labels`.

    row : (C,) float32, scores
    competes : (C,) bool, the labels that compete
    """
    best = LOWEST
    for c in range(competes.shape[0]):
        best = max(best, rank_of(row[c], c) if competes[c] else LOWEST)
    return position_of(best)


@inner
def _fused(audio, visual, fused, competes, rule, zero_pairs, p):
    """Fused scores of all labels, in float32 as released, and the lowest and highest of those that compete.

    Mirrors :func:`avreplay.core.reference.fused_scores`.

    audio : (C,) float32, cosines
    visual : (C,) float32, cosines
    fused : (C,) float32, cosines of the mean feature
    competes : (C,) bool, the labels that compete
    rule : int, SQRT, PROB_AVG or FEA_AVG
    zero_pairs : bool, products of two negative cosines count as zero
    p : (C,) float32, written
    """
    zero, half = np.float32(0.0), np.float32(0.5)
    labels = competes.shape[0]
    if rule == FEA_AVG:
        for c in range(labels):
            p[c] = fused[c]
    elif rule == PROB_AVG:
        for c in range(labels):
            p[c] = (audio[c] + visual[c]) * half
    else:
        for c in range(labels):
            x = audio[c] * visual[c]
            x = zero if x <= zero or (zero_pairs and audio[c] < zero) else x
            p[c] = np.sqrt(x)
    lowest, highest = -LOWEST_BUT_ONE, LOWEST
    for c in range(labels):
        rank = rank_of(p[c], c)
        lowest = min(lowest, rank if competes[c] else -LOWEST_BUT_ONE)
        highest = max(highest, rank if competes[c] else LOWEST)
    return p[position_of(lowest)], p[position_of(highest)]


@inner
def _normalised_best(audio, visual, fused, competes, rule, zero_pairs, p):
    """The label with the highest min-max normalised fused score, in float32 as released, -1 where no product is
    positive.

    Normalising can make equals of scores that differ in the last bit, hence it is not left out.

    Mirrors :func:`avreplay.core.reference.fused_label`.

    audio : (C,) float32, cosines
    visual : (C,) float32, cosines
    fused : (C,) float32, cosines of the mean feature
    competes : (C,) bool, the labels that compete
    rule : int, SQRT, PROB_AVG or FEA_AVG
    zero_pairs : bool, products of two negative cosines count as zero
    p : (C,) float32, working memory
    """
    low, high = _fused(audio, visual, fused, competes, rule, zero_pairs, p)
    if rule == SQRT and high == np.float32(0.0):
        return -1
    spread = (high - low) + np.float32(1e-8)
    best = LOWEST
    for c in range(competes.shape[0]):
        best = max(best, rank_of((p[c] - low) / spread, c) if competes[c] else LOWEST)
    return position_of(best)


@kernel
def decode_block(
    first, audio, visual, fused, present, competes, special, rule, keep_special, zero_pairs, first_if_none, predicted
):
    """The label of each segment of N videos.

    Mirrors :func:`avreplay.core.reference.ovavel_labels`.

    first : (N + 1,) int64, first segment of each video
    audio : (S, C) float32, cosines; (0, C) where the rule reads none
    visual : (S, C) float32, likewise
    fused : (S, C) float32, cosines of the mean feature, likewise
    present : (N,) bool, whether the video has both streams; without one nothing agrees
    competes : (C,) bool, the labels that compete
    special : int, the label of the background text, -1 for none
    rule : int, one of the constants of this module
    keep_special : bool, agreement on the background text counts
    zero_pairs : bool, products of two negative cosines count as zero
    first_if_none : bool, without a positive product the first label wins
    predicted : (S,) int32, written, -1 for background
    """
    p = np.empty(len(competes), np.float32)
    first_label = 0
    while not competes[first_label]:
        first_label += 1
    for v in range(len(first) - 1):
        category = -1
        for t in range(first[v], first[v + 1]):
            predicted[t] = -1
            if not present[v]:
                continue
            if rule >= SQRT:
                row = fused[t] if rule == FEA_AVG else audio[t]
                other = visual[t] if rule != FEA_AVG else fused[t]
                best = _normalised_best(row, other, row, competes, rule, zero_pairs, p)
                if best < 0 and first_if_none:
                    best = first_label
                predicted[t] = -1 if best == special else best
                continue
            best = _best(audio[t], competes)
            if best != _best(visual[t], competes) or (best == special and not keep_special):
                continue
            if category < 0 or rule == PER_SEGMENT:
                category = best
            predicted[t] = category


@kernel
def find_label_runs(timelines, first, counts, label, onset, offset):
    """Maximal runs of one label in the segments of N videos under P settings; returns how many there are.

    Mirrors :func:`avreplay.core.reference.runs_of`.

    timelines : (P, S) int32, the label of each segment, -1 for none
    first : (N + 1,) int64, first segment of each video
    counts : (P * N, 3) int64, written at [:, 2]: the runs of each
    label : (P * S,) int32, written
    onset : (P * S,) int32, written, segment of the video
    offset : (P * S,) int32, written, exclusive
    """
    videos = len(first) - 1
    n = 0
    for p in range(timelines.shape[0]):
        for v in range(videos):
            before = n
            t = first[v]
            while t < first[v + 1]:
                c = timelines[p, t]
                begin = t
                while t < first[v + 1] and timelines[p, t] == c:
                    t += 1
                if c >= 0:
                    label[n] = c
                    onset[n] = begin - first[v]
                    offset[n] = t - first[v]
                    n += 1
            counts[p * videos + v, 2] = n - before
    return n
