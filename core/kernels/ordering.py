"""Items in the order of their values, group by group. Kernels only."""

from __future__ import annotations

import numpy as np

from .jit import inlined, inner, kernel

BLOCK = 64
"""Numbers of which each is compared with all others, before blocks are merged: vector code, no branch to predict."""


@inner
def ordered(x, n, sign, order, memory):
    """Put the places of n numbers in the order in which ``sign`` times them rises, equal ones as they stand: a merge
    sort.

    Mirrors :func:`avreplay.core.reference_ranking.ordered`.

    x : (n,) float64
    n : int
    sign : float, -1 for falling numbers
    order : (n,) int64, written
    memory : (n,) int64
    """
    for a in range(0, n, BLOCK):
        b = min(a + BLOCK, n)
        for i in range(a, b):
            y = sign * x[i]
            place = a
            for k in range(a, i):
                place += sign * x[k] <= y
            for k in range(i + 1, b):
                place += sign * x[k] < y
            order[place] = i
    width = BLOCK
    while width < n:
        for a in range(0, n, 2 * width):
            b, c = min(a + width, n), min(a + 2 * width, n)
            i, j = a, b
            for k in range(a, c):
                if j >= c or (i < b and sign * x[order[i]] <= sign * x[order[j]]):
                    memory[k] = order[i]
                    i += 1
                else:
                    memory[k] = order[j]
                    j += 1
        for k in range(n):
            order[k] = memory[k]
        width *= 2


DIGIT, DIGITS = 11, 3
"""Bits of a number that one pass looks at, and passes over 32 bits."""
LARGEST = np.uint64(0x7FFFFFFFFFFFFFFF)
UPPER, LOWER = np.uint64(0xFFFFFFFF00000000), np.uint64(0x00000000FFFFFFFF)


@inlined
def _rank(bits):
    """A whole number that is the smaller, the larger a float64 is; of -0.0 that of 0.0.

    Mirrors :func:`avreplay.core.reference_ranking.grouped_order`.

    bits : int64, the float as it lies in memory
    """
    rank = np.uint64(bits) if bits < 0 else LARGEST - np.uint64(bits)
    return rank - np.uint64(rank == LARGEST + np.uint64(1))


@inner
def _by_upper(words, source, n, counts):
    """Put words in the order of their upper halves, equal ones as they stand: a radix sort. Returns the row they are
    in.

    Mirrors :func:`avreplay.core.reference_ranking.grouped_order`.

    words : (2, >= n) uint64, changed
    source : int, the row that holds them
    n : int
    counts : (DIGITS, 2^DIGIT) int64, memory
    """
    mask = np.uint64((1 << DIGIT) - 1)
    counts[:] = 0
    for k in range(n):
        x = words[source, k] >> np.uint64(32)
        for d in range(DIGITS):
            counts[d, np.int64((x >> np.uint64(DIGIT * d)) & mask)] += 1
    for d in range(DIGITS):
        shift = np.uint64(32 + DIGIT * d)
        if counts[d, np.int64((words[source, 0] >> shift) & mask)] == n:
            continue  # all have the same digit
        total = 0
        for b in range(1 << DIGIT):
            total, counts[d, b] = total + counts[d, b], total
        for k in range(n):
            x = words[source, k]
            digit = np.int64((x >> shift) & mask)
            words[1 - source, counts[d, digit]] = x
            counts[d, digit] += 1
        source = 1 - source
    return source


@inner
def _by_rank(place, bits, n, words, counts):
    """Words of which the lower half is which of n items stands there, in the order of their values. Returns the row
    that they are in.

    The upper half of a rank decides nearly always: items are sorted by that, and those that share it by the rest, one
    by one. Only where these are many is the lower half sorted before.

    Mirrors :func:`avreplay.core.reference_ranking.grouped_order`.

    place : (n,) int64, the items of the group
    bits : (E,) int64, the values, float64 as they lie in memory
    n : int
    words : (2, >= n) uint64, written
    counts : (DIGITS, 2^DIGIT) int64, memory
    """
    source = 0
    for k in range(n):
        words[0, k] = (_rank(bits[place[k]]) & UPPER) | np.uint64(k)
    if n > BLOCK:
        source = _by_upper(words, 0, n, counts)
    else:
        source = 1
        for k in range(n):
            at = 0
            for j in range(n):
                at += words[0, j] < words[0, k]
            words[1, at] = words[0, k]
    moves = 0
    for k in range(1, n):
        x = words[source, k]
        if (x ^ words[source, k - 1]) >> np.uint64(32) != 0:
            continue
        rank = _rank(bits[place[np.int64(x & LOWER)]])
        j = k
        while j > 0 and (x ^ words[source, j - 1]) >> np.uint64(32) == 0:
            if _rank(bits[place[np.int64(words[source, j - 1] & LOWER)]]) <= rank:
                break
            words[source, j] = words[source, j - 1]
            j -= 1
        words[source, j] = x
        moves += k - j
        if moves > BLOCK * n:
            break
    if moves > BLOCK * n:
        for k in range(n):
            words[0, k] = (_rank(bits[place[k]]) << np.uint64(32)) | np.uint64(k)
        source = _by_upper(words, 0, n, counts)
        for k in range(n):
            i = words[source, k] & LOWER
            words[source, k] = (_rank(bits[place[np.int64(i)]]) & UPPER) | i
        source = _by_upper(words, source, n, counts)
    return source


@inlined
def _order_groups(starts, place, bits, order):
    """The places of items in the order of their values, those of a group together.

    Mirrors :func:`avreplay.core.reference_ranking.grouped_order`.

    starts : (K + 1,) int64, where the items of each group begin
    place : (E,) int64, the items of one group after the other
    bits : (E,) int64, the values, float64 as they lie in memory
    order : (E,) int64, written
    """
    longest = 0
    for g in range(starts.shape[0] - 1):
        longest = max(longest, starts[g + 1] - starts[g])
    words, counts = np.empty((2, longest), np.uint64), np.empty((DIGITS, 1 << DIGIT), np.int64)
    for g in range(starts.shape[0] - 1):
        first, n = starts[g], starts[g + 1] - starts[g]
        source = _by_rank(place[first : first + n], bits, n, words, counts)
        for k in range(n):
            order[first + k] = place[first + np.int64(words[source, k] & LOWER)]


@kernel
def order_block(key, bits, starts, order, place):
    """The places of items by group and, in each, by falling value, equal ones as they stand.

    Mirrors :func:`avreplay.core.reference_ranking.grouped_order`.

    key : (E,) int64, the group of each item
    bits : (E,) int64, the values, float64 as they lie in memory
    starts : (K + 1,) int64, where the items of each group begin
    order : (E,) int64, written
    place : (E,) int64, memory
    """
    filled = starts.copy()
    for i in range(key.shape[0]):
        place[filled[key[i]]] = i
        filled[key[i]] += 1
    _order_groups(starts, place, bits, order)


@kernel
def change_block(
    setting, label, value, video, tp, fp, others, bits, labels, starts, place, order, out_value, out_video, out_tp,
    out_fp,
):  # fmt: skip
    """Items at which counts change, by setting and label and, in each, by falling value, equal ones as they stand.
    Returns how many these are.

    Mirrors :func:`avreplay.core.reference_ranking.grouped_order`.

    setting : (E,) int64
    label : (E,) int64
    value : (E,) float64
    video : (E,) int64
    tp : (E,) int64
    fp : (E,) int64
    others : (E,) int32, how many other counts change; (0,) without any
    bits : (E,) int64, the values as they lie in memory
    labels : int, C
    starts : (P * C + 1,) int64, written: where the items of each begin
    place : (E,) int64, memory
    order : (E,) int64, written: the items
    out_value : (E,) float64, written: their values, -0.0 as 0.0
    out_video : (E,) int64, written
    out_tp : (E,) int64, written
    out_fp : (E,) int64, written
    """
    more = others.shape[0] > 0
    starts[:] = 0
    for i in range(value.shape[0]):
        starts[setting[i] * labels + label[i] + 1] += (tp[i] | fp[i]) != 0 or (more and others[i] != 0)
    for g in range(starts.shape[0] - 1):
        starts[g + 1] += starts[g]
    filled = starts.copy()
    for i in range(value.shape[0]):
        if (tp[i] | fp[i]) != 0 or (more and others[i] != 0):
            g = setting[i] * labels + label[i]
            place[filled[g]] = i
            filled[g] += 1
    _order_groups(starts, place, bits, order)
    n = starts[starts.shape[0] - 1]
    for k in range(n):
        i = order[k]
        out_value[k], out_video[k], out_tp[k], out_fp[k] = value[i] + 0.0, video[i], tp[i], fp[i]
    return n


@kernel
def group_block(setting, video, label, videos, labels, key, starts):
    """Where the items of each setting, video and label begin. Returns how many of these have any, and -1 where items do
    not stand in their order.

    Mirrors :func:`avreplay.core.reference_ranking.grouped_order`.

    setting : (E,) int64
    video : (E,) int64
    label : (E,) int64
    videos : int, N
    labels : int, C
    key : (E,) int64, written: of each group (setting * N + video) * C + label
    starts : (E + 1,) int64, written: where each begins, and the end of the last
    """
    n = 0
    rises = True
    before = -1
    for i in range(setting.shape[0]):
        x = (setting[i] * videos + video[i]) * labels + label[i]
        rises = rises and x >= before
        if x != before:
            key[n], starts[n] = x, i
            n += 1
        before = x
    starts[n] = setting.shape[0]
    return n if rises else -1
