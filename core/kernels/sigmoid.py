"""The logistic function (released sigma of Eq. 1), plain arithmetic that LLVM turns into vector code. Kernels only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .jit import inner, intrinsic

if TYPE_CHECKING:  # the compiler puts them here once it needs them
    from llvmlite import ir
    from numba import types

_LOG2E = 1.4426950408889634
_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
_ROUND = 6755399441055744.0  # 1.5 * 2^52: adding it leaves the nearest integer in the low bits


@intrinsic
def _bits(typingctx, x):
    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), codegen


@intrinsic
def _from_bits(typingctx, i):
    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), codegen


@inner
def _exp(x):
    """exp within 1 ulp; plain arithmetic, so that LLVM turns loops over it into vector code.

    Mirrors :func:`avreplay.core.reference.row_scores`.

    x : float64
    """
    x = min(max(x, -708.0), 708.0)
    shifted = x * _LOG2E + _ROUND
    k = shifted - _ROUND
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    p = 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return p * _from_bits((_bits(shifted) - _bits(_ROUND) + 1023) << 52)


@inner
def sigmoid(z):
    """The logistic function.

    Mirrors :func:`avreplay.core.reference.row_scores`.

    z : float64
    """
    return 1.0 / (1.0 + _exp(-z))


@inner
def sigmoid_single(z):
    """The logistic function rounded to float32, as a float64.

    Mirrors :func:`avreplay.core.reference.row_scores`.

    z : float32 or float64
    """
    return np.float64(np.float32(1.0 / (1.0 + _exp(-np.float64(z)))))
