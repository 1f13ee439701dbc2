"""Dynamic thresholds and the decisions they make, segment by segment (paper Eq. 6-8). Kernels only."""

from __future__ import annotations

import math

import numpy as np

from .jit import inlined
from .label_shift import pinv_ratio, ridge_ratio
from .scratch import ACTIVE, BAD, COUNT, RATIO, ROWS, TAU


@inlined
def run_thresholds(n, segments, cosine, use_cosine, moving, params, s, pinv_work, tau_out, ratio_out, labels):
    """Thresholds and decisions of a track, segment by segment (Eq. 6-8): fills ``s.fired``, and ``s.ints[ACTIVE]`` with
    the labels decided for, in the order of their first segment; returns how many these are.

    Reads ``s.scores`` (segment t, label position j at ``t * n + j``) and ``s.steps[BAD]``, the segments of NaN. The
    compiler leaves out the branches of an argument that is None.

    Mirrors :func:`avreplay.core.reference.dynamic_thresholds`.

    n : int, k, how many labels are selected
    segments : int, T of the video
    cosine : (T,) float64, compares the visual features of segments t and t + 1
    use_cosine : bool, whether the track uses it
    moving : bool, whether thresholds move
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    pinv_work : (2, q, C) float64, working memory of the inverse, or None where no setting needs it
    tau_out : (T, C) float64, takes the thresholds, or None
    ratio_out : (T, C) float64, takes the label-shift ratios, or None
    labels : (>= n,) int64, the selected labels
    """
    scores, fired, decays, bad = s.scores, s.fired, s.decays, s.steps[BAD]
    tau, ratios = s.floats[TAU], s.floats[RATIO]
    count, active, rows = s.ints[COUNT], s.ints[ACTIVE], s.steps[ROWS]
    for j in range(n):
        tau[j] = params.tau0
        count[j] = 0
    num_active = 0
    num_rows = 0
    poisoned = False
    for i in range(3):
        s.shift.done[i] = 0
    for t in range(segments):
        any_fired = False
        for j in range(n):
            hit = scores[t * n + j] > tau[j]
            fired[t * n + j] = hit
            if hit:
                any_fired = True
                if count[j] == 0:
                    active[num_active] = j
                    num_active += 1
                count[j] += 1
        if tau_out is not None:
            for j in range(n):
                tau_out[t, labels[j]] = tau[j]
        if t + 1 == segments:
            break
        if not moving:
            continue
        factor = 1.0
        if use_cosine:
            factor = cosine[t]
            if params.single:
                factor = np.float64(np.float32(factor))
            if params.cosine_clip:
                factor = min(max(factor, 0.0), 1.0)
        if not params.label_shift:
            for j in range(n):
                tau[j] -= params.tau0 * decays[count[j]] * factor
            continue
        if any_fired:
            rows[num_rows] = t
            num_rows += 1
        poisoned = poisoned or bad[t] or bad[t + 1]
        if poisoned:
            # a row of NaN spreads through M to every ratio, and from there to every later threshold
            for j in range(n):
                tau[j] = math.nan
            continue
        if ratio_out is not None:
            for j in range(n):
                ratio_out[t, labels[j]] = 0.0
        if num_active == 0:
            continue
        if pinv_work is not None:  # noqa: SIM102 (the compiler leaves out a branch only on this test alone)
            if params.pinv:
                cutoff = params.pinv_cutoff
                pinv_ratio(scores, fired, n, t, active, num_active, rows, num_rows, cutoff, s.shift, pinv_work, ratios)
        if not params.pinv:
            ridge_ratio(scores, fired, n, t, active, num_active, rows, num_rows, params.ridge, s.shift, ratios)
        for a in range(num_active):
            j = active[a]
            ratio = ratios[a]
            if params.times_score:
                ratio *= scores[(t + 1) * n + j]
            tau[j] -= params.tau0 * decays[count[j]] * factor * ratio
            if ratio_out is not None:
                ratio_out[t, labels[j]] = ratio
    return num_active
