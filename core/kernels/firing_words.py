"""Dynamic thresholds with the label-shift ratio (paper Eq. 7, 8), by words of decisions.

What this exploits, beside :mod:`avreplay.core.kernels.label_shift`, which takes any number of labels and segments:

* a label that was never decided for keeps tau^0, so that one whose scores never pass tau^0 never fires: only the
  others, the *live* ones, are followed. The scores of all labels still count in M;
* the live labels that fire in a segment are one *word* of bits, compared in lanes over labels. Segments of one word
  enter the ratio only by the sum of their scores, so that the system has one row for each distinct word
  (:mod:`avreplay.core.kernels.word_ratio`);
* the ridge bounds the ratio, |w| <= |P| / (2 sqrt(weight)), hence how far any threshold can still move: once no score
  lies that close to its threshold, the remaining decisions are known. A trace computes on, to the same decisions.

For tracks of up to 64 segments and 32 live labels. Kernels only; no LAPACK.
"""

from __future__ import annotations

import math

import numpy as np

from .bits import trailing_zeros
from .class_ratio import find_classes, pinv_weights
from .jit import inlined, spliced
from .lanes import gram_row, lanes_of, squared_norms, word_above
from .vectors import LANES, bits_above_each, bits_near, fill, multiply, subtract_products
from .word_ratio import (
    GRAM_ROW,
    MOVED,
    MOVED_FIRST,
    REACH,
    SHRINK,
    TAU,
    WEIGHT,
    add_segment,
    add_word,
    find_word,
    ridge_weights,
)


@spliced
def _follow_live_labels(st, scores, lanes, live, num_live, width, last, tau0, reach, fired):
    """The scores of the live labels by segment, in lanes over labels, and no decision yet.

    Mirrors :func:`avreplay.core.reference.dynamic_thresholds`.

    st : scratch of the track (:class:`avreplay.core.kernels.word_ratio.WordState`)
    scores : float64, in lanes
    lanes : int, T in lanes
    live : (>= num_live,) int64, positions of the live labels
    num_live : int, how many these are
    width : int, the same in lanes
    last : int, last segment that can have a decision
    tau0 : float64
    reach : float64, how far a threshold moves at most after a first decision, by the movement
    fired : uint64, of each label position: read as the segments above tau^0, written as no decision
    """
    for a in range(0, width, LANES):
        fill(st.by_label[TAU], a, math.inf)
        fill(st.by_label[SHRINK], a, 0.0)
        fill(st.by_label[REACH], a, reach)
    for a in range(num_live):
        st.by_label[TAU, a] = tau0
        st.counts[a] = 0
        # the movement (MOVED) by its first decision, before which it cannot move
        st.by_label[MOVED_FIRST, a] = st.numbers[MOVED, trailing_zeros(fired[live[a]])]
        fired[live[a]] = np.uint64(0)
        at = live[a] * lanes
        for t in range(last + 1):
            st.rows[t * width + a] = scores[at + t]


@spliced
def _is_settled(st, t, last, num_live, width):
    """Whether no later score is close enough to its threshold for any later movement to matter.

    Mirrors :func:`avreplay.core.reference.dynamic_thresholds`.

    st : scratch of the track (:class:`avreplay.core.kernels.word_ratio.WordState`); its MOVED holds how far a threshold
        can have moved by each segment, times REACH
    t : int, last segment so far
    last : int, last segment that can have a decision
    num_live : int, live labels
    width : int, the same in lanes
    """
    moved, tau, reach, first = st.numbers[MOVED], st.by_label[TAU], st.by_label[REACH], st.by_label[MOVED_FIRST]
    known = ~np.uint64(0) >> np.uint64(64 - num_live)
    # the last are reached from the farthest
    for u in range(last, t, -1):
        near = np.uint64(0)
        for a in range(0, width, LANES):
            near |= bits_near(st.rows, u * width + a, tau, a, reach, a, first, a, moved[t], moved[u]) << np.uint64(a)
        if near & known:
            return False
    return True


@inlined
def word_thresholds(
    scores, n, lanes, live, num_live, last, cosine, use_cosine, params, decays, fired, st, classes, pinv_work, tau_out,
    ratio_out, labels,
):  # fmt: skip
    """Thresholds and decisions of a track, segment by segment (Eq. 6-8), up to segment ``last``.

    Mirrors :func:`avreplay.core.reference.dynamic_thresholds`.

    scores : (>= n * lanes,) float64, in lanes
    n : int, k, how many labels are selected
    lanes : int, T in lanes, at most 64
    live : (>= num_live,) int64, positions of the labels that can fire, in order
    num_live : int, how many these are, at most 32
    last : int, last segment that can have a decision: that before a row of NaN, or the last of all
    cosine : (T,) float64, compares the visual features of segments t and t + 1
    use_cosine : bool, whether the track uses it
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    decays : (> T,) float64, exp(-decay * z)
    fired : (>= n,) uint64, of each label position: read as the segments above tau^0, written as the decisions
    st : scratch of the track (:class:`avreplay.core.kernels.word_ratio.WordState`)
    classes : scratch of the inverse (:class:`avreplay.core.kernels.class_ratio.ClassState`)
    pinv_work : None where no setting needs the inverse; the compiler then leaves it out
    tau_out : (T, C) float64, takes the thresholds, or None
    ratio_out : (T, C) float64, takes the label-shift ratios, or None
    labels : (>= n,) int64, the selected labels
    """
    tau, ratio, shrink, reach = st.by_label[TAU], st.by_label[WEIGHT], st.by_label[SHRINK], st.by_label[REACH]
    moved, counts, width = st.numbers[MOVED], st.counts, lanes_of(num_live)
    tau0, times_score, single, clip, pinv = (
        params.tau0, params.times_score, params.single, params.cosine_clip, params.pinv,
    )  # fmt: skip
    bounded = tau_out is None and not pinv
    scale = 0.0
    if bounded:
        scale = tau0 / (2.0 * math.sqrt(params.ridge)) * (1.0 + 1e-6)
        squared_norms(scores, n, lanes, st.numbers[GRAM_ROW])
        moved[0] = 0.0
        for t in range(last):
            moved[t + 1] = moved[t] + math.sqrt(st.numbers[GRAM_ROW, t + 1]) * (abs(cosine[t]) if use_cosine else 1.0)
    _follow_live_labels(st, scores, lanes, live, num_live, width, last, tau0, scale * decays[1], fired)
    e = d = 0
    for t in range(last + 1):
        now = np.uint64(0)
        for a in range(0, width, LANES):
            now |= bits_above_each(st.rows, t * width + a, tau, a) << np.uint64(a)
        if now:
            for a in range(num_live):
                fires = (now >> np.uint64(a)) & np.uint64(1)
                fired[live[a]] |= fires << np.uint64(t)
                counts[a] += np.int64(fires)
                shrink[a] = tau0 * decays[counts[a]]
                reach[a] = scale * decays[max(counts[a], 1)]
        if tau_out is not None:
            for j in range(n):
                tau_out[t, labels[j]] = tau0
            for a in range(num_live):
                tau_out[t, labels[live[a]]] = tau[a]
        if t == last:
            break
        if ratio_out is not None:
            for j in range(n):
                ratio_out[t, labels[j]] = 0.0
        if now == 0 and e == 0:
            st.of[t] = -1
            continue
        if bounded and _is_settled(st, t, last, num_live, width):
            later = (~np.uint64(0) << np.uint64(t + 1)) & (~np.uint64(0) >> np.uint64(63 - last))
            for a in range(num_live):
                fired[live[a]] |= word_above(scores, live[a] * lanes, lanes, tau[a]) & later
            break
        st.of[t] = -1
        if now:
            s = find_word(st, e, now)
            st.of[t] = s
            if s == e:
                add_word(st, e, now, lanes, width)
                e += 1
                if pinv_work is not None:
                    d = find_classes(classes, st.words, e, num_live)
            gram_row(scores, n, lanes, t, st.numbers[GRAM_ROW])
            add_segment(st, e, s, t, lanes)
        if pinv_work is not None:  # noqa: SIM102 (the compiler leaves out a branch only on this test alone)
            if pinv:
                pinv_weights(st, classes, e, d, scores, n, lanes, num_live, t, params.pinv_cutoff, width, ratio)
        if not pinv:
            ridge_weights(st, e, t, params.ridge, width, ratio)
        factor = 1.0
        if use_cosine:
            factor = cosine[t]
            if single:
                factor = np.float64(np.float32(factor))
            if clip:
                factor = min(max(factor, 0.0), 1.0)
        if times_score:
            for a in range(0, width, LANES):
                multiply(ratio, a, st.rows, (t + 1) * width + a)
        for a in range(0, width, LANES):
            subtract_products(tau, a, shrink, a, factor, ratio, a)
        if ratio_out is not None:
            for a in range(num_live):
                if counts[a] > 0:
                    ratio_out[t, labels[live[a]]] = ratio[a]
