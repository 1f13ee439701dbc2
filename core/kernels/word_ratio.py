"""The label-shift ratio by the words of decisions so far: which labels fired together (paper Eq. 7; released code: a
ridge solution). Kernels only; no LAPACK.

Segments in which the same labels fired have one word, and their scores enter M only as their sum S_s. With Y the words
(one row each, 1 where a label fires) M is S'Y / N, and the push-through identity gives
w = Y' (S S' Y Y' + weight N^2 I)^-1 N S P_{t+1}: a system with one row for each distinct word, of which there are few
where events last. A segment adds to one word alone: to a row of the products S P_u and to a row and column of S S'.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .bits import popcount
from .jit import inner, spliced
from .lanes import lanes_of
from .vectors import LANES, add_combination, add_scaled, aligned, fill, fill_where, set_scaled

MOST = 32
"""Live labels that fit."""

SEGMENTS = 64
"""Segments, and so words, that fit: decisions of a label are one word too."""

TAU, WEIGHT, SHRINK, REACH, MOVED_FIRST = 0, 1, 2, 3, 4
GRAM_ROW, MOVED, PIVOT, RIGHT = 0, 1, 2, 3


class WordState(NamedTuple):
    """Scratch of one track; T up to :data:`SEGMENTS`, L its lanes."""

    of: np.ndarray  # (T,) int64: the word of each segment, -1 for none
    words: np.ndarray  # (T,) uint64: the distinct words, live labels as bits, in the order in which they came up
    products: np.ndarray  # (T, L): S_s . P_u of every segment u
    gram: np.ndarray  # (T, L): S_r . S_s
    common: np.ndarray  # (T, L): how many labels two words have in common, 0 beyond the words so far
    unit: np.ndarray  # (T, L): the unit matrix
    system: np.ndarray  # (T, L)
    fires: np.ndarray  # (T, MOST): 1 where a label fires in a word
    rows: np.ndarray  # (T * MOST,): scores of the live labels by segment
    by_label: np.ndarray  # (5, MOST) float64: rows TAU ... MOVED_FIRST
    counts: np.ndarray  # (MOST,) int64: decisions so far of each live label
    numbers: np.ndarray  # (4, L) float64: rows GRAM_ROW ... RIGHT


def new_word_state(segments: int) -> WordState:
    """Working memory of :func:`avreplay.core.kernels.firing_words.word_thresholds`.

    segments : T of the longest video
    """
    most = max(1, min(segments, SEGMENTS))
    lanes = -(-most // LANES) * LANES
    unit = aligned(most, lanes)
    unit[:] = np.eye(most, lanes)
    return WordState(
        np.empty(most, np.int64),
        np.empty(most, np.uint64),
        aligned(most, lanes),
        aligned(most, lanes),
        aligned(most, lanes),
        unit,
        aligned(most, lanes),
        aligned(most, MOST),
        aligned(most * MOST),
        aligned(5, MOST),
        np.empty(MOST, np.int64),
        aligned(4, lanes),
    )


@spliced
def find_word(st, e, now):
    """Which of the words it is; ``e`` for a new one.

    Mirrors :func:`avreplay.core.reference.confusion_matrix`.

    st : scratch of the track (:class:`WordState`)
    e : int, words so far
    now : uint64, the live labels that fire, as bits
    """
    s = e
    for r in range(e):
        if st.words[r] == now:
            s = r
    return s


@spliced
def add_word(st, e, now, lanes, width):
    """A new word ``e``, that of no segment yet.

    Mirrors :func:`avreplay.core.reference.confusion_matrix`.

    st : scratch of the track (:class:`WordState`)
    e : int, words so far
    now : uint64, the live labels that fire, as bits
    lanes : int, T in lanes
    width : int, live labels in lanes
    """
    st.words[e] = now
    for u in range(0, lanes, LANES):
        fill(st.products, e * st.products.shape[1] + u, 0.0)
        fill(st.common, e * st.common.shape[1] + u, 0.0)
    for r in range(e + 1):
        st.gram[e, r] = 0.0
        st.gram[r, e] = 0.0
        st.common[e, r] = np.float64(popcount(st.words[r] & now))
        st.common[r, e] = st.common[e, r]
    for a in range(0, width, LANES):
        fill_where(st.fires, e * MOST + a, now >> np.uint64(a))


@spliced
def add_segment(st, e, s, t, lanes):
    """Add a segment to the sum S_s of its word: to its products with all segments and with the other sums.

    Mirrors :func:`avreplay.core.reference.confusion_matrix`.

    st : scratch of the track (:class:`WordState`); its GRAM_ROW is that of the segment
    e : int, words
    s : int, the segment's word
    t : int, the segment
    lanes : int, T in lanes
    """
    row = st.numbers[GRAM_ROW]
    own = st.gram[s, s] + ((st.products[s, t] + st.products[s, t]) + row[t])
    for r in range(e):
        st.gram[s, r] += st.products[r, t]
        st.gram[r, s] = st.gram[s, r]
    st.gram[s, s] = own
    for u in range(0, lanes, LANES):
        add_scaled(st.products, s * st.products.shape[1] + u, 1.0, row, u)


@inner
def _solve(a, b, e, pivot_row):
    """Solve a system by elimination, rows exchanged for the largest pivot; the answer replaces ``b[:e]``. Whole rows of
    lanes are subtracted: more than is needed, but without a remainder.

    Mirrors the solution in :func:`avreplay.core.reference.label_shift_ratio`.

    a : (>= e, L) float64, the matrix, overwritten
    b : (>= e,) float64, right side and answer
    e : int
    pivot_row : (L,) float64, working memory
    """
    width, step = lanes_of(e), a.shape[1]
    for j in range(e):
        p = j
        for i in range(j + 1, e):
            p = i if abs(a[i, j]) > abs(a[p, j]) else p
        if p != j:
            for k in range(0, width, LANES):
                set_scaled(pivot_row, k, 1.0, a, p * step + k)
                set_scaled(a, p * step + k, 1.0, a, j * step + k)
                set_scaled(a, j * step + k, 1.0, pivot_row, k)
            b[j], b[p] = b[p], b[j]
        inverse = 1.0 / a[j, j]
        for i in range(j + 1, e):
            f = a[i, j] * inverse
            b[i] -= f * b[j]
            for k in range(0, width, LANES):
                add_scaled(a, i * step + k, -f, a, j * step + k)
    for j in range(e - 1, -1, -1):
        b[j] /= a[j, j]
        for i in range(j):
            b[i] -= a[i, j] * b[j]


@spliced
def ridge_weights(st, e, t, weight, width, out):
    """The ratio of each live label, (M'M + weight I)^-1 M' P_{t+1}; zero where it never fired.

    Mirrors :func:`avreplay.core.reference.label_shift_ratio`.

    st : scratch of the track (:class:`WordState`)
    e : int, words
    t : int, last segment so far
    weight : float64, of the ridge
    width : int, live labels in lanes
    out : (>= width,) float64, written
    """
    count = t + 1.0
    ridge = weight * (count * count)
    if e == 1:
        one = count * st.products[0, t + 1] / (st.common[0, 0] * st.gram[0, 0] + ridge)
        for a in range(0, width, LANES):
            set_scaled(out, a, one, st.fires, a)
    elif e == 2:
        g, c, right = st.gram, st.common, st.products
        a00 = g[0, 0] * c[0, 0] + g[0, 1] * c[0, 1] + ridge
        a01 = g[0, 0] * c[0, 1] + g[0, 1] * c[1, 1]
        a10 = g[0, 1] * c[0, 0] + g[1, 1] * c[0, 1]
        a11 = g[0, 1] * c[0, 1] + g[1, 1] * c[1, 1] + ridge
        scale = count / (a00 * a11 - a01 * a10)
        x = (right[0, t + 1] * a11 - right[1, t + 1] * a01) * scale
        y = (right[1, t + 1] * a00 - right[0, t + 1] * a10) * scale
        for a in range(0, width, LANES):
            set_scaled(out, a, x, st.fires, a)
            add_scaled(out, a, y, st.fires, MOST + a)
    else:
        right, words, step = st.numbers[RIGHT], lanes_of(e), st.gram.shape[1]
        for r in range(e):
            for k in range(0, words, LANES):
                set_scaled(st.system, r * step + k, ridge, st.unit, r * step + k)
                add_combination(st.system, r * step + k, e, st.gram, r * step, 1, st.common, k, step)
            right[r] = count * st.products[r, t + 1]
        _solve(st.system, right, e, st.numbers[PIVOT])
        for a in range(0, width, LANES):
            fill(out, a, 0.0)
            add_combination(out, a, e, right, 0, 1, st.fires, a, MOST)
