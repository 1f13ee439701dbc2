"""Strings of bits, one a segment (or a label), in words of 64. Kernels only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .jit import inlined, inner, intrinsic

if TYPE_CHECKING:  # the compiler puts them here once it needs them
    from llvmlite import ir
    from numba import types

WORD = 64


@intrinsic
def _count_trailing_zeros(typingctx, x):
    def codegen(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), codegen


@inner
def trailing_zeros(x):
    """How many zeros stand below the lowest one; 64 without a one.

    x : uint64
    """
    return _count_trailing_zeros(x)


@intrinsic
def _count_ones(typingctx, x):
    from numba import types

    def codegen(context, builder, signature, args):
        return builder.ctpop(args[0])

    return types.int64(types.uint64), codegen


@inner
def popcount(x):
    """How many bits are set.

    x : uint64
    """
    return _count_ones(x)


@inner
def set_bits(words, start, end):
    """Set the bits ``start`` to ``end``.

    Mirrors :func:`avreplay.core.reference.runs_of`.

    words : (W,) uint64
    start : int, first bit
    end : int, end (exclusive)
    """
    t = start
    while t < end:
        stop = min(end, (t >> 6 << 6) + WORD)
        words[t >> 6] |= (~np.uint64(0) >> np.uint64(WORD - (stop - t))) << np.uint64(t & 63)
        t = stop


@inlined
def find_bit(words, at, begin, end, one):
    """The first bit from ``begin`` on that is set, or (``one`` = 0) that is not; ``end`` where there is none.

    Mirrors :func:`avreplay.core.reference.runs_of`.

    words : uint64, flat
    at : int, the word that holds bit 0
    begin : int, first bit looked at
    end : int, end of the bits (exclusive)
    one : int, 1 or 0
    """
    flip = np.uint64(0) if one else ~np.uint64(0)
    t = begin
    while t < end:
        left = (words[at + (t >> 6)] ^ flip) >> np.uint64(t & 63)
        if left:
            return min(t + trailing_zeros(left), end)
        t = (t >> 6 << 6) + WORD
    return end
