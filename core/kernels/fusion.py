"""Fusion of audio and visual scores (paper Eq. 3, 4). Kernels only."""

from __future__ import annotations

import numpy as np

from .jit import inlined


@inlined
def fuse(audio, visual, alpha, beta, single):
    """alpha * audio + beta * visual of one label, in float32 where the release is (Eq. 3, 4).

    Numbers, not the record: in a loop that writes an array the compiler would read them anew at every step.

    Mirrors :func:`avreplay.core.reference.fuse`.

    audio : float64, score
    visual : float64, score
    alpha : float64, weight of audio
    beta : float64, 1 - alpha
    single : int, whether in float32
    """
    if single:
        return np.float64(np.float32(beta) * np.float32(visual) + np.float32(alpha) * np.float32(audio))
    return beta * visual + alpha * audio


@inlined
def fuse_segments(audio, visual, out, count, params):
    """Audio-visual scores of all segments of a setting (Eq. 4).

    Mirrors :func:`avreplay.core.reference.fuse`.

    audio : (>= count,) float64, in lanes
    visual : (>= count,) float64, in lanes
    out : (>= count,) float64, written
    count : int, k times the lanes
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    """
    alpha, beta = params.alpha, params.beta
    if params.single:
        for i in range(count):
            out[i] = fuse(audio[i], visual[i], alpha, beta, True)
    else:
        for i in range(count):
            out[i] = fuse(audio[i], visual[i], alpha, beta, False)
