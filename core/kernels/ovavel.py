"""OV-AVEL's rules: the label of every segment from audio and visual scores. Kernels only."""

from __future__ import annotations

import numpy as np

from .jit import inner, kernel
from .ordered import HIGHEST_ORDER, LOWEST, LOWEST_ORDER, order_of, position_of, rank_of, value_of

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
    lowest, highest = HIGHEST_ORDER, LOWEST_ORDER
    for c in range(labels):
        order = order_of(p[c])
        lowest = min(lowest, order if competes[c] else HIGHEST_ORDER)
        highest = max(highest, order if competes[c] else LOWEST_ORDER)
    return value_of(lowest), value_of(highest)


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
    highest = (high - low) / spread
    # only what is within some last bits of the highest can be made its equal, so that few need to be divided
    near = (high - low) * np.float32(1.0 - 1e-6)
    labels = competes.shape[0]
    first = np.int32(labels)
    for c in range(labels):
        first = min(first, np.int32(c) if competes[c] and p[c] - low >= near else np.int32(labels))
    best = np.int64(first)
    while not (competes[best] and (p[best] - low) / spread == highest):
        best += 1
    return best


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
