"""The Moore-Penrose inverse of a matrix with few rows, by making its rows orthogonal. Kernels only; no LAPACK."""

from __future__ import annotations

import math

from .jit import inlined, inner


@inlined
def dot(x, y, n):
    """Inner product of ``x[:n]`` and ``y[:n]``, in four sums.

    x : (>= n,) float64
    y : (>= n,) float64
    n : int
    """
    a0 = a1 = a2 = a3 = 0.0
    fours = n - n % 4
    for i in range(0, fours, 4):
        a0 += x[i] * y[i]
        a1 += x[i + 1] * y[i + 1]
        a2 += x[i + 2] * y[i + 2]
        a3 += x[i + 3] * y[i + 3]
    for i in range(fours, n):
        a0 += x[i] * y[i]
    return (a0 + a1) + (a2 + a3)


@inner
def _orthogonal_rows(x, turns, rows, n):
    """One-sided Jacobi: turn the rows of ``x`` until they are orthogonal; ``turns`` @ (new x) is the old x.

    Mirrors :func:`avreplay.core.reference.label_shift_ratio`.

    x : (>= rows, >= n) float64, overwritten
    turns : (>= rows, >= rows) float64, written
    rows : int, how many
    n : int, columns
    """
    for a in range(rows):
        for b in range(rows):
            turns[a, b] = 1.0 if a == b else 0.0
    near = 1e-29 * max(n, 10)
    for _ in range(60):
        moved = False
        for a in range(rows - 1):
            for b in range(a + 1, rows):
                aa = dot(x[a], x[a], n)
                bb = dot(x[b], x[b], n)
                ab = dot(x[a], x[b], n)
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
def pinv_of_rows(x, k, n, nxt, count, cutoff, turns, right, out):
    """(X')^+ times ``count`` times ``nxt``: the combination of the rows of X nearest to it, the shortest of equals.

    Mirrors :func:`avreplay.core.reference.label_shift_ratio`.

    x : (>= k, >= n) float64, overwritten
    k : int, rows
    n : int, columns
    nxt : (>= n,) float64
    count : float64
    cutoff : float64, singular values up to this share of the largest count as zero
    turns : (>= k, >= k) float64, working memory
    right : (>= k,) float64, working memory
    out : (>= k,) float64, written
    """
    _orthogonal_rows(x, turns, k, n)
    largest = 0.0
    for a in range(k):
        largest = max(largest, dot(x[a], x[a], n))
    for a in range(k):
        square = dot(x[a], x[a], n)
        right[a] = 0.0
        if square > cutoff * cutoff * largest:
            right[a] = count * dot(x[a], nxt, n) / square
    for b in range(k):
        out[b] = dot(turns[b], right, k)
