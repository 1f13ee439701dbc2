"""The label-shift ratio of a segment (paper Eq. 7; released code: a ridge solution).

With P_i the scores and y_i the decisions of the segments so far (N of them), M = (1/N) sum_i P_i y_i' has a zero
column for every label not active so far, whose ratio is therefore exactly zero. Only the a labels active so far
enter the linear system, or the m segments with a decision (push-through identity), whichever is fewer; both are
kept up to date from segment to segment, so a step costs O(C * min(a, m)) and a small solve.

Scores and decisions come flat: segment i, label position j at ``i * n + j``.

Kernels only; no LAPACK.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .jit import inlined, inner, spliced


class ShiftState(NamedTuple):
    """Scratch of one track; q = min(T, C) + 1 bounds both forms of the system. Few arrays: each costs a call."""

    sums: np.ndarray  # (q, C), row a the sum of P_i over the segments in which active label a fired
    # 0: label form sums sums', segment form P P' of the rows with a decision; 1: segment form y y'; 2: the system
    square: np.ndarray  # (3, q, q)
    rhs: np.ndarray  # (max(q, C),)
    dirty: np.ndarray  # (C,) int64
    done: np.ndarray  # (3,) int64: rows in sums, labels in sums, rows in the segment form


GRAM, PAIRS, SYSTEM = 0, 1, 2


@inner
def new_shift_state(segments, labels):  # type: ignore[no-untyped-def]
    q = min(segments, labels) + 1
    return ShiftState(
        np.empty((q, labels)),
        np.empty((3, q, q)),
        np.empty(max(q, labels)),
        np.zeros(labels, np.int64),
        np.zeros(3, np.int64),
    )


@inlined
def _row(flat, i, n):  # type: ignore[no-untyped-def]
    return flat[i * n : i * n + n]


@inlined
def _dot(x, y, n):  # type: ignore[no-untyped-def]
    a0 = a1 = a2 = a3 = 0.0
    whole = n - n % 4
    for i in range(0, whole, 4):
        a0 += x[i] * y[i]
        a1 += x[i + 1] * y[i + 1]
        a2 += x[i + 2] * y[i + 2]
        a3 += x[i + 3] * y[i + 3]
    for i in range(whole, n):
        a0 += x[i] * y[i]
    return (a0 + a1) + (a2 + a3)


@inlined
def _solve_symmetric(a, b, n):  # type: ignore[no-untyped-def]
    """Solve a positive definite system in place by Cholesky; the answer replaces ``b[:n]``."""
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
def _solve_general(a, b, n):  # type: ignore[no-untyped-def]
    """Solve in place by elimination with row pivoting; the answer replaces ``b[:n]``."""
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
def _update_sums(scores, fired, n, active, num_active, rows, m, st):  # type: ignore[no-untyped-def]
    """Bring ``sums`` and their Gram matrix up to the segments ``rows[:m]`` and the labels ``active``."""
    for a in range(st.done[1], num_active):
        for j in range(n):
            st.sums[a, j] = 0.0
        st.dirty[a] = 1
    # a label that became active later did not fire in the rows already summed
    for r in range(st.done[0], m):
        i = rows[r]
        for a in range(num_active):
            if fired[i * n + active[a]]:
                for j in range(n):
                    st.sums[a, j] += scores[i * n + j]
                st.dirty[a] = 1
    st.done[0] = m
    st.done[1] = num_active


@inlined
def ridge_ratio(scores, fired, n, t, active, num_active, rows, m, weight, st, out):  # type: ignore[no-untyped-def]
    """w = (M'M + weight I)^-1 M' P_{t+1} for the labels ``active[:num_active]``, into ``out``."""
    count = t + 1.0
    nxt = _row(scores, t + 1, n)
    if num_active <= m:
        _update_sums(scores, fired, n, active, num_active, rows, m, st)
        for a in range(num_active):
            if st.dirty[a]:
                for b in range(num_active):
                    st.square[GRAM, a, b] = _dot(st.sums[a], st.sums[b], n)
                    st.square[GRAM, b, a] = st.square[GRAM, a, b]
        for a in range(num_active):
            st.dirty[a] = 0
            for b in range(a + 1):
                st.square[SYSTEM, a, b] = st.square[GRAM, a, b]
            # both sides times count^2: M = sums / count
            st.square[SYSTEM, a, a] += weight * (count * count)
            out[a] = _dot(st.sums[a], nxt, n) * count
        _solve_symmetric(st.square[SYSTEM], out, num_active)
        # the Gram matrix shares its array with the segment form, which must then start anew
        st.done[2] = 0
        return
    for r in range(st.done[2], m):
        for s in range(r + 1):
            st.square[GRAM, r, s] = _dot(_row(scores, rows[r], n), _row(scores, rows[s], n), n)
            st.square[GRAM, s, r] = st.square[GRAM, r, s]
            common = 0.0
            for a in range(num_active):
                common += fired[rows[r] * n + active[a]] * fired[rows[s] * n + active[a]]
            st.square[PAIRS, r, s] = common
            st.square[PAIRS, s, r] = common
    st.done[2] = m
    for a in range(st.done[1]):
        st.dirty[a] = 1
    for r in range(m):
        line = st.square[SYSTEM, r]
        for s in range(m):
            line[s] = 0.0
        for k in range(m):
            shared = st.square[GRAM, r, k]
            pairs = st.square[PAIRS, k]
            for s in range(m):
                line[s] += shared * pairs[s]
        line[r] += weight * (count * count)
        st.rhs[r] = _dot(_row(scores, rows[r], n), nxt, n) * count
    _solve_general(st.square[SYSTEM], st.rhs, m)
    for a in range(num_active):
        total = 0.0
        for r in range(m):
            total += fired[rows[r] * n + active[a]] * st.rhs[r]
        out[a] = total


@inner
def _orthogonal_rows(x, turns, rows, n):  # type: ignore[no-untyped-def]
    """One-sided Jacobi: turn the rows of ``x`` until they are orthogonal; ``turns`` @ (new x) is the old x."""
    for a in range(rows):
        for b in range(rows):
            turns[a, b] = 1.0 if a == b else 0.0
    near = 1e-29 * max(n, 10)
    for _ in range(60):
        moved = False
        for a in range(rows - 1):
            for b in range(a + 1, rows):
                aa = _dot(x[a], x[a], n)
                bb = _dot(x[b], x[b], n)
                ab = _dot(x[a], x[b], n)
                # a row that is rounding noise beside the other one never gets orthogonal, and counts as zero
                if ab * ab <= near * aa * bb or min(aa, bb) <= 1e-30 * max(aa, bb):
                    continue
                moved = True
                zeta = (bb - aa) / (2.0 * ab)
                tangent = math.copysign(1.0, zeta) / (abs(zeta) + math.sqrt(1.0 + zeta * zeta))
                c = 1.0 / math.sqrt(1.0 + tangent * tangent)
                s = c * tangent
                for j in range(n):
                    p, q = x[a, j], x[b, j]
                    x[a, j] = c * p - s * q
                    x[b, j] = s * p + c * q
                for j in range(rows):
                    p, q = turns[j, a], turns[j, b]
                    turns[j, a] = c * p - s * q
                    turns[j, b] = s * p + c * q
        if not moved:
            break


@inner
def pinv_ratio(scores, fired, n, t, active, num_active, rows, m, cutoff, st, wide, out):  # type: ignore[no-untyped-def]
    """w = M^+ P_{t+1} (Eq. 7, Moore-Penrose) for the labels ``active[:num_active]``, into ``out``.

    M' is written as (orthonormal columns) x, x with few rows; the rows of x are then made orthogonal. Singular
    values up to ``cutoff`` times the largest count as zero. ``wide`` (2, q, C) is working memory.
    """
    count = t + 1.0
    nxt = _row(scores, t + 1, n)
    x = wide[0]
    direct = num_active <= m
    if direct:
        _update_sums(scores, fired, n, active, num_active, rows, m, st)
        k = num_active
        for a in range(k):
            for j in range(n):
                x[a, j] = st.sums[a, j]
    else:
        # Gram-Schmidt, twice for orthogonality, over the decisions of each segment; repeated ones add no row
        k = 0
        for r in range(m):
            q = wide[1, k]
            norm = 0.0
            for a in range(num_active):
                q[a] = np.float64(fired[rows[r] * n + active[a]])
                norm += q[a] * q[a]
            for _ in range(2):
                for b in range(k):
                    f = _dot(q, wide[1, b], num_active)
                    for a in range(num_active):
                        q[a] -= f * wide[1, b, a]
            left = _dot(q, q, num_active)
            if left > 1e-18 * norm:
                scale = 1.0 / math.sqrt(left)
                for a in range(num_active):
                    q[a] *= scale
                k += 1
        for b in range(k):
            for j in range(n):
                x[b, j] = 0.0
            for r in range(m):
                f = 0.0
                for a in range(num_active):
                    f += wide[1, b, a] * fired[rows[r] * n + active[a]]
                for j in range(n):
                    x[b, j] += f * scores[rows[r] * n + j]
    _orthogonal_rows(x, st.square[SYSTEM], k, n)
    largest = 0.0
    for a in range(k):
        largest = max(largest, _dot(x[a], x[a], n))
    for a in range(k):
        square = _dot(x[a], x[a], n)
        st.rhs[a] = 0.0
        if square > cutoff * cutoff * largest:
            st.rhs[a] = count * _dot(x[a], nxt, n) / square
    for a in range(num_active):
        out[a] = 0.0
    for b in range(k):
        weight = _dot(st.square[SYSTEM, b], st.rhs, k)
        if direct:
            out[b] = weight
        else:
            for a in range(num_active):
                out[a] += weight * wide[1, b, a]
