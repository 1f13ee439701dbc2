"""The label-shift ratio of a segment (paper Eq. 7; released code: a ridge solution).

With P_i the scores and y_i the decisions of the segments so far (N of them), M = (1/N) sum_i P_i y_i' has a zero
column for every label not active so far, whose ratio is therefore exactly zero. Only the a labels active so far
enter the linear system, or the r segments with a decision (push-through identity), whichever is fewer; both are kept
up to date from segment to segment, so a step costs O(C * min(a, r)) and a small solve.

Scores and decisions come flat: segment i, label position j at ``i * n + j``.

Kernels only; no LAPACK.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .jit import inlined, inner, spliced
from .orthogonal import dot


class ShiftState(NamedTuple):
    """Scratch of one track; q = min(T, C) + 1 bounds both forms of the system. Few arrays: each costs a call."""

    sums: np.ndarray  # (q, C), row a the sum of P_i over the segments in which active label a fired
    # 0: label form sums sums', segment form P P' of the rows with a decision; 1: segment form y y'; 2: the system
    square: np.ndarray  # (3, q, q)
    rhs: np.ndarray  # (max(q, C),)
    part: np.ndarray  # (q,) float64
    dirty: np.ndarray  # (C,) int64
    done: np.ndarray  # (3,) int64: rows in sums, labels in sums, rows in the segment form


GRAM, PAIRS, SYSTEM = 0, 1, 2


@inner
def new_shift_state(segments, labels):
    """Working memory of :func:`ridge_ratio` and :func:`pinv_ratio`.

    segments : int, T of the longest video
    labels : int, C
    """
    q = min(segments, labels) + 1
    return ShiftState(
        np.empty((q, labels)),
        np.empty((3, q, q)),
        np.empty(max(q, labels)),
        np.empty(q),
        np.zeros(labels, np.int64),
        np.zeros(3, np.int64),
    )


@spliced
def _row(flat, i, n):
    """Scores (k,) of one segment.

    flat : (T * k,) float64
    i : int, segment
    n : int, k, how many labels are selected
    """
    return flat[i * n : i * n + n]


@inlined
def _solve_symmetric(a, b, n):
    """Solve a positive definite system in place by Cholesky; the answer replaces ``b[:n]``.

    Mirrors :func:`avreplay.core.reference.label_shift_ratio`.

    a : (>= n, >= n) float64, overwritten
    b : (>= n,) float64, right side and answer
    n : int
    """
    for j in range(n):
        for k in range(j):
            a[j, j] -= a[j, k] * a[j, k]
        a[j, j] = math.sqrt(a[j, j])
        for i in range(j + 1, n):
            for k in range(j):
                a[i, j] -= a[i, k] * a[j, k]
            a[i, j] /= a[j, j]
    for i in range(n):
        for k in range(i):
            b[i] -= a[i, k] * b[k]
        b[i] /= a[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            b[i] -= a[k, i] * b[k]
        b[i] /= a[i, i]


@inlined
def _solve_general(a, b, n):
    """Solve in place by elimination with row pivoting; the answer replaces ``b[:n]``.

    Mirrors :func:`avreplay.core.reference.label_shift_ratio`.

    a : (>= n, >= n) float64, overwritten
    b : (>= n,) float64, right side and answer
    n : int
    """
    for j in range(n):
        p = j
        for i in range(j + 1, n):
            if abs(a[i, j]) > abs(a[p, j]):
                p = i
        if p != j:
            for k in range(j, n):
                a[j, k], a[p, k] = a[p, k], a[j, k]
            b[j], b[p] = b[p], b[j]
        for i in range(j + 1, n):
            f = a[i, j] / a[j, j]
            if f != 0.0:
                for k in range(j + 1, n):
                    a[i, k] -= f * a[j, k]
                b[i] -= f * b[j]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            b[i] -= a[i, k] * b[k]
        b[i] /= a[i, i]


@spliced
def _update_sums(scores, fired, n, active, num_active, rows, num_rows, st):
    """Bring ``st.sums``, the columns of M times the number of segments, up to the segments and labels of now.

    Mirrors :func:`avreplay.core.reference.confusion_matrix`.

    scores : (T * k,) float64, segment i and label position j at ``i * n + j``
    fired : (T * k,) uint8, decisions, likewise
    n : int, k, how many labels are selected
    active : (>= num_active,) int64, positions of the labels decided for so far
    num_active : int, how many these are
    rows : (>= num_rows,) int64, the segments with a decision so far
    num_rows : int, how many these are
    st : scratch of the track (:class:`ShiftState`)
    """
    for a in range(st.done[1], num_active):
        for j in range(n):
            st.sums[a, j] = 0.0
        st.dirty[a] = 1
    # a label that became active later did not fire in the rows already summed
    for r in range(st.done[0], num_rows):
        i = rows[r]
        for a in range(num_active):
            if fired[i * n + active[a]]:
                for j in range(n):
                    st.sums[a, j] += scores[i * n + j]
                st.dirty[a] = 1
    st.done[0] = num_rows
    st.done[1] = num_active


@inlined
def ridge_ratio(scores, fired, n, t, active, num_active, rows, num_rows, weight, st, out):
    """w = (M'M + weight I)^-1 M' P_{t+1} for the labels decided for so far.

    Mirrors :func:`avreplay.core.reference.label_shift_ratio`.

    scores : (T * k,) float64, segment i and label position j at ``i * n + j``
    fired : (T * k,) uint8, decisions, likewise
    n : int, k, how many labels are selected
    t : int, last segment so far
    active : (>= num_active,) int64, positions of the labels decided for so far
    num_active : int, how many these are
    rows : (>= num_rows,) int64, the segments with a decision so far
    num_rows : int, how many these are
    weight : float64, of the ridge
    st : scratch of the track (:class:`ShiftState`)
    out : (>= num_active,) float64, written
    """
    count = t + 1.0
    nxt = _row(scores, t + 1, n)
    if num_active <= num_rows:
        _update_sums(scores, fired, n, active, num_active, rows, num_rows, st)
        for a in range(num_active):
            if st.dirty[a]:
                for b in range(num_active):
                    st.square[GRAM, a, b] = dot(st.sums[a], st.sums[b], n)
                    st.square[GRAM, b, a] = st.square[GRAM, a, b]
        for a in range(num_active):
            st.dirty[a] = 0
            for b in range(a + 1):
                st.square[SYSTEM, a, b] = st.square[GRAM, a, b]
            # both sides times count^2: M = sums / count
            st.square[SYSTEM, a, a] += weight * (count * count)
            out[a] = dot(st.sums[a], nxt, n) * count
        _solve_symmetric(st.square[SYSTEM], out, num_active)
        # the Gram matrix shares its array with the segment form, which must then start anew
        st.done[2] = 0
        return
    for r in range(st.done[2], num_rows):
        for s in range(r + 1):
            st.square[GRAM, r, s] = dot(_row(scores, rows[r], n), _row(scores, rows[s], n), n)
            st.square[GRAM, s, r] = st.square[GRAM, r, s]
            common = 0.0
            for a in range(num_active):
                common += fired[rows[r] * n + active[a]] * fired[rows[s] * n + active[a]]
            st.square[PAIRS, r, s] = common
            st.square[PAIRS, s, r] = common
    st.done[2] = num_rows
    for a in range(st.done[1]):
        st.dirty[a] = 1
    for r in range(num_rows):
        line = st.square[SYSTEM, r]
        for s in range(num_rows):
            line[s] = 0.0
        for k in range(num_rows):
            shared = st.square[GRAM, r, k]
            pairs = st.square[PAIRS, k]
            for s in range(num_rows):
                line[s] += shared * pairs[s]
        line[r] += weight * (count * count)
        st.rhs[r] = dot(_row(scores, rows[r], n), nxt, n) * count
    _solve_general(st.square[SYSTEM], st.rhs, num_rows)
    for a in range(num_active):
        total = 0.0
        for r in range(num_rows):
            total += fired[rows[r] * n + active[a]] * st.rhs[r]
        out[a] = total
