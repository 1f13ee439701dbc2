"""The position of the highest of many float32 numbers, as vector code. Kernels only.

Comparing floats for a maximum keeps LLVM from using vectors, for the sake of NaN and of the sign of zero. Integers of
the same order do not, and with the position in their low bits the first of equals wins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .jit import inlined, intrinsic

if TYPE_CHECKING:  # the compiler puts them here once it needs them
    from llvmlite import ir
    from numba import types

LOWEST = np.int64(-(2**63))


@intrinsic
def _bits(typingctx, x):
    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(32))

    return types.int32(types.float32), codegen


@intrinsic
def _order(typingctx, x):
    from llvmlite import ir
    from numba import types

    def codegen(context, builder, signature, args):
        bits = builder.bitcast(builder.fadd(args[0], ir.Constant(ir.FloatType(), 0.0)), ir.IntType(32))
        return _flip_negative(builder, bits)

    return types.int32(types.float32), codegen


@intrinsic
def _value(typingctx, order):
    from llvmlite import ir
    from numba import types

    def codegen(context, builder, signature, args):
        return builder.bitcast(_flip_negative(builder, args[0]), ir.FloatType())

    return types.float32(types.int32), codegen


def _flip_negative(builder, bits):
    """Of a negative number the bits below the sign, which count downwards; its own inverse."""
    from llvmlite import ir

    sign = builder.ashr(bits, ir.IntType(32)(31))
    return builder.xor(bits, builder.and_(sign, ir.IntType(32)(0x7FFFFFFF)))


LOWEST_ORDER, HIGHEST_ORDER = np.int32(-(2**31)), np.int32(2**31 - 1)


@inlined
def order_of(x):
    """An int32 that is higher for a higher ``x``: the extremes of these, 16 at a time, are those of the numbers.

    Mirrors the extremes in :func:`avreplay.core.reference.fused_label`.

    x : float32, no NaN
    """
    return _order(x)


@inlined
def value_of(order):
    """The float32 of an :func:`order_of`.

    Mirrors the extremes in :func:`avreplay.core.reference.fused_label`.

    order : int32
    """
    return _value(order)


@inlined
def rank_of(x, c):
    """An integer that is higher for a higher ``x``, and among equals for the lower position.

    Mirrors the arg-max in :func:`avreplay.core.reference.ovavel_labels`.

    x : float32, no NaN
    c : int, position, below 2^31
    """
    bits = np.int64(_bits(x + np.float32(0.0)))
    # of a negative number the bits below the sign count downwards; adding zero has made -0 to 0
    bits ^= (bits >> 63) & np.int64(0x7FFFFFFF)
    return (bits << 32) | (np.int64(0x7FFFFFFF) - c)


@inlined
def position_of(rank):
    """The position in a :func:`rank_of`.

    Mirrors the arg-max in :func:`avreplay.core.reference.ovavel_labels`.

    rank : int64
    """
    return np.int64(0x7FFFFFFF) - (rank & np.int64(0x7FFFFFFF))
