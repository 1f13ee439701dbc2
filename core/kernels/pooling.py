"""Scores of frames pooled to segments. Kernels only."""

from __future__ import annotations

import math

from .jit import inner, kernel

_MEAN, _MAX, _TOP, _NOISY_OR = range(4)


@inner
def _noisy_or(x, count):
    """The logit of 1 - (1 - p_1) ... (1 - p_F), where x are the logits of p.

    Mirrors :func:`avreplay.core.reference_pooling.pooled_row`.

    x : (F,) float64
    count : F
    """
    most = x[0]
    for f in range(1, count):
        most = max(most, x[f])
    if most < -30.0:
        total = 0.0
        for f in range(count):
            total += math.exp(x[f] - most)
        return most + math.log(total)
    q = 0.0
    for f in range(count):
        q += max(x[f], 0.0) + math.log1p(math.exp(-abs(x[f])))
    return q + math.log(-math.expm1(-q))


@inner
def _top(x, count, k):
    """The mean of the k largest, which are put first.

    Mirrors :func:`avreplay.core.reference_pooling.pooled_row`.

    x : (F,) float64, put into another order
    count : F
    k : 1 to F
    """
    total = 0.0
    for i in range(k):
        at = i
        for f in range(i + 1, count):
            if x[f] > x[at]:
                at = f
        x[i], x[at] = x[at], x[i]
        total += x[i]
    return total / k


@kernel
def pool_scores(frames, rule, k, probability, out, tmp):
    """The scores of segments from those of their frames.

    Mirrors :func:`avreplay.core.reference_pooling.pooled_row`.

    frames : (S, F, C) float32
    rule : index into :data:`avreplay.core.pooling.RULES`
    k : of the top ones, how many
    probability : whether scores are probabilities and not logits
    out : (S, C) float32, written
    tmp : (F,) float64, working memory
    """
    count = frames.shape[1]
    for s in range(frames.shape[0]):
        for c in range(frames.shape[2]):
            for f in range(count):
                tmp[f] = frames[s, f, c]
            if rule == _TOP:
                out[s, c] = _top(tmp, count, k)
            elif rule == _NOISY_OR and not probability:
                out[s, c] = _noisy_or(tmp, count)
            elif rule == _MAX:
                most = tmp[0]
                for f in range(1, count):
                    most = max(most, tmp[f])
                out[s, c] = most
            elif rule == _MEAN:
                total = 0.0
                for f in range(count):
                    total += tmp[f]
                out[s, c] = total / count
            else:
                lacking = 1.0
                for f in range(count):
                    lacking *= 1.0 - tmp[f]
                out[s, c] = 1.0 - lacking
