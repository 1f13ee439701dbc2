"""Dynamic thresholds of every label, segment by segment (paper Eq. 6-8), for any method, labels and segments.

What :mod:`avreplay.core.kernels.firing_words` has no room for, and the methods that move every threshold. Kernels
only.
"""

from __future__ import annotations

import math

import numpy as np

from .jit import inlined, inner
from .label_shift import ridge_ratio
from .pseudo_inverse import pinv_ratio
from .scratch import ACTIVE, COUNT, RATIO, ROWS, TAU


@inlined
def _decayed(params, decays, z):
    """exp(-decay * z), looked up where it is kept.

    Mirrors :func:`avreplay.core.reference.threshold_step`.

    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    decays : float64, exp(-decay * z) of the first z
    z : int, decisions so far
    """
    return decays[z] if z < decays.shape[0] else math.exp(-params.decay * z)


@inner
def follow_every_label(
    scores, n, segments, lanes, last, cosine, use_cosine, params, decays, s, every, pinv_work, tau_out, ratio_out,
    labels,
):  # fmt: skip
    """Thresholds and decisions of a track, up to segment ``last``: fills ``s.fired``.

    Mirrors :func:`avreplay.core.reference.dynamic_thresholds`.

    scores : (>= n * lanes,) float64, in lanes
    n : int, k, how many labels are selected
    segments : int, T of the video
    lanes : int, T in lanes
    last : int, last segment before the thresholds get unknown by a row of NaN, or the last of all
    cosine : (T,) float64, compares the visual features of segments t and t + 1
    use_cosine : bool, whether the track uses it
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    decays : float64, exp(-decay * z) of the first z
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    every : working memory (:class:`avreplay.core.kernels.scratch.EveryScratch`)
    pinv_work : (2, q, C) float64, working memory of the inverse, or None where no setting needs it
    tau_out : (T, C) float64, takes the thresholds, or None
    ratio_out : (T, C) float64, takes the label-shift ratios, or None
    labels : (>= n,) int64, the selected labels
    """
    flat, fired, shift, words = every.scores, every.fired, every.shift, (segments + 63) // 64
    tau, ratios = s.floats[TAU], s.floats[RATIO]
    count, active, rows = s.ints[COUNT], s.ints[ACTIVE], s.steps[ROWS]
    for j in range(n):
        tau[j] = params.tau0
        count[j] = 0
        for t in range(segments):
            flat[t * n + j] = scores[j * lanes + t]
        for w in range(words):
            s.fired[j * words + w] = np.uint64(0)
    num_active = 0
    num_rows = 0
    for i in range(3):
        shift.done[i] = 0
    for t in range(last + 1):
        any_fired = False
        for j in range(n):
            hit = flat[t * n + j] > tau[j]
            fired[t * n + j] = hit
            if hit:
                any_fired = True
                s.fired[j * words + (t >> 6)] |= np.uint64(1) << np.uint64(t & 63)
                if count[j] == 0:
                    active[num_active] = j
                    num_active += 1
                count[j] += 1
        if tau_out is not None:
            for j in range(n):
                tau_out[t, labels[j]] = tau[j]
        if t == last:
            break
        factor = 1.0
        if use_cosine:
            factor = cosine[t]
            if params.single:
                factor = np.float64(np.float32(factor))
            if params.cosine_clip:
                factor = min(max(factor, 0.0), 1.0)
        if not params.label_shift:
            for j in range(n):
                tau[j] -= params.tau0 * _decayed(params, decays, count[j]) * factor
            continue
        if any_fired:
            rows[num_rows] = t
            num_rows += 1
        if ratio_out is not None:
            for j in range(n):
                ratio_out[t, labels[j]] = 0.0
        if num_active == 0:
            continue
        if pinv_work is not None:  # noqa: SIM102 (the compiler leaves out a branch only on this test alone)
            if params.pinv:
                cutoff = params.pinv_cutoff
                pinv_ratio(flat, fired, n, t, active, num_active, rows, num_rows, cutoff, shift, pinv_work, ratios)
        if not params.pinv:
            ridge_ratio(flat, fired, n, t, active, num_active, rows, num_rows, params.ridge, shift, ratios)
        for a in range(num_active):
            j = active[a]
            ratio = ratios[a]
            if params.times_score:
                ratio *= flat[(t + 1) * n + j]
            tau[j] -= params.tau0 * _decayed(params, decays, count[j]) * factor * ratio
            if ratio_out is not None:
                ratio_out[t, labels[j]] = ratio
