"""The position of the highest of many float32 numbers, as vector code. Kernels only.

Comparing floats for a maximum keeps LLVM from using vectors, for the sake of NaN and of the sign of zero. Integers of
the same order do not, and with the position in their low bits the first of equals wins.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .jit import inlined

LOWEST = np.int64(-(2**63))


@intrinsic
def _bits(typingctx, x):
    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(32))

    return types.int32(types.float32), codegen


@inlined
def rank_of(x, c):
    """An integer that is higher for a higher ``x``, and among equals for the lower position.

    Mirrors the arg-max in :func:`avreplay.core.reference.ovavel_labels`.

    x : float32, no NaN
    c : int, position, below 2^31
    """
    bits = np.int64(_bits(x + np.float32(0.0)))  # type: ignore[call-arg]
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
