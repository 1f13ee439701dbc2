"""SCoPE: sparse mixtures of label texts, and what is decided from their weights, in float32 as released. Kernels only.

Arrays of labels are padded to whole groups of 16, with labels that have no weight.
"""

from __future__ import annotations

import math

import numpy as np

from .jit import inner, kernel

(READ_OUT, STAGES, LAMBDA_AUDIO, LAMBDA_VISUAL, KAPPA, ETA, RHO_LOW, RHO_HIGH, PRIOR, PRIOR_MODE, ACTIVE_SET,
 NORMALISED, TEMPERATURE, TEMPERATURE_LABELS, TEMPERATURE_LOW, TEMPERATURE_HIGH, THRESHOLD, ALPHA, MIN_SEGMENTS,
 ROUNDS) = range(20)  # fmt: skip
"""Columns of the options of a setting."""
ZSCORE, GAP, DENSE = 0, 1, 2


@kernel
def project(x, mean, texts, b):
    """The dot products of centred segments of length 1 and centred texts; 0 for a segment that is no number.

    Mirrors :func:`avreplay.core.reference_scope.centred_segments`.

    x : (S, D) float32, segments as they are stored
    mean : (D,) float32, of the modality
    texts : (D, L) float64, centred texts of length 1, those of padding zero
    b : (S, L) float32, written
    """
    dims, labels = texts.shape
    z, total = np.empty(dims, np.float32), np.empty(labels)
    for t in range(x.shape[0]):
        for i in range(dims):
            z[i] = x[t, i]
        for again in range(2):
            square = 0.0
            for i in range(dims):
                square += np.float64(z[i]) * np.float64(z[i])
            norm = max(np.float32(math.sqrt(square)), np.float32(1e-8))
            for i in range(dims):
                z[i] = z[i] / norm if again else z[i] / norm - mean[i]
        for c in range(labels):
            total[c] = 0.0
        for i in range(dims):
            for c in range(labels):
                total[c] += np.float64(z[i]) * texts[i, c]
        for c in range(labels):
            b[t, c] = np.float32(total[c]) if total[c] == total[c] else np.float32(0.0)


@inner
def _lasso(b, gram, penalty, step, momentum, rounds, w, work):
    """The weights of the segments of a video by FISTA from zero, a fixed number of rounds.

    A segment whose round changes nothing is done: all later rounds would leave it as it is.

    Mirrors :func:`avreplay.core.reference_scope.lasso`.

    b : (T, L) float32, products of segments and texts
    gram : (L, L) float32, products of texts
    penalty : (T, L) float32
    step : float32
    momentum : (R,) float32, of each round
    rounds : int, at most R
    w : (T, L) float32, written
    work : (2, L) float32, working memory
    """
    labels, two, zero = b.shape[1], np.float32(2.0), np.float32(0.0)
    y, total = work[0], work[1]
    for t in range(b.shape[0]):
        for c in range(labels):
            y[c] = zero
            w[t, c] = zero
        for r in range(rounds):
            for c in range(labels):
                total[c] = zero
            for k in range(labels):
                if y[k] != zero:
                    factor = y[k]
                    for c in range(labels):
                        total[c] += factor * gram[k, c]
            m = momentum[r]
            changed = 0
            for c in range(labels):
                before = w[t, c]
                after = y[c] - (two * (total[c] - b[t, c]) + penalty[t, c]) * step
                after = after if after > zero else zero
                changed |= (after != before) | (y[c] != before)
                y[c] = after + m * (after - before)
                w[t, c] = after
            if changed == 0:
                break


@inner
def _describe(w, b, gram, by_reliability, g, prior):
    """The reliability of each label in each segment, and its prior in the video.

    Mirrors :func:`avreplay.core.reference_scope.described`.

    w : (T, L) float32, weights
    b : (T, L) float32, products of segments and texts
    gram : (L, L) float32, products of texts
    by_reliability : bool, the prior is the highest reliability, not the highest share
    g : (T, L) float32, written
    prior : (L,) float32, written
    """
    labels = w.shape[1]
    for c in range(labels):
        prior[c] = np.float32(0.0)
    for t in range(w.shape[0]):
        most, dot, square = np.float32(0.0), 0.0, 0.0
        for c in range(labels):
            most = max(most, w[t, c])
            dot += np.float64(w[t, c]) * np.float64(b[t, c])
        for k in range(labels):
            if w[t, k] != np.float32(0.0):
                row = 0.0
                for c in range(labels):
                    row += np.float64(w[t, c]) * np.float64(gram[k, c])
                square += row * np.float64(w[t, k])
        quality = np.float32(min(max(dot / max(math.sqrt(max(square, 0.0)), 1e-8), 0.0), 1.0))
        for c in range(labels):
            share = w[t, c] / (most + np.float32(1e-8))
            g[t, c] = share * quality
            prior[c] = max(prior[c], g[t, c] if by_reliability else share)


@inner
def _z_scores(x, over, z, work):
    """Values less their mean over some labels, in units of the standard deviation, which is returned.

    Mirrors :func:`avreplay.core.reference_scope.z_scores`.

    x : (K,) float32
    over : (K,) bool
    z : (K,) float32, written for all labels
    work : (K,) float32, working memory
    """
    labels = x.shape[0]
    n = 0
    for c in range(labels):
        n += over[c]
        work[c] = x[c] if over[c] else np.float32(0.0)
    mean = _row_sum(work) / np.float32(n)
    for c in range(labels):
        z[c] = x[c] - mean
        work[c] = z[c] * z[c] if over[c] else np.float32(0.0)
    sd = np.float32(math.sqrt(_row_sum(work) / np.float32(n)))
    scale = max(sd, np.float32(1e-8))
    for c in range(labels):
        z[c] = z[c] / scale
    return sd


@inner
def _block_sum(x, begin, count):
    """A sum of at most 128 numbers in NumPy's order: eight side by side, put together in pairs, then the rest.

    Mirrors :func:`avreplay.core.reference_scope.z_scores`.

    x : (K,) float32
    begin : int, the first of them
    count : int
    """
    total = np.float32(0.0)
    whole = count // 8 * 8
    if whole:
        a, b, c, d = x[begin], x[begin + 1], x[begin + 2], x[begin + 3]
        e, f, g, h = x[begin + 4], x[begin + 5], x[begin + 6], x[begin + 7]
        for i in range(begin + 8, begin + whole, 8):
            a, b, c, d = a + x[i], b + x[i + 1], c + x[i + 2], d + x[i + 3]
            e, f, g, h = e + x[i + 4], f + x[i + 5], g + x[i + 6], h + x[i + 7]
        total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for i in range(begin + whole, begin + count):
        total += x[i]
    return total


@inner
def _row_sum(x):
    """A sum in NumPy's order: halves of more than 128 numbers, whose first has a multiple of eight, are added apart.

    Mirrors :func:`avreplay.core.reference_scope.z_scores`.

    x : (K,) float32
    """
    labels = x.shape[0]
    if labels <= 128:
        return _block_sum(x, 0, labels)
    left = np.empty(64, np.float32)  # the sum of the left half that is waiting for the right one, by depth
    at, value = 0, np.float32(0.0)
    while at < labels:
        begin, count, depth, rights = 0, labels, 0, 0
        while count > 128:
            half = count // 2 - count // 2 % 8
            depth += 1
            if at < begin + half:
                count, rights = half, rights * 2
            else:
                begin, count, rights = begin + half, count - half, rights * 2 + 1
        value = _block_sum(x, begin, count)
        at = begin + count
        while depth and rights % 2:
            value = left[depth] + value
            depth, rights = depth - 1, rights // 2
        left[depth] = value
    return value


@inner
def _logistic(x):
    """The logistic function of a float32, rounded to float32.

    Mirrors :func:`avreplay.core.reference_scope.logistic`.

    x : float32
    """
    return np.float32(1.0 / (1.0 + math.exp(-np.float64(x))))


@inner
def _decide_by_score(w, options, decided, over, z, work):
    """Decisions from the z-scores of weights.

    Mirrors :func:`avreplay.core.reference_scope.probabilities`.

    w : (K,) float32, weights of a segment
    options : (20,) float64
    decided : (K,) bool, written
    over : (K,) bool, working memory
    z : (K,) float32, working memory
    work : (K,) float32, working memory
    """
    labels, tiny, everything = w.shape[0], np.float32(1e-8), options[NORMALISED] != 0
    count = 0
    for c in range(labels):
        over[c] = w[c] > tiny
        count += over[c]
        decided[c] = False
    if count == 0 and not everything:
        return
    scale = count / (options[TEMPERATURE_LABELS] + 1e-8)
    scale = min(max(scale, options[TEMPERATURE_LOW]), options[TEMPERATURE_HIGH])
    single = np.float32(1.0 if options[TEMPERATURE] != 0 else scale)
    if everything:
        for c in range(labels):
            over[c] = True
    flat = _z_scores(w, over, z, work) <= tiny
    threshold, limit = np.float32(options[THRESHOLD]), np.float32(50.0)
    for c in range(labels):
        if flat or (count == 1 and not everything):
            p = np.float32(0.5 if everything else 1.0)
        else:
            p = _logistic(min(max(z[c] / single, -limit), limit))
        decided[c] = over[c] and p > threshold


@inner
def _decide_by_gap(w, decided, order):
    """Decisions from the largest step of the sorted weights.

    Mirrors :func:`avreplay.core.reference_scope.above_largest_gap`.

    w : (K,) float32, weights of a segment
    decided : (K,) bool, written
    order : (K,) int64, working memory
    """
    count = 0
    for c in range(w.shape[0]):
        decided[c] = False
        if w[c] > np.float32(1e-6):
            at = count
            while at > 0 and w[order[at - 1]] < w[c]:
                order[at] = order[at - 1]
                at -= 1
            order[at] = c
            count += 1
    last, largest = -1, np.float32(-1.0)
    for i in range(count):
        step = w[order[i]] - (w[order[i + 1]] if i + 1 < count else np.float32(0.0))
        if step > largest:
            last, largest = i, step
    for i in range(last + 1):
        decided[order[i]] = True


@inner
def _drop_short(decided, least):
    """Take back the decisions for labels that have too few segments.

    Mirrors :func:`avreplay.core.reference_scope.enough_segments`.

    decided : (T, K) bool, changed
    least : float, segments that are enough
    """
    for c in range(decided.shape[1]):
        count = 0
        for t in range(decided.shape[0]):
            count += decided[t, c]
        if count < least:
            for t in range(decided.shape[0]):
                decided[t, c] = False


@inner
def _solve(b, gram, steps, present, options, momentum, w1, w2, g, prior, penalty, work):
    """The weights of both modalities of a video, written to ``w2``.

    Mirrors :func:`avreplay.core.reference_scope.weights`.

    b : (2, T, L) float32, products of segments and texts
    gram : (2, L, L) float32, products of texts
    steps : (2,) float32
    present : (2,) bool, which streams the video has
    options : (20,) float64
    momentum : (R,) float32
    w1 : (2, T, L) float32, written, the first solution
    w2 : (2, T, L) float32, written, the second; the first again where there is one only
    g : (2, T, L) float32, written
    prior : (2, L) float32, written
    penalty : (T, L) float32, working memory
    work : (2, L) float32, working memory
    """
    rounds = int(options[ROUNDS])
    for side in range(2):
        own = np.float32(options[LAMBDA_AUDIO + side])
        penalty[:] = own
        if present[side]:
            _lasso(b[side], gram[side], penalty, steps[side], momentum, rounds, w1[side], work)
        else:
            w1[side] = np.float32(0.0)
        _describe(w1[side], b[side], gram[side], options[PRIOR] != 0, g[side], prior[side])
    if options[STAGES] < 2:
        w2[:] = w1
        return
    for side in range(2):
        own, other = options[LAMBDA_AUDIO + side], 1 - side
        for t in range(b.shape[1]):
            for c in range(b.shape[2]):
                h = np.float64(prior[other, c])
                if options[PRIOR_MODE] == 0:
                    h *= 1 + options[KAPPA] * np.float64(g[other, t, c])
                share = min(max(math.exp(-options[ETA] * h), options[RHO_LOW]), options[RHO_HIGH])
                penalty[t, c] = np.float32(own * (share if present[other] else 1.0))
                if options[ACTIVE_SET] != 0 and w1[side, t, c] <= np.float32(1e-6):
                    penalty[t, c] = np.float32(1e6)
        if present[side]:
            _lasso(b[side], gram[side], penalty, steps[side], momentum, rounds, w2[side], work)
        else:
            w2[side] = np.float32(0.0)


@inner
def _write(decided, begin, columns, mask):
    """Put the decisions of a video where they belong.

    Mirrors :func:`avreplay.core.reference_scope.decisions`.

    decided : (T, K) bool
    begin : int, the video's first segment
    columns : (K,) int64, the labels
    mask : (S, C) uint8, written
    """
    for t in range(decided.shape[0]):
        for c in range(decided.shape[1]):
            if decided[t, c]:
                mask[begin + t, columns[c]] = 1


@kernel
def mixture_block(
    first, b_audio, b_visual, gram, steps, has_audio, has_visual, columns, options, order, momentum, weights, masks
):
    """Decisions of the segments of N videos under P settings, by weights of mixtures.

    Settings that follow each other in the order given and solve the same share the solution.

    Mirrors :func:`avreplay.core.reference_scope.decisions`.

    first : (N + 1,) int64, first segment of each video
    b_audio : (S, L) float32, products of segments and texts
    b_visual : (S, L) float32, likewise
    gram : (2, L, L) float32, products of texts
    steps : (2,) float32, step lengths of the solver
    has_audio : (N,) bool
    has_visual : (N,) bool
    columns : (K,) int64, the labels that compete, K at most L
    options : (P, 20) float64
    order : (P,) int64, of the settings
    momentum : (R,) float32, of each round
    weights : (2, S, L) float32, written: the weights of the last setting; (2, 0, L) where nobody asks
    masks : (P, 3, S, C) uint8, zero, 1 is written where a segment has the label
    """
    labels, padded, longest = len(columns), b_audio.shape[1], 1
    for v in range(len(first) - 1):
        longest = max(longest, first[v + 1] - first[v])
    both, w1 = np.empty((2, longest, padded), np.float32), np.empty((2, longest, padded), np.float32)
    w2, g = np.empty((2, longest, padded), np.float32), np.empty((2, longest, padded), np.float32)
    penalty, prior = np.empty((longest, padded), np.float32), np.empty((2, padded), np.float32)
    work = np.empty((2, padded), np.float32)
    decided, over = np.empty((2, longest, labels), np.bool_), np.empty(labels, np.bool_)
    z, rest, ranks = np.empty(labels, np.float32), np.empty(labels, np.float32), np.empty(labels, np.int64)
    present = np.empty(2, np.bool_)
    for v in range(len(first) - 1):
        begin, end = first[v], first[v + 1]
        n = end - begin
        present[0], present[1] = has_audio[v], has_visual[v]
        both[0, :n] = b_audio[begin:end]
        both[1, :n] = b_visual[begin:end]
        for side in range(2):
            if not present[side]:
                both[side, :n] = np.float32(0.0)
        for at in range(options.shape[0]):
            i = order[at]
            o = options[i]
            new = at == 0
            for j in range(options.shape[1]):
                solves = STAGES <= j <= ACTIVE_SET or j == ROUNDS
                new = new or (solves and o[j] != options[order[at - 1], j])
            if new:
                _solve(
                    both[:, :n], gram, steps, present, o, momentum, w1[:, :n], w2[:, :n], g[:, :n], prior, penalty[:n],
                    work,
                )  # fmt: skip
            for side in range(2):
                for t in range(n):
                    if o[READ_OUT] == GAP:
                        _decide_by_gap(w2[side, t, :labels], decided[side, t], ranks)
                    else:
                        _decide_by_score(w2[side, t, :labels], o, decided[side, t], over, z, rest)
                if not present[side]:
                    decided[side] = False
                _drop_short(decided[side, :n], o[MIN_SEGMENTS])
                _write(decided[side, :n], begin, columns, masks[i, side])
            share = np.float32(o[ALPHA])
            for t in range(n):
                for c in range(labels):
                    decided[0, t, c] = decided[0, t, c] and decided[1, t, c]
                if o[READ_OUT] == GAP:
                    for c in range(labels):
                        a, x = w2[0, t, c], w2[1, t, c]
                        there = a > np.float32(1e-6) and x > np.float32(1e-6)
                        rest[c] = share * a + (np.float32(1.0) - share) * x if there else np.float32(0.0)
                    _decide_by_gap(rest, decided[0, t], ranks)
            if o[READ_OUT] == GAP:
                _drop_short(decided[0, :n], o[MIN_SEGMENTS])
            _write(decided[0, :n], begin, columns, masks[i, 2])
        if weights.shape[1]:
            weights[:, begin:end] = w2[:, :n]


@kernel
def dense_block(first, audio, visual, has_audio, has_visual, columns, options, masks):
    """Decisions of the segments of N videos under P settings, by z-scores of cosines.

    Mirrors :func:`avreplay.core.reference_scope.dense_probabilities`.

    first : (N + 1,) int64, first segment of each video
    audio : (S, C) float32, cosines; (0, C) where no track needs them
    visual : (S, C) float32, likewise
    has_audio : (N,) bool
    has_visual : (N,) bool
    columns : (K,) int64, the labels that compete
    options : (P, 20) float64
    masks : (P, 3, S, C) uint8, zero, 1 is written where a segment has the label
    """
    labels, longest = len(columns), 1
    for v in range(len(first) - 1):
        longest = max(longest, first[v + 1] - first[v])
    decided, over = np.empty((2, longest, labels), np.bool_), np.ones(labels, np.bool_)
    p = np.zeros((2, longest, labels), np.float32)
    z, work, row = np.empty(labels, np.float32), np.empty(labels, np.float32), np.empty(labels, np.float32)
    for v in range(len(first) - 1):
        begin, n = first[v], first[v + 1] - first[v]
        for side in range(2):
            there = has_visual[v] if side else has_audio[v]
            x = visual if side else audio
            for t in range(n):
                if not there or x.shape[0] == 0:
                    p[side, t] = np.float32(-1.0)
                    continue
                for c in range(labels):
                    row[c] = x[begin + t, columns[c]]
                flat = _z_scores(row, over, z, work) <= np.float32(1e-8)
                for c in range(labels):
                    p[side, t, c] = _logistic(np.float32(0.0) if flat else z[c])
        for i in range(options.shape[0]):
            threshold = np.float32(options[i, THRESHOLD])
            for side in range(2):
                for t in range(n):
                    for c in range(labels):
                        decided[side, t, c] = p[side, t, c] > threshold
                _drop_short(decided[side, :n], options[i, MIN_SEGMENTS])
                _write(decided[side, :n], begin, columns, masks[i, side])
            for t in range(n):
                for c in range(labels):
                    decided[0, t, c] = decided[0, t, c] and decided[1, t, c]
            _write(decided[0, :n], begin, columns, masks[i, 2])
