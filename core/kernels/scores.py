"""Scores from raw similarities: z-score over a label list, sigmoid, fusion (paper Eq. 1-4; release: z-score first).

Kernels only. ``labels[:n]`` are the labels wanted, ``over[:m]`` (a superset) those the z-score is taken over. Work is
done in float64; with ``single`` each score is rounded to float32, where the released code has float32 throughout.
"""

from __future__ import annotations

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .jit import inlined, inner, kernel

_LOG2E = 1.4426950408889634
_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
_ROUND = 6755399441055744.0  # 1.5 * 2^52: adding it leaves the nearest integer in the low bits


@intrinsic
def _bits(typingctx, x):  # type: ignore[no-untyped-def]
    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), codegen


@intrinsic
def _from_bits(typingctx, i):  # type: ignore[no-untyped-def]
    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), codegen


@inner
def _exp(x):  # type: ignore[no-untyped-def]
    """exp within 1 ulp; plain arithmetic, so that LLVM turns loops over it into vector code."""
    x = min(max(x, -708.0), 708.0)
    shifted = x * _LOG2E + _ROUND
    k = shifted - _ROUND
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    p = 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return p * _from_bits((_bits(shifted) - _bits(_ROUND) + 1023) << 52)  # type: ignore[call-arg]


@inner
def _sigmoid(z):  # type: ignore[no-untyped-def]
    return 1.0 / (1.0 + _exp(-z))


@inner
def _sigmoid_single(z):  # type: ignore[no-untyped-def]
    """The sigmoid rounded to float32, as a float64."""
    return np.float64(np.float32(1.0 / (1.0 + _exp(-np.float64(z)))))


@inner
def moments(raw, over, m):  # type: ignore[no-untyped-def]
    """First entry of ``raw[over[:m]]``, mean offset from it, and variance (divisor m - 1).

    One pass over differences from the first entry: nothing cancels, and equal entries give exactly zero.
    """
    base = np.float64(raw[over[0]])
    s0 = s1 = s2 = s3 = 0.0
    q0 = q1 = q2 = q3 = 0.0
    whole = m - m % 4
    for i in range(0, whole, 4):
        d0 = raw[over[i]] - base
        d1 = raw[over[i + 1]] - base
        d2 = raw[over[i + 2]] - base
        d3 = raw[over[i + 3]] - base
        s0 += d0
        s1 += d1
        s2 += d2
        s3 += d3
        q0 += d0 * d0
        q1 += d1 * d1
        q2 += d2 * d2
        q3 += d3 * d3
    for i in range(whole, m):
        d = raw[over[i]] - base
        s0 += d
        q0 += d * d
    s = (s0 + s1) + (s2 + s3)
    q = (q0 + q1) + (q2 + q3)
    return base, s / m, max((q - s * (s / m)) / (m - 1), 0.0)


@inlined
def _single_moments(base, offset, variance, m):  # type: ignore[no-untyped-def]
    """Mean and sd as the released code rounds them: float32 sum, float32 quotient, float32 root."""
    mean = np.float32(np.float32(base * m + offset * m) / np.float32(m))
    return mean, np.float32(math.sqrt(variance))


@inner
def z_row(raw, labels, n, over, m, out, prm):  # type: ignore[no-untyped-def]
    """What the sigmoid is taken of, for ``labels[:n]`` of one raw row; False for a row without a z-score."""
    if prm.norm == 3:
        for j in range(n):
            out[j] = raw[labels[j]]
        return True
    if prm.norm == 2:
        for j in range(n):
            out[j] = prm.scale * np.float64(raw[labels[j]]) + prm.bias
        return True
    base, offset, variance = moments(raw, over, m) if m > 1 else (0.0, 0.0, 0.0)
    if variance == 0.0:
        for j in range(n):
            out[j] = 0.0
        return False
    if prm.single:
        mean, sd = _single_moments(base, offset, variance, m)
        for j in range(n):
            out[j] = np.float32(np.float32(raw[labels[j]] - mean) / sd)
    else:
        inverse = 1.0 / math.sqrt(variance)
        for j in range(n):
            out[j] = ((raw[labels[j]] - base) - offset) * inverse
    return True


@inner
def squash(z, n, prm):  # type: ignore[no-untyped-def]
    """The sigmoid of ``z[:n]`` in place; probabilities stay as they are. One long loop beats many short ones."""
    if prm.norm == 3:
        return
    if prm.single:
        for j in range(n):
            z[j] = _sigmoid_single(z[j])
    else:
        for j in range(n):
            z[j] = _sigmoid(z[j])


@inner
def mark_flat(out, n, m, prm):  # type: ignore[no-untyped-def]
    """Scores of a row without a z-score, 0.5 or NaN; returns True when they are NaN."""
    half = prm.flat_half and m > 1
    for j in range(n):
        out[j] = 0.5 if half else math.nan
    return not half


@inner
def score_row(raw, labels, n, over, m, out, prm):  # type: ignore[no-untyped-def]
    """Scores of ``labels[:n]`` from one raw row into ``out[:n]``; returns True when they are NaN."""
    if not z_row(raw, labels, n, over, m, out, prm):
        return mark_flat(out, n, m, prm)
    squash(out, n, prm)
    return False


@inner
def score_rows(raw, labels, n, over, m, out, tmp, prm):  # type: ignore[no-untyped-def]
    """Mean over R rows of their scores (CLIP's 8 frames): normalised row by row, then averaged."""
    rows = raw.shape[0]
    bad = score_row(raw[0], labels, n, over, m, out, prm)
    if rows == 1:
        return bad
    for r in range(1, rows):
        bad = score_row(raw[r], labels, n, over, m, tmp, prm) or bad
        for j in range(n):
            out[j] += tmp[j]
    for j in range(n):
        mean = out[j] / rows
        out[j] = np.float64(np.float32(mean)) if prm.single else mean
    return bad


@inner
def remember_moments(raw, over, m, prm, kept):  # type: ignore[no-untyped-def]
    """What :func:`score_value` needs of a row with m > 1: mean and sd, or base, offset and 1 / sd; kept[2] is 0 where
    the row has no z-score."""
    base, offset, variance = moments(raw, over, m)
    if prm.single:
        mean, sd = _single_moments(base, offset, variance, m)
        kept[0] = mean
        kept[1] = sd
        kept[2] = variance
    else:
        kept[0] = base
        kept[1] = offset
        kept[2] = 1.0 / math.sqrt(variance) if variance > 0.0 else 0.0


@inlined
def score_value(value, kept, m, prm):  # type: ignore[no-untyped-def]
    """One label's score from its raw value and :func:`remember_moments`; the same numbers as :func:`score_row`."""
    if prm.norm == 3:
        return np.float64(value)
    if prm.norm == 2:
        z = prm.scale * np.float64(value) + prm.bias
        return _sigmoid_single(z) if prm.single else _sigmoid(z)
    if m < 2 or kept[2] == 0.0:
        return 0.5 if prm.flat_half and m > 1 else math.nan
    if prm.single:
        return _sigmoid_single(np.float32(np.float32(value - np.float32(kept[0])) / np.float32(kept[1])))
    return _sigmoid(((value - kept[0]) - kept[1]) * kept[2])


@inlined
def fuse(audio, visual, alpha, beta, single):  # type: ignore[no-untyped-def]
    """alpha * audio + beta * visual of one label, in float32 where the release is (Eq. 3, 4); ``beta`` is 1 - alpha.

    Numbers, not the record: in a loop that writes an array the compiler would read them anew at every step.
    """
    if single:
        return np.float64(np.float32(beta) * np.float32(visual) + np.float32(alpha) * np.float32(audio))
    return beta * visual + alpha * audio


@inner
def fuse_row(audio, visual, out, n, prm):  # type: ignore[no-untyped-def]
    """:func:`fuse` for ``n`` labels; ``out`` may be one of the inputs."""
    alpha, beta, single = prm.alpha, prm.beta, prm.single
    for j in range(n):
        out[j] = fuse(audio[j], visual[j], alpha, beta, single)


@kernel
def clip_scores(audio_clip, visual_clip, has_audio, has_visual, norms, out):  # type: ignore[no-untyped-def]
    """Clip scores over all labels, for each way of normalising: out (Q, N, 2, C) float64, audio then visual.

    They do not depend on alpha or on any threshold, so all settings of a sweep share them.
    """
    videos, num_labels = out.shape[1], out.shape[3]
    everything = np.empty(num_labels, np.int64)
    for c in range(num_labels):
        everything[c] = c
    tmp = np.empty(num_labels)
    for q in range(out.shape[0]):
        prm = norms[q]
        for v in range(videos):
            for c in range(num_labels):
                out[q, v, 0, c] = math.nan
                out[q, v, 1, c] = math.nan
            if has_audio[v] and audio_clip.shape[0]:
                score_row(audio_clip[v], everything, num_labels, everything, num_labels, out[q, v, 0], prm)
            if has_visual[v] and visual_clip.shape[0]:
                score_rows(visual_clip[v], everything, num_labels, everything, num_labels, out[q, v, 1], tmp, prm)
