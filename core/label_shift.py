"""The label-shift ratio of a segment (paper Eq. 7; released code: a ridge solution).

With P_i the scores and y_i the decisions of the segments so far (N of them), M = (1/N) sum_i P_i y_i' has a zero
column for every label not active so far, whose ratio is therefore exactly zero. Only the a labels active so far
enter the linear system, or the m segments with a decision (push-through identity), whichever is fewer; both are
kept up to date from segment to segment, so a step costs O(C * min(a, m)) and a small solve.

Kernels only; no LAPACK.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ._jit import inner


class ShiftState(NamedTuple):
    """Scratch of one track; q = min(T, C) bounds both forms of the system."""

    sums: np.ndarray  # (q, C)   row a: sum of P_i over the segments in which active label a fired
    gram: np.ndarray  # (q, q)   label form: sums sums'; segment form: P P' of the rows with a decision
    pairs: np.ndarray  # (q, q)  segment form: y y' of the same rows
    work: np.ndarray  # (q, C)
    basis: np.ndarray  # (q, C)
    system: np.ndarray  # (q, q)
    rhs: np.ndarray  # (q,)
    dirty: np.ndarray  # (C,) int64
    done: np.ndarray  # (3,) int64: rows in sums, labels in sums, rows in the segment form


@inner
def new_shift_state(segments, labels):  # type: ignore[no-untyped-def]
    q = min(segments, labels) + 1
    return ShiftState(
        np.empty((q, labels)),
        np.empty((q, q)),
        np.empty((q, q)),
        np.empty((q, labels)),
        np.empty((q, labels)),
        np.empty((q, q)),
        np.empty(max(q, labels)),
        np.zeros(labels, np.int64),
        np.zeros(3, np.int64),
    )


@inner
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


@inner
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


@inner
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


@inner
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
            if fired[i, active[a]]:
                for j in range(n):
                    st.sums[a, j] += scores[i, j]
                st.dirty[a] = 1
    st.done[0] = m
    st.done[1] = num_active


@inner
def ridge_ratio(scores, fired, n, t, active, num_active, rows, m, weight, st, out):  # type: ignore[no-untyped-def]
    """w = (M'M + weight I)^-1 M' P_{t+1} for the labels ``active[:num_active]``, into ``out``."""
    count = t + 1.0
    nxt = scores[t + 1]
    if num_active <= m:
        _update_sums(scores, fired, n, active, num_active, rows, m, st)
        for a in range(num_active):
            if st.dirty[a]:
                for b in range(num_active):
                    st.gram[a, b] = _dot(st.sums[a], st.sums[b], n)
                    st.gram[b, a] = st.gram[a, b]
        for a in range(num_active):
            st.dirty[a] = 0
            for b in range(a + 1):
                st.system[a, b] = st.gram[a, b] / (count * count)
            st.system[a, a] += weight
            out[a] = _dot(st.sums[a], nxt, n) / count
        _solve_symmetric(st.system, out, num_active)
        # the Gram matrix shares its array with the segment form, which must then start anew
        st.done[2] = 0
        return
    for r in range(st.done[2], m):
        for s in range(r + 1):
            st.gram[r, s] = _dot(scores[rows[r]], scores[rows[s]], n)
            st.gram[s, r] = st.gram[r, s]
            common = 0.0
            for a in range(num_active):
                common += fired[rows[r], active[a]] * fired[rows[s], active[a]]
            st.pairs[r, s] = common
            st.pairs[s, r] = common
    st.done[2] = m
    for a in range(st.done[1]):
        st.dirty[a] = 1
    for r in range(m):
        for s in range(m):
            total = 0.0
            for k in range(m):
                total += st.gram[r, k] * st.pairs[k, s]
            st.system[r, s] = total / (count * count)
        st.system[r, r] += weight
        st.rhs[r] = _dot(scores[rows[r]], nxt, n) / count
    _solve_general(st.system, st.rhs, m)
    for a in range(num_active):
        total = 0.0
        for r in range(m):
            total += fired[rows[r], active[a]] * st.rhs[r]
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
def pinv_ratio(scores, fired, n, t, active, num_active, rows, m, cutoff, st, out):  # type: ignore[no-untyped-def]
    """w = M^+ P_{t+1} (Eq. 7, Moore-Penrose) for the labels ``active[:num_active]``, into ``out``.

    M' is written as (orthonormal columns) x, x with few rows; the rows of x are then made orthogonal. Singular
    values up to ``cutoff`` times the largest count as zero.
    """
    count = t + 1.0
    nxt = scores[t + 1]
    x = st.work
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
            q = st.basis[k]
            norm = 0.0
            for a in range(num_active):
                q[a] = np.float64(fired[rows[r], active[a]])
                norm += q[a] * q[a]
            for _ in range(2):
                for b in range(k):
                    f = _dot(q, st.basis[b], num_active)
                    for a in range(num_active):
                        q[a] -= f * st.basis[b, a]
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
                    f += st.basis[b, a] * fired[rows[r], active[a]]
                for j in range(n):
                    x[b, j] += f * scores[rows[r], j]
    _orthogonal_rows(x, st.system, k, n)
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
        weight = _dot(st.system[b], st.rhs, k)
        if direct:
            out[b] = weight
        else:
            for a in range(num_active):
                out[a] += weight * st.basis[b, a]
