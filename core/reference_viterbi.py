"""The two-state Viterbi decoder in plain NumPy, one video at a time.

Each label of a track is off or on in every segment. A segment that is on earns the log-odds of its probability, above
those of the threshold; each change of state costs. The path that earns most, less its costs, is the answer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .params.viterbi import ViterbiParams

Floats = NDArray[np.float64]

LEAST = 1e-6
"""Probabilities are kept this far from 0 and 1."""


def probabilities(x: NDArray[np.float32], kind: str, params: ViterbiParams) -> Floats:
    """P (T, C) of raw scores (T, C) of a modality; 0.5 where similarities are equal for all labels, the least for what
    is no number."""
    P = x.astype(np.float64)
    if kind != "probability":
        if params.score_norm == "sigmoid":
            z = params.sigmoid_scale * P + params.sigmoid_bias
        else:
            mean = np.array([sum(row.tolist()) / len(row) for row in P]).reshape(-1, 1)
            square = np.array([sum(((row - m) ** 2).tolist()) for row, m in zip(P, mean, strict=True)]).reshape(-1, 1)
            sd = np.sqrt(square / (P.shape[1] - 1))
            z = np.where(np.ptp(P, axis=1, keepdims=True) == 0, 0.0, (P - mean) / np.where(sd == 0, 1.0, sd))
        P = 1 / (1 + np.exp(-np.clip(z, -700, 700)))
    kept: Floats = np.clip(np.where(np.isnan(P), 0.0, P), LEAST, 1 - LEAST)
    return kept


def fused(P_a: Floats, P_v: Floats, params: ViterbiParams) -> Floats:
    """Audio-visual probabilities (T, C)."""
    if params.fusion == "min":
        return np.minimum(P_a, P_v)
    return params.alpha * P_a + (1 - params.alpha) * P_v


def gains(P: Floats, params: ViterbiParams) -> Floats:
    """What a segment earns by being on (T, C): its log-odds above those of the threshold, times the slope."""
    neutral = np.log(params.threshold / (1 - params.threshold))
    found: Floats = params.slope * (np.log(P / (1 - P)) - neutral)
    return found


def best_path(gain: Floats, params: ViterbiParams) -> NDArray[np.bool_]:
    """Which segments (T,) of one label are on. The first may be either at no cost; of equally good paths the one that
    is off at the end, and that changes later, is taken."""
    T = len(gain)
    path = np.zeros(T, np.bool_)
    if T == 0:
        return path
    off, on = 0.0, float(gain[0])
    came_from_on, came_from_off = np.zeros(T, np.bool_), np.zeros(T, np.bool_)
    for t in range(1, T):
        came_from_on[t], came_from_off[t] = on - params.leave > off, off - params.enter > on
        off, on = max(off, on - params.leave), max(on, off - params.enter) + float(gain[t])
    path[T - 1] = on > off
    for t in range(T - 1, 0, -1):
        path[t - 1] = not came_from_off[t] if path[t] else came_from_on[t]
    return path


def paths(P: Floats, params: ViterbiParams) -> NDArray[np.bool_]:
    """:func:`best_path` of every label (T, C)."""
    gain = gains(P, params)
    return np.stack([best_path(gain[:, c], params) for c in range(P.shape[1])], axis=1)
