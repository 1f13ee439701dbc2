"""Scores of a track in lanes: segment t of label position j stands at ``j * lanes + t``. Kernels only.

``lanes`` is the number of segments rounded up to whole groups of 16, so that loops over segments are vector code
without a remainder. The lanes beyond the last segment hold NaN, which no comparison passes. Sums over labels run in
label order in every lane: one order of summation, whatever the machine's vectors are.
"""

from __future__ import annotations

import math

import numpy as np

from .jit import inlined, inner
from .vectors import LANES, add_combination, add_squares, bits_above, fill


@inlined
def lanes_of(segments):
    """Segments rounded up to whole groups of lanes.

    segments : int, T
    """
    return (segments + LANES - 1) // LANES * LANES


@inner
def close_lanes(scores, n, segments, lanes):
    """Write NaN beyond the last segment.

    scores : (>= n * lanes,) float64, in lanes, written
    n : int, k, how many labels are selected
    segments : int, T
    lanes : int, T in lanes
    """
    for j in range(n):
        for t in range(segments, lanes):
            scores[j * lanes + t] = math.nan


@inlined
def word_above(scores, at, count, threshold):
    """In which of up to 64 lanes a score is above a threshold, as bits.

    Mirrors the comparison (Eq. 6) in :func:`avreplay.core.reference.dynamic_thresholds`.

    scores : float64, flat
    at : int, the first of the lanes
    count : int, how many lanes, a multiple of 16
    threshold : float64
    """
    word = np.uint64(0)
    for t in range(0, count, LANES):
        word |= bits_above(scores, at + t, threshold) << np.uint64(t)
    return word


@inlined
def gram_row(scores, n, lanes, t, out):
    """Inner products P_t . P_u of the scores of segment t with those of every segment u.

    Mirrors the product M'M in :func:`avreplay.core.reference.label_shift_ratio`.

    scores : (>= n * lanes,) float64, in lanes
    n : int, k, how many labels are selected
    lanes : int, T in lanes
    t : int, segment
    out : (>= lanes,) float64, written
    """
    for u in range(0, lanes, LANES):
        fill(out, u, 0.0)
        add_combination(out, u, n, scores, t, lanes, scores, u, lanes)


@inlined
def squared_norms(scores, n, lanes, out):
    """P_u . P_u of every segment u.

    Mirrors the product M'M in :func:`avreplay.core.reference.label_shift_ratio`.

    scores : (>= n * lanes,) float64, in lanes
    n : int, k, how many labels are selected
    lanes : int, T in lanes
    out : (>= lanes,) float64, written
    """
    for u in range(0, lanes, LANES):
        fill(out, u, 0.0)
        add_squares(out, u, n, scores, u, lanes)
