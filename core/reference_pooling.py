"""Scores of frames pooled to segments, in plain Python: what to read beside :mod:`.pooling`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .pooling import Pool


def pooled_row(frames: Sequence[float], pool: Pool, probability: bool = False) -> float:
    """What the frames of one segment and label become, in plain Python; in float64.

    ``probability`` : the scores are probabilities and not similarities
    """
    x = [float(value) for value in frames]
    if pool.rule == "max":
        return max(x)
    if pool.rule == "topk":
        return math.fsum(sorted(x, reverse=True)[: pool.k]) / pool.k
    if pool.rule == "mean":
        return math.fsum(x) / len(x)
    if probability:
        return 1.0 - math.prod(1.0 - value for value in x)
    if max(x) < -30:  # probabilities so small that they add up
        return max(x) + math.log(math.fsum(math.exp(value - max(x)) for value in x))
    # -log of the product of 1 - p; the logit of 1 - exp(-q) is log(exp(q) - 1)
    q = math.fsum(max(value, 0.0) + math.log1p(math.exp(-abs(value))) for value in x)
    return q + math.log(-math.expm1(-q))
