"""Dynamic thresholds and the decisions they make, segment by segment (paper Eq. 6-8). Kernels only."""

from __future__ import annotations

import math

import numpy as np

from .jit import inlined, spliced
from .label_shift import pinv_ratio, ridge_ratio
from .scratch import ACTIVE, BAD, COUNT, RATIO, ROWS, TAU


@inlined
def run_thresholds(n, segments, cosine, use_cosine, moving, prm, s, wide, tau_out, ratio_out, labels):  # type: ignore[no-untyped-def]
    """Fill ``s.fired`` with the decisions of a track and ``s.whole[ACTIVE]`` with the labels that fired, in the
    order of their first segment; returns how many did.

    ``s.scores`` and ``s.fired`` hold segment t, label position j at ``t * n + j``; ``s.steps[BAD]`` marks segments
    of NaN; ``cosine[t]`` compares segments t and t + 1. ``tau_out``, ``ratio_out`` (T, C) take a trace, or are None;
    ``wide`` is memory for the inverse, None if no setting needs it: the compiler then leaves those branches out.
    """
    scores, fired, decays, bad = s.scores, s.fired, s.decays, s.steps[BAD]
    tau, ratios = s.real[TAU], s.real[RATIO]
    count, active, rows = s.whole[COUNT], s.whole[ACTIVE], s.steps[ROWS]
    for j in range(n):
        tau[j] = prm.tau0
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
            if prm.single:
                factor = np.float64(np.float32(factor))
            if prm.cosine_clip:
                factor = min(max(factor, 0.0), 1.0)
        if not prm.label_shift:
            for j in range(n):
                tau[j] -= prm.tau0 * decays[count[j]] * factor
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
        if wide is not None:  # noqa: SIM102 (the compiler leaves out a branch only on this test alone)
            if prm.pinv:
                pinv_ratio(
                    scores, fired, n, t, active, num_active, rows, num_rows, prm.pinv_cutoff, s.shift, wide, ratios
                )
        if not prm.pinv:
            ridge_ratio(scores, fired, n, t, active, num_active, rows, num_rows, prm.ridge, s.shift, ratios)
        for a in range(num_active):
            j = active[a]
            ratio = ratios[a]
            if prm.times_score:
                ratio *= scores[(t + 1) * n + j]
            tau[j] -= prm.tau0 * decays[count[j]] * factor * ratio
            if ratio_out is not None:
                ratio_out[t, labels[j]] = ratio
    return num_active


@spliced
def find_candidates(n, segments, num_active, min_length, max_gap, s):  # type: ignore[no-untyped-def]
    """Runs of active segments as candidates in ``s.cand``: short runs dropped, then short gaps bridged.

    Labels in the order of their first active segment, a label's candidates by start (release order). Returns how
    many there are. Paper: the candidate definition below Eq. 8 (min_length 1, max_gap 0).
    """
    fired, active = s.fired, s.whole[ACTIVE]
    found = 0
    for a in range(num_active):
        j = active[a]
        first = found
        t = 0
        while t < segments:
            if not fired[t * n + j]:
                t += 1
                continue
            start = t
            while t < segments and fired[t * n + j]:
                t += 1
            if t - start < min_length:
                continue
            if found > first and start - s.cand[2, found - 1] <= max_gap:
                s.cand[2, found - 1] = t
            else:
                s.cand[0, found] = j
                s.cand[1, found] = start
                s.cand[2, found] = t
                found += 1
    return found
