"""Dynamic thresholds with the label-shift ratio (paper Eq. 7, 8), by classes of labels that fired in the same segments.

What this exploits, beside :mod:`avreplay.core.kernels.label_shift`, which takes any number of labels and segments:

* a label that was never decided for keeps tau^0, so that one whose scores never pass tau^0 never fires: only the
  others, the *live* ones, are followed. The scores of all labels still count in M;
* labels with the same decisions so far have equal columns in M and share one ratio: the system has one row for each
  class of such labels (:mod:`avreplay.core.kernels.class_ratio`). With S_q the sum of P_i over the segments in which
  class q fired, S'P_u (all segments u at once, in lanes) and S'S grow by one row of inner products for each segment
  with a decision, and classes only split;
* the ridge bounds the ratio, |w| <= |P| / (2 sqrt(weight)), hence how far any threshold can still move: once no score
  lies that close to its threshold, the remaining decisions are known. A trace computes on, to the same decisions.

For tracks of up to 64 segments and 32 live labels. Kernels only; no LAPACK.
"""

from __future__ import annotations

import math

import numpy as np

from .bits import trailing_zeros
from .class_ratio import (
    CLASS,
    COUNT,
    FIRES,
    FIRST,
    GRAM_ROW,
    HEIR,
    HITS,
    MOVED,
    SIZE,
    TAU,
    WEIGHT,
    pinv_weights,
    ridge_weights,
)
from .jit import inlined, spliced
from .lanes import gram_row, squared_norms, word_above


@spliced
def _split_classes(st, d, now, lanes):
    """Split the classes of which some labels fire and some do not, and make one of the labels that fire for the first
    time; returns how many classes there are.

    Mirrors :func:`avreplay.core.reference.confusion_matrix`.

    st : scratch of the track (:class:`ClassState`)
    d : int, classes so far
    now : uint64, the live labels that fire, as bits
    lanes : int, T in lanes
    """
    fires, size, hits, heir = st.of_class[FIRES], st.of_class[SIZE], st.of_class[HITS], st.of_class[HEIR]
    of = st.of_label[CLASS]
    for q in range(d):
        hits[q] = 0
    fresh = 0
    left = now
    while left:
        a = trailing_zeros(left)
        left &= left - np.uint64(1)
        if of[a] < 0:
            fresh += 1
        else:
            hits[of[a]] += 1
    before = d
    for q in range(before):
        fires[q] = 0
        heir[q] = q
        if hits[q] == size[q]:
            fires[q] = 1
        elif hits[q] > 0:
            for u in range(lanes):
                st.products[d, u] = st.products[q, u]
            for p in range(d):
                st.gram[d, p] = st.gram[q, p]
                st.gram[p, d] = st.gram[q, p]
            st.gram[d, d] = st.gram[q, q]
            size[d] = hits[q]
            size[q] -= hits[q]
            fires[d] = 1
            heir[q] = d
            d += 1
    if fresh:
        for u in range(lanes):
            st.products[d, u] = 0.0
        for p in range(d + 1):
            st.gram[d, p] = 0.0
            st.gram[p, d] = 0.0
        size[d] = fresh
        fires[d] = 1
        d += 1
    left = now
    while left:
        a = trailing_zeros(left)
        left &= left - np.uint64(1)
        of[a] = d - 1 if of[a] < 0 else heir[of[a]]
    return d


@spliced
def _add_segment(st, d, t, lanes):
    """Add a segment to the sums S_q of the classes that fire in it: to their products with all segments and with each
    other.

    Mirrors :func:`avreplay.core.reference.confusion_matrix`.

    st : scratch of the track (:class:`ClassState`); its GRAM_ROW is that of the segment
    d : int, classes
    t : int, the segment
    lanes : int, T in lanes
    """
    fires, row = st.of_class[FIRES], st.numbers[GRAM_ROW]
    for p in range(d):
        if fires[p]:
            for q in range(d):
                if fires[q]:
                    st.gram[p, q] += (st.products[p, t] + st.products[q, t]) + row[t]
                else:
                    st.gram[p, q] += st.products[q, t]
                    st.gram[q, p] += st.products[q, t]
    for p in range(d):
        if fires[p]:
            for u in range(lanes):
                st.products[p, u] += row[u]


@spliced
def _is_settled(st, scores, lanes, live, num_live, t, last, scale, decays):
    """Whether no later score is close enough to its threshold for any later movement to matter.

    Mirrors :func:`avreplay.core.reference.dynamic_thresholds`.

    st : scratch of the track (:class:`ClassState`); its MOVED holds how far a threshold can have moved by each segment
    scores : float64, in lanes
    lanes : int, T in lanes
    live : (>= num_live,) int64, positions of the live labels
    num_live : int, how many these are
    t : int, last segment so far
    last : int, last segment that can have a decision
    scale : float64, of the movement
    decays : (> 1,) float64, exp(-decay * z)
    """
    moved, count, first = st.numbers[MOVED], st.of_label[COUNT], st.of_label[FIRST]
    for a in range(num_live):
        # it cannot move before its first decision, and after it has at least that one behind it
        begin = max(t, first[a])
        reach = scale * decays[max(count[a], 1)]
        at, tau = live[a] * lanes, st.numbers[TAU, a]
        for u in range(begin + 1, last + 1):
            if not abs(scores[at + u] - tau) > reach * (moved[u] - moved[begin]) + 1e-9:
                return False
    return True


@inlined
def class_thresholds(
    scores, n, lanes, live, num_live, last, cosine, use_cosine, params, decays, fired, st, pinv_work, tau_out,
    ratio_out, labels,
):  # fmt: skip
    """Thresholds and decisions of a track, segment by segment (Eq. 6-8), up to segment ``last``.

    Mirrors :func:`avreplay.core.reference.dynamic_thresholds`.

    scores : (>= n * lanes,) float64, in lanes
    n : int, k, how many labels are selected
    lanes : int, T in lanes, at most :data:`SEGMENTS`
    live : (>= num_live,) int64, positions of the labels that can fire, in order
    num_live : int, how many these are, at most :data:`MOST`
    last : int, last segment that can have a decision: that before a row of NaN, or the last of all
    cosine : (T,) float64, compares the visual features of segments t and t + 1
    use_cosine : bool, whether the track uses it
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    decays : (> T,) float64, exp(-decay * z)
    fired : (>= n,) uint64, of each label position: read as the segments above tau^0, written as the decisions
    st : scratch of the track (:class:`ClassState`)
    pinv_work : None where no setting needs the inverse; the compiler then leaves it out
    tau_out : (T, C) float64, takes the thresholds, or None
    ratio_out : (T, C) float64, takes the label-shift ratios, or None
    labels : (>= n,) int64, the selected labels
    """
    of, count, first = st.of_label[CLASS], st.of_label[COUNT], st.of_label[FIRST]
    tau, w, moved = st.numbers[TAU], st.numbers[WEIGHT], st.numbers[MOVED]
    tau0, times_score, single, clip, pinv = (
        params.tau0, params.times_score, params.single, params.cosine_clip, params.pinv,
    )  # fmt: skip
    for a in range(num_live):
        of[a] = -1
        count[a] = 0
        first[a] = trailing_zeros(fired[live[a]])
        fired[live[a]] = np.uint64(0)
        tau[a] = tau0
    bounded = tau_out is None and not pinv
    scale = 0.0
    if bounded:
        scale = tau0 / (2.0 * math.sqrt(params.ridge)) * (1.0 + 1e-6)
        squared_norms(scores, n, lanes, st.numbers[GRAM_ROW])
        moved[0] = 0.0
        for t in range(last):
            moved[t + 1] = moved[t] + math.sqrt(st.numbers[GRAM_ROW, t + 1]) * (abs(cosine[t]) if use_cosine else 1.0)
    d = 0
    for t in range(last + 1):
        now = np.uint64(0)
        for a in range(num_live):
            if scores[live[a] * lanes + t] > tau[a]:
                now |= np.uint64(1) << np.uint64(a)
                fired[live[a]] |= np.uint64(1) << np.uint64(t)
                count[a] += 1
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
        if now:
            d = _split_classes(st, d, now, lanes)
        if d == 0:
            continue
        if bounded and _is_settled(st, scores, lanes, live, num_live, t, last, scale, decays):
            later = (~np.uint64(0) << np.uint64(t + 1)) & (~np.uint64(0) >> np.uint64(63 - last))
            for a in range(num_live):
                fired[live[a]] |= word_above(scores, live[a] * lanes, lanes, tau[a]) & later
            break
        if now:
            gram_row(scores, n, lanes, t, st.numbers[GRAM_ROW])
            _add_segment(st, d, t, lanes)
        if pinv_work is not None:  # noqa: SIM102 (the compiler leaves out a branch only on this test alone)
            if pinv:
                pinv_weights(st, scores, n, lanes, live, num_live, fired, d, t, params.pinv_cutoff, w)
        if not pinv:
            ridge_weights(st, d, t, params.ridge, w)
        factor = 1.0
        if use_cosine:
            factor = cosine[t]
            if single:
                factor = np.float64(np.float32(factor))
            if clip:
                factor = min(max(factor, 0.0), 1.0)
        for a in range(num_live):
            if of[a] < 0:
                continue
            ratio = w[of[a]]
            if times_score:
                ratio *= scores[live[a] * lanes + t + 1]
            tau[a] -= tau0 * decays[count[a]] * factor * ratio
            if ratio_out is not None:
                ratio_out[t, labels[live[a]]] = ratio
