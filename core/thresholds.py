"""Dynamic thresholds and the decisions they make, segment by segment (paper Eq. 6-8). Kernels only."""

from __future__ import annotations

import math

import numpy as np

from ._jit import inner
from .label_shift import pinv_ratio, ridge_ratio


@inner
def run_thresholds(scores, bad, n, segments, cosine, use_cosine, moving, prm, decays, s, tau_out, ratio_out, labels):  # type: ignore[no-untyped-def]
    """Fill ``s.fired`` (T, n) with the decisions of a track and ``s.active`` with the labels that fired, in order of
    their first segment; returns how many did.

    ``scores`` (T, n) float64, ``bad[t]`` marks rows of NaN, ``cosine[t]`` compares segments t and t + 1,
    ``decays[z]`` is exp(-decay z). ``tau_out``, ``ratio_out`` (T, C) take a trace, or are empty.
    """
    tau, count, fired, active, rows = s.tau, s.count, s.fired, s.active, s.rows
    for j in range(n):
        tau[j] = prm.tau0
        count[j] = 0
    num_active = 0
    num_rows = 0
    poisoned = False
    trace = tau_out.shape[0] > 0
    s.shift.done[:] = 0
    for t in range(segments):
        any_fired = False
        for j in range(n):
            hit = scores[t, j] > tau[j]
            fired[t, j] = hit
            if hit:
                any_fired = True
                if count[j] == 0:
                    active[num_active] = j
                    num_active += 1
                count[j] += 1
        if trace:
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
        if trace:
            for j in range(n):
                ratio_out[t, labels[j]] = 0.0
        if num_active == 0:
            continue
        if prm.pinv:
            pinv_ratio(
                scores, fired, n, t, active, num_active, rows, num_rows, prm.pinv_cutoff, s.shift, s.ratio
            )
        else:
            ridge_ratio(scores, fired, n, t, active, num_active, rows, num_rows, prm.ridge, s.shift, s.ratio)
        for a in range(num_active):
            j = active[a]
            ratio = s.ratio[a]
            if prm.times_score:
                ratio *= scores[t + 1, j]
            tau[j] -= prm.tau0 * decays[count[j]] * factor * ratio
            if trace:
                ratio_out[t, labels[j]] = ratio
    return num_active


@inner
def find_candidates(fired, segments, active, num_active, min_length, max_gap, s):  # type: ignore[no-untyped-def]
    """Runs of active segments as candidates in ``s.cand_*``: short runs dropped, then short gaps bridged.

    Labels in the order of their first active segment, a label's candidates by start (release order). Returns how
    many there are. Paper: the candidate definition below Eq. 8 (min_length 1, max_gap 0).
    """
    found = 0
    for a in range(num_active):
        j = active[a]
        first = found
        t = 0
        while t < segments:
            if not fired[t, j]:
                t += 1
                continue
            start = t
            while t < segments and fired[t, j]:
                t += 1
            if t - start < min_length:
                continue
            if found > first and start - s.cand_end[found - 1] <= max_gap:
                s.cand_end[found - 1] = t
            else:
                s.cand_label[found] = j
                s.cand_start[found] = start
                s.cand_end[found] = t
                found += 1
    return found
