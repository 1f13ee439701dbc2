"""OV-AVEL's rules: the label of every segment from audio and visual scores. Kernels only."""

from __future__ import annotations

import numpy as np

from .jit import inner, kernel

FIRST_AGREEMENT, PER_SEGMENT, SQRT, PROB_AVG, FEA_AVG = 0, 1, 2, 3, 4


@inner
def _best(row, columns):  # type: ignore[no-untyped-def]
    """The column with the highest score; the first of equals."""
    best = columns[0]
    for c in columns:
        if row[c] > row[best]:
            best = c
    return best


@inner
def _normalised_best(audio, visual, fused, columns, rule, zero_pairs, p):  # type: ignore[no-untyped-def]
    """The column with the highest min-max normalised fused score, in float32 as released, -1 where no product is
    positive. Normalising can make equals of scores that differ in the last bit, hence it is not left out."""
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
def decode_block(  # type: ignore[no-untyped-def]
    first, audio, visual, fused, there, columns, special, rule, keep_special, zero_pairs, first_if_none, said
):
    """said (S,) int32: the label of each segment, -1 for background; ``special`` is the column of the background text.

    ``there`` (N,): whether the video has both streams; without one nothing agrees."""
    p = np.empty(len(columns), np.float32)
    for v in range(len(first) - 1):
        category = -1
        for t in range(first[v], first[v + 1]):
            said[t] = -1
            if not there[v]:
                continue
            if rule >= SQRT:
                row = fused[t] if rule == FEA_AVG else audio[t]
                other = visual[t] if rule != FEA_AVG else fused[t]
                best = _normalised_best(row, other, row, columns, rule, zero_pairs, p)
                if best < 0 and first_if_none:
                    best = columns[0]
                said[t] = -1 if best == special else best
                continue
            best = _best(audio[t], columns)
            if best != _best(visual[t], columns) or (best == special and not keep_special):
                continue
            if category < 0 or rule == PER_SEGMENT:
                category = best
            said[t] = category
