"""Scores from raw similarities: z-score over a label list, then sigmoid (paper Eq. 1, 2; release: z-score first).

Kernels only. ``labels[:n]`` are the labels wanted, ``norm_labels[:num_norm]`` (a superset) those the z-score is taken
over. Work is done in float64; with ``single`` each score is rounded to float32, where the released code has float32
throughout.
"""

from __future__ import annotations

import math

import numpy as np

from .jit import inlined, inner
from .sigmoid import sigmoid, sigmoid_single


@inner
def moments(raw, norm_labels, num_norm):
    """First entry of ``raw[norm_labels[:num_norm]]``, mean offset from it, and variance (divisor num_norm - 1).

    One pass over differences from the first entry: nothing cancels, and equal entries give exactly zero.

    Mirrors :func:`avreplay.core.reference.row_scores`.

    raw : (C,) float32, raw scores
    norm_labels : (>= num_norm,) int64, the labels that the z-score is taken over, the selected ones among them
    num_norm : int, how many these are
    """
    base = np.float64(raw[norm_labels[0]])
    s0 = s1 = s2 = s3 = 0.0
    q0 = q1 = q2 = q3 = 0.0
    fours = num_norm - num_norm % 4
    for i in range(0, fours, 4):
        d0 = raw[norm_labels[i]] - base
        d1 = raw[norm_labels[i + 1]] - base
        d2 = raw[norm_labels[i + 2]] - base
        d3 = raw[norm_labels[i + 3]] - base
        s0 += d0
        s1 += d1
        s2 += d2
        s3 += d3
        q0 += d0 * d0
        q1 += d1 * d1
        q2 += d2 * d2
        q3 += d3 * d3
    for i in range(fours, num_norm):
        d = raw[norm_labels[i]] - base
        s0 += d
        q0 += d * d
    s = (s0 + s1) + (s2 + s3)
    q = (q0 + q1) + (q2 + q3)
    return base, s / num_norm, max((q - s * (s / num_norm)) / (num_norm - 1), 0.0)


@inlined
def _single_moments(base, offset, variance, num_norm):
    """Mean and sd as the released code rounds them: float32 sum, float32 quotient, float32 root.

    Mirrors :func:`avreplay.core.reference.row_scores`.

    base : float64, first entry
    offset : float64, mean offset from it
    variance : float64
    num_norm : int, how many these are
    """
    mean = np.float32(np.float32(base * num_norm + offset * num_norm) / np.float32(num_norm))
    return mean, np.float32(math.sqrt(variance))


@inner
def z_row(raw, labels, n, norm_labels, num_norm, out, at, step, params):
    """What the sigmoid is taken of, for the selected labels of one raw row; False for a row without a z-score.

    Mirrors :func:`avreplay.core.reference.row_scores`.

    raw : (C,) float32, raw scores
    labels : (>= n,) int64, the selected labels
    n : int, k, how many labels are selected
    norm_labels : (>= num_norm,) int64, the labels that the z-score is taken over, the selected ones among them
    num_norm : int, how many these are
    out : float64, flat, written: label j at ``at + j * step``
    at : int, where the first label is written
    step : int, from one label to the next
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    """
    if params.norm == 3:
        for j in range(n):
            out[at + j * step] = raw[labels[j]]
        return True
    if params.norm == 2:
        for j in range(n):
            out[at + j * step] = params.scale * np.float64(raw[labels[j]]) + params.bias
        return True
    base, offset, variance = moments(raw, norm_labels, num_norm) if num_norm > 1 else (0.0, 0.0, 0.0)
    if variance == 0.0:
        for j in range(n):
            out[at + j * step] = 0.0
        return False
    if params.single:
        mean, sd = _single_moments(base, offset, variance, num_norm)
        for j in range(n):
            out[at + j * step] = np.float32(np.float32(raw[labels[j]] - mean) / sd)
    else:
        inverse = 1.0 / math.sqrt(variance)
        for j in range(n):
            out[at + j * step] = ((raw[labels[j]] - base) - offset) * inverse
    return True


@inner
def squash(z, n, params):
    """The sigmoid of ``z[:n]`` in place; probabilities stay as they are. One long loop beats many short ones.

    Mirrors :func:`avreplay.core.reference.row_scores`.

    z : (>= n,) float64, read and written
    n : int, how many numbers
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    """
    if params.norm == 3:
        return
    if params.single:
        for j in range(n):
            z[j] = sigmoid_single(z[j])
    else:
        for j in range(n):
            z[j] = sigmoid(z[j])


@inner
def mark_flat(out, at, step, n, num_norm, params):
    """Scores of a row without a z-score, 0.5 or NaN; returns True when they are NaN.

    Mirrors :func:`avreplay.core.reference.row_scores`.

    out : float64, flat, written: label j at ``at + j * step``
    at : int, where the first label is written
    step : int, from one label to the next
    n : int, k, how many labels are selected
    num_norm : int, how many these are
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    """
    half = params.flat_half and num_norm > 1
    for j in range(n):
        out[at + j * step] = 0.5 if half else math.nan
    return not half


@inner
def score_row(raw, labels, n, norm_labels, num_norm, out, params):
    """Scores of the selected labels from one raw row; returns True when they are NaN.

    Mirrors :func:`avreplay.core.reference.row_scores`.

    raw : (C,) float32, raw scores
    labels : (>= n,) int64, the selected labels
    n : int, k, how many labels are selected
    norm_labels : (>= num_norm,) int64, the labels that the z-score is taken over, the selected ones among them
    num_norm : int, how many these are
    out : (>= n,) float64, written
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    """
    if not z_row(raw, labels, n, norm_labels, num_norm, out, 0, 1, params):
        return mark_flat(out, 0, 1, n, num_norm, params)
    squash(out, n, params)
    return False


@inner
def score_rows(raw, labels, n, norm_labels, num_norm, out, tmp, params):
    """Mean over R rows of their scores (CLIP's 8 frames): normalised row by row, then averaged; returns True when
    they are NaN.

    Mirrors :func:`avreplay.core.reference.mean_scores`.

    raw : (R, C) float32, raw scores
    labels : (>= n,) int64, the selected labels
    n : int, k, how many labels are selected
    norm_labels : (>= num_norm,) int64, the labels that the z-score is taken over, the selected ones among them
    num_norm : int, how many these are
    out : (>= n,) float64, written
    tmp : (>= n,) float64, working memory
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    """
    rows = raw.shape[0]
    bad = score_row(raw[0], labels, n, norm_labels, num_norm, out, params)
    if rows == 1:
        return bad
    for r in range(1, rows):
        bad = score_row(raw[r], labels, n, norm_labels, num_norm, tmp, params) or bad
        for j in range(n):
            out[j] += tmp[j]
    for j in range(n):
        mean = out[j] / rows
        out[j] = np.float64(np.float32(mean)) if params.single else mean
    return bad


@inner
def remember_moments(raw, norm_labels, num_norm, params, kept):
    """What :func:`score_value` needs of a row with num_norm > 1: mean and sd, or base, offset and 1 / sd; kept[2] is 0
    where the row has no z-score.

    Mirrors :func:`avreplay.core.reference.row_scores`.

    raw : (C,) float32, raw scores
    norm_labels : (>= num_norm,) int64, the labels that the z-score is taken over, the selected ones among them
    num_norm : int, how many these are
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    kept : (3,) float64, written
    """
    base, offset, variance = moments(raw, norm_labels, num_norm)
    if params.single:
        mean, sd = _single_moments(base, offset, variance, num_norm)
        kept[0] = mean
        kept[1] = sd
        kept[2] = variance
    else:
        kept[0] = base
        kept[1] = offset
        kept[2] = 1.0 / math.sqrt(variance) if variance > 0.0 else 0.0


@inlined
def score_value(value, kept, num_norm, params):
    """One label's score from its raw value and :func:`remember_moments`; the same numbers as :func:`score_row`.

    Mirrors :func:`avreplay.core.reference.row_scores`.

    value : float32, raw score
    kept : (3,) float64
    num_norm : int, how many these are
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    """
    if params.norm == 3:
        return np.float64(value)
    if params.norm == 2:
        z = params.scale * np.float64(value) + params.bias
        return sigmoid_single(z) if params.single else sigmoid(z)
    if num_norm < 2 or kept[2] == 0.0:
        return 0.5 if params.flat_half and num_norm > 1 else math.nan
    if params.single:
        return sigmoid_single(np.float32(np.float32(value - np.float32(kept[0])) / np.float32(kept[1])))
    return sigmoid(((value - kept[0]) - kept[1]) * kept[2])
