"""The label-shift ratio of classes of labels that fired in the same segments (paper Eq. 7). Kernels only; no LAPACK.

With S_q the sum of P_i over the segments in which class q fired, K_q its labels and N segments, the labels of a class
share one ratio: (K S'S K + weight N^2 K) w = N K S' P_{t+1}. :mod:`avreplay.core.kernels.firing_classes` keeps S'S and
S'P up to date.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .jit import inner, spliced
from .orthogonal import pinv_of_rows

MOST = 32
"""Live labels, and so classes, that fit."""

SEGMENTS = 64
"""Segments that fit: decisions of a label are one word."""

FIRES, SIZE, HITS, HEIR = 0, 1, 2, 3
CLASS, COUNT, FIRST = 0, 1, 2
WEIGHT, RIGHT, TAU, GRAM_ROW, MOVED = 0, 1, 2, 3, 4


class ClassState(NamedTuple):
    """Scratch of one track; d classes, in the order in which they came up."""

    products: np.ndarray  # (MOST, SEGMENTS): S_q . P_u of every segment u
    gram: np.ndarray  # (MOST, MOST): S_p . S_q
    system: np.ndarray  # (MOST, MOST)
    of_class: np.ndarray  # (4, MOST) int64: fires now, how many labels, how many of them fire now, where these go
    of_label: np.ndarray  # (3, MOST) int64, by live label: its class or -1, decisions so far, first segment
    numbers: np.ndarray  # (5, SEGMENTS) float64: w, right side, tau by live label, inner products, movement
    rows: np.ndarray  # (2, MOST, C) float64: S_q, for the inverse of a singular matrix


def new_class_state(labels: int) -> ClassState:
    """Working memory of :func:`avreplay.core.kernels.firing_classes.class_thresholds`; labels : C."""
    return ClassState(
        np.empty((MOST, SEGMENTS)),
        np.empty((MOST, MOST)),
        np.empty((MOST, MOST)),
        np.empty((4, MOST), np.int64),
        np.empty((3, MOST), np.int64),
        np.empty((5, SEGMENTS)),
        np.empty((2, MOST, labels)),
    )


@inner
def _factor(a, d):
    """The factors L D L' of a symmetric matrix, in place: D on the diagonal, L below; False where a pivot is not above
    zero.

    Mirrors the solution in :func:`avreplay.core.reference.label_shift_ratio`.

    a : (>= d, >= d) float64, its lower triangle is read and overwritten
    d : int
    """
    for j in range(d):
        pivot = a[j, j]
        for k in range(j):
            pivot -= a[j, k] * a[j, k] * a[k, k]
        if not pivot > 0.0:
            return False
        a[j, j] = pivot
        for i in range(j + 1, d):
            x = a[i, j]
            for k in range(j):
                x -= a[i, k] * a[j, k] * a[k, k]
            a[i, j] = x / pivot
    return True


@inner
def _solve(a, b, d):
    """Solve with the factors of :func:`_factor`; the answer replaces ``b[:d]``.

    Mirrors the solution in :func:`avreplay.core.reference.label_shift_ratio`.

    a : (>= d, >= d) float64, the factors
    b : (>= d,) float64, right side and answer
    d : int
    """
    for i in range(d):
        for k in range(i):
            b[i] -= a[i, k] * b[k]
    for i in range(d):
        b[i] /= a[i, i]
    for i in range(d - 1, -1, -1):
        for k in range(i + 1, d):
            b[i] -= a[k, i] * b[k]


@spliced
def ridge_weights(st, d, t, weight, out):
    """The ratio of each class, (M'M + weight I)^-1 M' P_{t+1}.

    Mirrors :func:`avreplay.core.reference.label_shift_ratio`.

    st : scratch of the track (:class:`ClassState`)
    d : int, classes
    t : int, last segment so far
    weight : float64, of the ridge
    out : (>= d,) float64, written
    """
    count = t + 1.0
    size = st.of_class[SIZE]
    ridge = weight * (count * count)
    if d == 1:
        out[0] = count * st.products[0, t + 1] / (size[0] * st.gram[0, 0] + ridge)
        return
    for p in range(d):
        for q in range(p + 1):
            st.system[p, q] = size[p] * size[q] * st.gram[p, q]
        st.system[p, p] += ridge * size[p]
        out[p] = count * size[p] * st.products[p, t + 1]
    _factor(st.system, d)
    _solve(st.system, out, d)


@inner
def pinv_weights(st, scores, n, lanes, live, num_live, fired, d, t, cutoff, out):
    """The ratio of each class, M^+ P_{t+1} (Moore-Penrose).

    With K_q labels in class q, M has the singular values of the matrix of columns sqrt(K_q) S_q / N. Where that is
    surely of full rank and well conditioned, by the trace of its inverse, the normal equations give w; else the
    orthogonalisation of :mod:`avreplay.core.kernels.orthogonal` does.

    Mirrors :func:`avreplay.core.reference.label_shift_ratio`.

    st : scratch of the track (:class:`ClassState`)
    scores : (>= n * lanes,) float64, in lanes
    n : int, k, how many labels are selected
    lanes : int, T in lanes
    live : (>= num_live,) int64, positions of the live labels
    num_live : int, how many these are
    fired : (>= n,) uint64, decisions of each label position
    d : int, classes
    t : int, last segment so far
    cutoff : float64, singular values up to this share of the largest count as zero
    out : (>= d,) float64, written
    """
    count = t + 1.0
    a, size = st.system, st.of_class[SIZE]
    trace = 0.0
    for p in range(d):
        for q in range(p + 1):
            a[p, q] = math.sqrt(np.float64(size[p] * size[q])) * st.gram[p, q]
        trace += a[p, p]
        out[p] = count * math.sqrt(np.float64(size[p])) * st.products[p, t + 1]
    limit = max(1.01 * cutoff * cutoff, 1e-6)
    if _factor(a, d):
        # the squares of the entries of L^-1, weighted by 1 / D, add up to the trace of the inverse
        inverse = 0.0
        column = st.numbers[RIGHT]
        for j in range(d):
            for i in range(j, d):
                x = 1.0 if i == j else 0.0
                for k in range(j, i):
                    x -= a[i, k] * column[k]
                column[i] = x
                inverse += x * x / a[i, i]
        if limit * trace * inverse < 1.0:
            _solve(a, out, d)
            for p in range(d):
                out[p] /= math.sqrt(np.float64(size[p]))
            return
    x = st.rows[0]
    for p in range(d):
        for j in range(n):
            x[p, j] = 0.0
    done = np.uint64(0)
    for i in range(num_live):
        p = st.of_label[CLASS, i]
        if p < 0 or (done >> np.uint64(p)) & np.uint64(1):
            continue
        done |= np.uint64(1) << np.uint64(p)
        root = math.sqrt(np.float64(size[p]))
        for u in range(t + 1):
            if (fired[live[i]] >> np.uint64(u)) & np.uint64(1):
                for j in range(n):
                    x[p, j] += root * scores[j * lanes + u]
    for j in range(n):
        st.rows[1, 0, j] = scores[j * lanes + t + 1]
    pinv_of_rows(x, d, n, st.rows[1, 0], count, cutoff, a, st.numbers[RIGHT], out)
    for p in range(d):
        out[p] /= math.sqrt(np.float64(size[p]))
