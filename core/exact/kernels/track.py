"""One track of one video while its cells are found: decisions of a segment, ratios by the inverse. Kernels only."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ...kernels.jit import inlined, inner
from ...kernels.pseudo_inverse import pinv_ratio


class Track(NamedTuple):
    """Scores, thresholds and decisions of one track; T segments, n labels, segment t and position j at t * n + j."""

    scores: np.ndarray  # (T * n,) float64, P
    unit: np.ndarray  # (T * n,) float64, g: thresholds in units of tau0
    fired: np.ndarray  # (T * n,) uint8, decisions
    times: np.ndarray  # ((T + 1) * n,) int64, decisions before segment t
    flips: np.ndarray  # (T,) float64, the lowest tau0 at which a decision of the segment changes
    factor: np.ndarray  # (T,) float64, what cosine factor the step after a segment has
    decays: np.ndarray  # (T + 1,) float64, exp(-decay * z)
    ratio: np.ndarray  # (n,) float64, label-shift ratios
    lists: np.ndarray  # (2, max(T, n)) int64, segments with a decision; positions by first decision
    found: np.ndarray  # (3, most) int32, candidates: label, start, end


@inner
def new_track(segments, labels):
    """Working memory.

    segments : int, T of the longest video
    labels : int, C
    """
    size = segments * labels
    return Track(
        np.empty(size),
        np.empty(size),
        np.empty(size, np.uint8),
        np.zeros(size + labels, np.int64),
        np.empty(segments),
        np.empty(segments),
        np.empty(segments + 1),
        np.empty(labels),
        np.empty((2, max(segments, labels)), np.int64),
        np.empty((3, labels * ((segments + 2) // 2)), np.int32),
    )


@inlined
def decide(w, n, t, tau0, at_zero):
    """Decisions of segment t just above ``tau0`` (or at zero itself), and the lowest tau0 that changes one.

    Mirrors :func:`avreplay.core.exact.reference.last_tau0`.

    w : the track (:class:`Track`)
    n : int, k, how many labels are selected
    t : int, segment
    tau0 : float64
    at_zero : bool, whether tau0 is zero, and not just above
    """
    lowest = math.inf
    for j in range(t * n, t * n + n):
        score, g = w.scores[j], w.unit[j]
        if at_zero:
            hit = score > 0.0 and g == g
        else:
            last = score / g if g > 0.0 else (math.inf if score > g else -1.0)
            hit = last > tau0
            if hit and last < lowest:
                lowest = last
        w.fired[j] = hit
        w.times[j + n] = w.times[j] + hit
    w.flips[t] = lowest


@inlined
def inverse_ratio(w, n, t, cutoff, shift, pinv_work):
    """Moore-Penrose ratios of the step after segment t into ``w.ratio``, by the same steps as the replay's.

    Mirrors :func:`avreplay.core.reference.label_shift_ratio`.

    w : the track (:class:`Track`)
    n : int, k, how many labels are selected
    t : int, segment
    cutoff : float64, singular values up to this share of the largest count as zero
    shift : working memory (:class:`avreplay.core.kernels.label_shift.ShiftState`)
    pinv_work : (2, q, C) float64, working memory
    """
    rows, active = w.lists[0], w.lists[1]
    num_rows = num_active = 0
    for i in range(t + 1):
        any_fired = False
        for j in range(n):
            if w.fired[i * n + j]:
                any_fired = True
                if w.times[i * n + j] == 0:
                    active[num_active] = j
                    num_active += 1
        if any_fired:
            rows[num_rows] = i
            num_rows += 1
    for i in range(3):
        shift.done[i] = 0
    if num_active:
        pinv_ratio(w.scores, w.fired, n, t, active, num_active, rows, num_rows, cutoff, shift, pinv_work, w.ratio)
        # from positions among the active ones to positions of labels, by the part of `unit` that is written next
        for j in range(n):
            w.unit[(t + 1) * n + j] = 0.0
        for a in range(num_active):
            w.unit[(t + 1) * n + active[a]] = w.ratio[a]
        for j in range(n):
            w.ratio[j] = w.unit[(t + 1) * n + j]
