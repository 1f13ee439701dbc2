"""OV-AVEL's rules: the label of every segment from audio and visual scores. Kernels only."""

from __future__ import annotations

import numpy as np

from .jit import inner, kernel

FIRST_AGREEMENT, PER_SEGMENT, SQRT, PROB_AVG, FEA_AVG = 0, 1, 2, 3, 4


@inner
def _best(row, columns):
    """The column with the highest score; the first of equals.

    Mirrors :func:`avreplay.core.reference.ovavel_labels`.

    row : (C,) float32, scores
    columns : (K,) int64, the labels that compete
    """
    best = columns[0]
    for c in columns:
        if row[c] > row[best]:
            best = c
    return best


@inner
def _normalised_best(audio, visual, fused, columns, rule, zero_pairs, p):
    """The column with the highest min-max normalised fused score, in float32 as released, -1 where no product is
    positive.

    Normalising can make equals of scores that differ in the last bit, hence it is not left out.

    Mirrors :func:`avreplay.core.reference.fused_label`.

    audio : (C,) float32, cosines
    visual : (C,) float32, cosines
    fused : (C,) float32, cosines of the mean feature
    columns : (K,) int64, the labels that compete
    rule : int, SQRT, PROB_AVG or FEA_AVG
    zero_pairs : bool, products of two negative cosines count as zero
    p : (K,) float32, working memory
    """
    zero, half, tiny = np.float32(0.0), np.float32(0.5), np.float32(1e-8)
    low = np.float32(np.inf)
    high = np.float32(-np.inf)
    for k in range(len(columns)):
        c = columns[k]
        if rule == FEA_AVG:
            x = fused[c]
        elif rule == PROB_AVG:
            x = (audio[c] + visual[c]) * half
        else:
            x = audio[c] * visual[c]
            x = zero if x <= zero or (zero_pairs and audio[c] < zero) else np.sqrt(x)
        p[k] = x
        low, high = min(low, x), max(high, x)
    if rule == SQRT and high == zero:
        return -1
    spread = (high - low) + tiny
    best = 0
    for k in range(len(columns)):
        p[k] = (p[k] - low) / spread
        if p[k] > p[best]:
            best = k
    return columns[best]


@kernel
def decode_block(
    first, audio, visual, fused, present, columns, special, rule, keep_special, zero_pairs, first_if_none, predicted
):
    """The label of each segment of N videos.

    Mirrors :func:`avreplay.core.reference.ovavel_labels`.

    first : (N + 1,) int64, first segment of each video
    audio : (S, C) float32, cosines; (0, C) where the rule reads none
    visual : (S, C) float32, likewise
    fused : (S, C) float32, cosines of the mean feature, likewise
    present : (N,) bool, whether the video has both streams; without one nothing agrees
    columns : (K,) int64, the labels that compete
    special : int, the label of the background text, -1 for none
    rule : int, one of the constants of this module
    keep_special : bool, agreement on the background text counts
    zero_pairs : bool, products of two negative cosines count as zero
    first_if_none : bool, without a positive product the first label wins
    predicted : (S,) int32, written, -1 for background
    """
    p = np.empty(len(columns), np.float32)
    for v in range(len(first) - 1):
        category = -1
        for t in range(first[v], first[v + 1]):
            predicted[t] = -1
            if not present[v]:
                continue
            if rule >= SQRT:
                row = fused[t] if rule == FEA_AVG else audio[t]
                other = visual[t] if rule != FEA_AVG else fused[t]
                best = _normalised_best(row, other, row, columns, rule, zero_pairs, p)
                if best < 0 and first_if_none:
                    best = columns[0]
                predicted[t] = -1 if best == special else best
                continue
            best = _best(audio[t], columns)
            if best != _best(visual[t], columns) or (best == special and not keep_special):
                continue
            if category < 0 or rule == PER_SEGMENT:
                category = best
            predicted[t] = category
