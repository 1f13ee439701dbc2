"""Items in the order of their values, group by group. Kernels only."""

from __future__ import annotations

import numpy as np

from .jit import inlined, inner, kernel


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
    for i in range(n):
        order[i] = i
    width = 1
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


DIGIT = 11
"""Bits of a number that one pass looks at."""


@inlined
def _rank(bits):
    """A whole number that is the smaller, the larger a float64 is.

    Mirrors :func:`avreplay.core.reference_ranking.grouped_order`.

    bits : int64, the float as it lies in memory
    """
    return np.uint64(bits) if bits < 0 else np.uint64(0x7FFFFFFFFFFFFFFF) - np.uint64(bits)


@kernel
def order_block(key, bits, starts, order, memory):
    """The places of items by group and, in each, by falling value, equal ones as they stand: a radix sort.

    Mirrors :func:`avreplay.core.reference_ranking.grouped_order`.

    key : (E,) int64, the group of each item
    bits : (E,) int64, the values, float64 as they lie in memory
    starts : (K + 1,) int64, where the items of each group begin
    order : (E,) int64, written
    memory : (2, E) int64
    """
    n = key.shape[0]
    mask = np.uint64((1 << DIGIT) - 1)
    counts = np.zeros((6, 1 << DIGIT), np.int64)
    for i in range(n):
        memory[0, i] = i
        x = _rank(bits[i])
        for d in range(6):
            counts[d, np.int64((x >> np.uint64(DIGIT * d)) & mask)] += 1
    source = 0
    for d in range(6):
        shift = np.uint64(DIGIT * d)
        if n == 0 or counts[d, np.int64((_rank(bits[0]) >> shift) & mask)] == n:
            continue  # all have the same digit
        total = 0
        for b in range(1 << DIGIT):
            total, counts[d, b] = total + counts[d, b], total
        for k in range(n):
            i = memory[source, k]
            digit = np.int64((_rank(bits[i]) >> shift) & mask)
            memory[1 - source, counts[d, digit]] = i
            counts[d, digit] += 1
        source = 1 - source
    filled = starts.copy()
    for k in range(n):
        i = memory[source, k]
        order[filled[key[i]]] = i
        filled[key[i]] += 1
