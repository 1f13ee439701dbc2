"""The ridge's label-shift ratio, from products of segments alone. Kernels only.

Labels with one history of decisions have one column of M, so one weight: the system is over the d distinct histories
("patterns"), with how many labels each has. Its entries are sums of products of segments' scores (the Gram matrix G of
the track's rows), which are computed once for all tau0. With many more labels than segments the system is over the
segments instead (push-through identity), as in :mod:`avreplay.core.kernels.label_shift`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...kernels.jit import inlined, inner


class Patterns(NamedTuple):
    """Histories of the labels before each segment, T + 1 states ("before segment t"), of which the big arrays keep
    either all or, where these would not fit, two. Pattern 0 is "never decided for" and has no column in M."""

    of_label: np.ndarray  # ((T + 1) * n,) int64, the pattern of each label
    size: np.ndarray  # (states,) int64, d
    products: np.ndarray  # (states, (q + 1)^2) float64, sums of G over both patterns' segments, rows of d + 1
    along: np.ndarray  # (states, q + 1) float64, sums of G of the pattern's segments with segment t
    child: np.ndarray  # (2 * (q + 1),) int64, a pattern without and with the present segment
    # of each new pattern: (4, q + 1) int64 the one before, whether the present segment is in it, a label, how many
    made: np.ndarray
    system: np.ndarray  # (q * q,) float64
    weight: np.ndarray  # (q + 1,) float64, the ratio of each pattern
    gram: np.ndarray  # (T * T,) float64, G
    pairs: np.ndarray  # (T * T,) float64, how many labels are decided for in both segments
    rows: np.ndarray  # (T,) int64, segments with a decision


BEFORE, PRESENT, LABEL, COUNT = 0, 1, 2, 3


@inner
def new_patterns(segments, labels, most, states):
    """Working memory.

    segments : int, T of the longest video
    labels : int, C
    most : int, q, labels of a track up to which the system is over patterns
    states : int, how many states the big arrays keep
    """
    q = max(most, segments)
    return Patterns(
        np.zeros((segments + 1) * labels, np.int64),
        np.zeros(states, np.int64),
        np.zeros((states, (most + 1) * (most + 1))),
        np.zeros((states, most + 1)),
        np.zeros(2 * (most + 1), np.int64),
        np.zeros((4, most + 1), np.int64),
        np.empty(q * q),
        np.empty(q + 1),
        np.empty(segments * segments),
        np.empty(segments * segments),
        np.empty(segments, np.int64),
    )


@inlined
def _solve_definite(a, b, n):
    """Solve a positive definite system in place, without roots; the answer replaces ``b[1:n + 1]``.

    a : (n * n,) float64, lower triangle, overwritten
    b : (>= n + 1,) float64, right side from position 1 on
    n : int
    """
    # L D L', the diagonal kept as 1 / D and column j below it as D L until all later rows have used it
    for j in range(n):
        inverse = 1.0 / a[j * n + j]
        for i in range(j + 1, n):
            share = a[i * n + j] * inverse
            for k in range(j + 1, i + 1):
                a[i * n + k] -= share * a[k * n + j]
            b[i + 1] -= share * b[j + 1]
        a[j * n + j] = inverse
    for i in range(n - 1, -1, -1):
        total = b[i + 1]
        for k in range(i + 1, n):
            total -= a[k * n + i] * b[k + 1]
        b[i + 1] = total * a[i * n + i]


@inlined
def _eliminate(a, b, n):
    """Solve in place by elimination with row pivoting; the answer replaces ``b[1:n + 1]``.

    a : (n * n,) float64, overwritten
    b : (>= n + 1,) float64, right side from position 1 on
    n : int
    """
    for j in range(n):
        p = j
        for i in range(j + 1, n):
            if abs(a[i * n + j]) > abs(a[p * n + j]):
                p = i
        if p != j:
            for k in range(j, n):
                a[j * n + k], a[p * n + k] = a[p * n + k], a[j * n + k]
            b[j + 1], b[p + 1] = b[p + 1], b[j + 1]
        for i in range(j + 1, n):
            f = a[i * n + j] / a[j * n + j]
            for k in range(j + 1, n):
                a[i * n + k] -= f * a[j * n + k]
            b[i + 1] -= f * b[j + 1]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            b[i + 1] -= a[i * n + k] * b[k + 1]
        b[i + 1] /= a[i * n + i]


@inlined
def ratio_of_patterns(p, fired, n, t, segments, now, after, ridge):
    """The ridge's w for the step from segment t to t + 1, in ``p.weight`` by the patterns of state ``after``, which is
    made of state ``now`` and the decisions of segment t; ``p.of_label`` says which label has which.

    Mirrors :func:`avreplay.core.reference.label_shift_ratio`.

    p : working memory (:class:`Patterns`)
    fired : (T * n,) uint8, decisions; segment t and label position j at ``t * n + j``
    n : int, k, how many labels are selected
    t : int, segment
    segments : int, T of the video
    now : int, row of the state before t in the big arrays
    after : int, row of the state after it
    ridge : float64, weight of the ridge
    """
    d = p.size[now]
    for i in range(2 * (d + 1)):
        p.child[i] = 0
    made = 0
    for j in range(n):
        h = p.of_label[t * n + j]
        hit = fired[t * n + j]
        x = 0
        if h > 0 or hit:
            x = p.child[2 * h + hit]
            if x == 0:
                made += 1
                x = made
                p.child[2 * h + hit] = x
                p.made[BEFORE, x] = h
                p.made[PRESENT, x] = hit
                p.made[LABEL, x] = j
                p.made[COUNT, x] = 0
            p.made[COUNT, x] += 1
        p.of_label[(t + 1) * n + j] = x
    p.size[after] = made
    old, new = p.products[now], p.products[after]
    old_row, new_row = d + 1, made + 1
    own = p.gram[t * segments + t]
    if t == 0:
        for h in range(d + 1):
            p.along[now, h] = 0.0
            old[h] = 0.0
    for x in range(made + 1):
        new[x] = 0.0
        new[x * new_row] = 0.0
    nxt = p.gram[(t + 1) * segments : (t + 2) * segments]
    p.along[after, 0] = 0.0
    for x in range(1, made + 1):
        before, present = p.made[BEFORE, x], p.made[PRESENT, x]
        for y in range(1, x + 1):
            value = old[before * old_row + p.made[BEFORE, y]]
            if present:
                value += p.along[now, p.made[BEFORE, y]]
            if p.made[PRESENT, y]:
                value += p.along[now, before]
                if present:
                    value += own
            new[x * new_row + y] = value
            new[y * new_row + x] = value
        j = p.made[LABEL, x]
        total = 0.0
        for i in range(t + 1):
            total += nxt[i] * fired[i * n + j]
        p.along[after, x] = total
    count = t + 1.0
    least = ridge * (count * count)
    # both sides times count^2 (M = sums / count) and the number of labels, which makes the matrix symmetric
    if made == 1:
        p.weight[1] = count * p.along[after, 1] / (new[3] * p.made[COUNT, 1] + least)
        return
    if made == 2:
        one, two = np.float64(p.made[COUNT, 1]), np.float64(p.made[COUNT, 2])
        a, b, c = new[4] * one + least, new[5], new[8] * two + least
        scale = count / (a * c - b * b * one * two)
        p.weight[1] = (c * p.along[after, 1] - b * two * p.along[after, 2]) * scale
        p.weight[2] = (a * p.along[after, 2] - b * one * p.along[after, 1]) * scale
        return
    for x in range(1, made + 1):
        labels = np.float64(p.made[COUNT, x])
        for y in range(1, x + 1):
            p.system[(x - 1) * made + y - 1] = labels * p.made[COUNT, y] * new[x * new_row + y]
        p.system[(x - 1) * made + x - 1] += least * labels
        p.weight[x] = labels * count * p.along[after, x]
    _solve_definite(p.system, p.weight, made)


@inlined
def ratio_of_segments(p, fired, n, t, segments, ridge, out):
    """The ridge's w for the step from segment t to t + 1, by labels; for tracks of many labels and few segments.

    Mirrors :func:`avreplay.core.reference.label_shift_ratio`.

    p : working memory (:class:`Patterns`)
    fired : (T * n,) uint8, decisions; segment t and label position j at ``t * n + j``
    n : int, k, how many labels are selected
    t : int, segment
    segments : int, T of the video
    ridge : float64, weight of the ridge
    out : (>= n,) float64, written
    """
    for i in range(t + 1):
        common = 0
        for j in range(n):
            common += fired[i * n + j] & fired[t * n + j]
        p.pairs[t * segments + i] = common
        p.pairs[i * segments + t] = common
    r = 0
    for i in range(t + 1):
        if p.pairs[i * segments + i] > 0:
            p.rows[r] = i
            r += 1
    count = t + 1.0
    for a in range(r):
        line = p.gram[p.rows[a] * segments : (p.rows[a] + 1) * segments]
        for b in range(r):
            total = 0.0
            for k in range(r):
                total += line[p.rows[k]] * p.pairs[p.rows[b] * segments + p.rows[k]]
            p.system[a * r + b] = total
        p.system[a * r + a] += ridge * (count * count)
        p.weight[a + 1] = line[t + 1] * count
    _eliminate(p.system, p.weight, r)
    for j in range(n):
        total = 0.0
        for a in range(r):
            total += fired[p.rows[a] * n + j] * p.weight[a + 1]
        out[j] = total
