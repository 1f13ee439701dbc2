"""The Moore-Penrose inverse's label-shift ratio (paper Eq. 7), by classes of labels that fired in the same segments.
Kernels only; no LAPACK.

Labels of one class have equal columns in M and share one ratio. With S_q the sum of P_i over the segments in which
class q fired and K_q its labels, M has the singular values of the matrix of columns sqrt(K_q) S_q / N. What
:mod:`avreplay.core.kernels.word_ratio` keeps of words gives S_p . S_q and S_q . P_{t+1}: a class fires in some of them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .jit import inner, spliced
from .orthogonal import pinv_of_rows
from .vectors import LANES, add_combination, aligned, fill, multiply, set_scaled
from .word_ratio import MOST, SEGMENTS

CLASS, SIZE = 0, 1
ROOTS, RIGHT, COLUMN = 0, 1, 2


class ClassState(NamedTuple):
    """Scratch of one track; T up to 64, L its lanes."""

    system: np.ndarray  # (MOST, MOST)
    sums: np.ndarray  # (L,): S_p . S_r of one class p and every word r
    has: np.ndarray  # (MOST, L): 1 where a word has the class
    has_class: np.ndarray  # (T, MOST): the same by word
    of: np.ndarray  # (2, MOST) int64: of a live label its class or -1; of a class how many labels
    columns: np.ndarray  # (MOST,) uint64: the words that have a class, as bits
    numbers: np.ndarray  # (3, MOST) float64: rows ROOTS (of the sizes), RIGHT, COLUMN
    rows: np.ndarray  # (2, MOST, C) float64: S_q, for the inverse of a singular matrix


def new_class_state(segments: int, labels: int) -> ClassState:
    """Working memory of :func:`pinv_weights`; segments : T of the longest video; labels : C"""
    most = max(1, min(segments, SEGMENTS))
    lanes = -(-most // LANES) * LANES
    return ClassState(
        aligned(MOST, MOST),
        aligned(lanes),
        aligned(MOST, lanes),
        aligned(most, MOST),
        np.empty((2, MOST), np.int64),
        np.empty(MOST, np.uint64),
        aligned(3, MOST),
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


@inner
def find_classes(st, words, e, num_live):
    """Classes of labels that fire in the same words; returns how many there are. They stay until a word is new.

    Mirrors :func:`avreplay.core.reference.confusion_matrix`.

    st : scratch of the classes (:class:`ClassState`)
    words : (>= e,) uint64, the words, live labels as bits
    e : int, how many
    num_live : int
    """
    d = 0
    for a in range(num_live):
        column = np.uint64(0)
        for s in range(e):
            column |= ((words[s] >> np.uint64(a)) & np.uint64(1)) << np.uint64(s)
        p = 0
        while p < d and st.columns[p] != column:
            p += 1
        if p == d and column:
            st.columns[d] = column
            st.of[SIZE, d] = 0
            d += 1
        st.of[CLASS, a] = p if column else -1
        if column:
            st.of[SIZE, p] += 1
    for p in range(d):
        st.numbers[ROOTS, p] = math.sqrt(np.float64(st.of[SIZE, p]))
        for s in range(e):
            st.has[p, s] = np.float64((st.columns[p] >> np.uint64(s)) & np.uint64(1))
            st.has_class[s, p] = st.has[p, s]
    return d


@spliced
def _class_system(words, st, e, d, t):
    """The normal equations in terms of classes, from what is kept of words; returns the trace of the matrix.

    Mirrors :func:`avreplay.core.reference.label_shift_ratio`.

    words : scratch of the track (:class:`avreplay.core.kernels.word_ratio.WordState`)
    st : scratch of the classes (:class:`ClassState`)
    e : int, words
    d : int, classes
    t : int, last segment so far
    """
    a, roots, right, lanes = st.system, st.numbers[ROOTS], st.numbers[RIGHT], words.gram.shape[1]
    trace = 0.0
    for p in range(d):
        for r in range(0, e, LANES):
            fill(st.sums, r, 0.0)
            add_combination(st.sums, r, e, st.has, p * st.has.shape[1], 1, words.gram, r, lanes)
        for q in range(0, d, LANES):
            fill(a, p * MOST + q, 0.0)
            add_combination(a, p * MOST + q, e, st.sums, 0, 1, st.has_class, q, MOST)
            multiply(a, p * MOST + q, roots, q)
            set_scaled(a, p * MOST + q, roots[p], a, p * MOST + q)
        trace += a[p, p]
    for q in range(0, d, LANES):
        fill(right, q, 0.0)
        add_combination(right, q, e, words.products, t + 1, words.products.shape[1], st.has_class, q, MOST)
        multiply(right, q, roots, q)
        set_scaled(right, q, t + 1.0, right, q)
    return trace


@inner
def _surely_regular(a, d, trace, cutoff, column):
    """Whether a matrix, from its factors, is surely of full rank and well conditioned: by the trace of its inverse, to
    which the squares of the entries of L^-1, weighted by 1 / D, add up.

    Mirrors :func:`avreplay.core.reference.label_shift_ratio`.

    a : (>= d, >= d) float64, the factors
    d : int
    trace : float64, of the matrix
    cutoff : float64, singular values of M up to this share of the largest count as zero
    column : (>= d,) float64, working memory
    """
    inverse = 0.0
    for j in range(d):
        for i in range(j, d):
            x = 1.0 if i == j else 0.0
            for k in range(j, i):
                x -= a[i, k] * column[k]
            column[i] = x
            inverse += x * x / a[i, i]
    return max(1.01 * cutoff * cutoff, 1e-6) * trace * inverse < 1.0


@inner
def pinv_weights(words, st, e, d, scores, n, lanes, num_live, t, cutoff, width, out):
    """The ratio of each live label, M^+ P_{t+1} (Moore-Penrose); zero where it never fired. Where M is surely regular
    the normal equations give it, else the orthogonalisation of :mod:`avreplay.core.kernels.orthogonal` does.

    Mirrors :func:`avreplay.core.reference.label_shift_ratio`.

    words : scratch of the track (:class:`avreplay.core.kernels.word_ratio.WordState`)
    st : scratch of the classes (:class:`ClassState`)
    e : int, words
    d : int, classes
    scores : (>= n * lanes,) float64, in lanes
    n : int, k, how many labels are selected
    lanes : int, T in lanes
    num_live : int, how many labels are live
    t : int, last segment so far
    cutoff : float64, singular values up to this share of the largest count as zero
    width : int, live labels in lanes
    out : (>= width,) float64, written
    """
    count = t + 1.0
    if e == 1 and words.gram[0, 0] > 0.0:
        one = count * words.products[0, t + 1] / (words.common[0, 0] * words.gram[0, 0])
        for a in range(0, width, LANES):
            set_scaled(out, a, one, words.fires, a)
        return
    a, roots, right = st.system, st.numbers[ROOTS], st.numbers[RIGHT]
    trace = _class_system(words, st, e, d, t)
    if _factor(a, d) and _surely_regular(a, d, trace, cutoff, st.numbers[COLUMN]):
        _solve(a, right, d)
    else:
        x = st.rows[0]
        for p in range(d):
            for j in range(n):
                x[p, j] = 0.0
            for u in range(t + 1):
                if (st.columns[p] >> np.uint64(words.of[u])) & np.uint64(words.of[u] >= 0):
                    for j in range(n):
                        x[p, j] += roots[p] * scores[j * lanes + u]
        for j in range(n):
            st.rows[1, 0, j] = scores[j * lanes + t + 1]
        pinv_of_rows(x, d, n, st.rows[1, 0], count, cutoff, a, st.numbers[COLUMN], right)
    for i in range(num_live):
        p = st.of[CLASS, i]
        out[i] = right[p] / roots[p] if p >= 0 else 0.0
