"""Steps on 16 numbers at a time, written for LLVM, which makes of each a few of the machine's vector operations.
Kernels only.

A loop over an array it turns into vector code too, but with a test for overlap before it and a remainder after it,
which for 16 numbers cost several times the work. Each step is the plain arithmetic of its description, lane by lane,
without fused operations: the same bits on every machine. Arrays are float64 and C-contiguous; ``at`` is
where the 16 begin, counted in the whole array: a row of an array, looked at by itself, takes its time to compile.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import intrinsic

LANES = 16


def aligned(*shape: int) -> np.ndarray:
    """An array of float64 that begins where a line of the processor's cache does: 16 numbers that cross one more line
    are read at half the speed, and once more slowly right after they were written."""
    numbers = int(np.prod(shape))
    memory = np.empty(numbers + 7)
    begin = -memory.ctypes.data // 8 % 8
    return memory[begin : begin + numbers].reshape(shape)


class _Code:
    """Writes the code of a step, whose arguments are arrays, each followed by where its 16 numbers begin, and
    numbers."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any) -> None:
        from llvmlite import ir

        self.context, self.builder, self.kinds, self.args = context, builder, signature.args, args
        self.ir = ir
        self.floats = ir.VectorType(ir.DoubleType(), LANES)
        self.undefined = ir.Constant(self.floats, ir.Undefined)
        self.flags = ir.VectorType(ir.IntType(1), LANES)

    def place(self, i: int, at: Any) -> Any:
        from numba.core import cgutils

        data = cgutils.create_struct_proxy(self.kinds[i])(self.context, self.builder, self.args[i]).data
        return self.builder.gep(data, [at])

    def load(self, i: int, at: Any = None) -> Any:
        place = self.place(i, self.args[i + 1] if at is None else at)
        return self.builder.load(self.builder.bitcast(place, self.floats.as_pointer()), align=8)

    def store(self, i: int, value: Any) -> Any:
        place = self.place(i, self.args[i + 1])
        self.builder.store(value, self.builder.bitcast(place, self.floats.as_pointer()), align=8)
        return self.context.get_dummy_value()

    def every(self, number: Any) -> Any:
        first = self.builder.insert_element(self.undefined, number, self.ir.IntType(32)(0))
        zeros = self.ir.Constant(self.ir.VectorType(self.ir.IntType(32), LANES), [0] * LANES)
        return self.builder.shuffle_vector(first, first, zeros)

    def bits(self, flags: Any) -> Any:
        return self.builder.zext(self.builder.bitcast(flags, self.ir.IntType(LANES)), self.ir.IntType(64))


@intrinsic
def fill(typingctx, out, at, x):
    """``out = x``"""
    from numba import types

    def codegen(context, builder, signature, args):
        code = _Code(context, builder, signature, args)
        return code.store(0, code.every(args[2]))

    return types.void(out, types.int64, types.float64), codegen


@intrinsic
def fill_where(typingctx, out, at, word):
    """``out`` is 1 in the lanes whose bits are set, else 0."""
    from numba import types

    def codegen(context, builder, signature, args):
        code = _Code(context, builder, signature, args)
        flags = builder.bitcast(builder.trunc(args[2], code.ir.IntType(LANES)), code.flags)
        return code.store(0, builder.uitofp(flags, code.floats))

    return types.void(out, types.int64, types.uint64), codegen


@intrinsic
def set_scaled(typingctx, out, at, x, values, values_at):
    """``out = x * values``"""
    from numba import types

    def codegen(context, builder, signature, args):
        code = _Code(context, builder, signature, args)
        return code.store(0, builder.fmul(code.every(args[2]), code.load(3)))

    return types.void(out, types.int64, types.float64, values, types.int64), codegen


@intrinsic
def add_scaled(typingctx, out, at, x, values, values_at):
    """``out = out + x * values``"""
    from numba import types

    def codegen(context, builder, signature, args):
        code = _Code(context, builder, signature, args)
        return code.store(0, builder.fadd(code.load(0), builder.fmul(code.every(args[2]), code.load(3))))

    return types.void(out, types.int64, types.float64, values, types.int64), codegen


@intrinsic
def multiply(typingctx, out, at, values, values_at):
    """``out = out * values``"""
    from numba import types

    def codegen(context, builder, signature, args):
        code = _Code(context, builder, signature, args)
        return code.store(0, builder.fmul(code.load(0), code.load(2)))

    return types.void(out, types.int64, values, types.int64), codegen


@intrinsic
def subtract_products(typingctx, out, at, x, x_at, y, z, z_at):
    """``out = out - (x * y) * z`` with one number y"""
    from numba import types

    def codegen(context, builder, signature, args):
        code = _Code(context, builder, signature, args)
        product = builder.fmul(builder.fmul(code.load(2), code.every(args[4])), code.load(5))
        return code.store(0, builder.fsub(code.load(0), product))

    return types.void(out, types.int64, x, types.int64, types.float64, z, types.int64), codegen


@intrinsic
def add_combination(typingctx, out, at, count, x, x_at, x_step, values, values_at, step):
    """``out`` plus, for ``i < count`` in order, the number ``x[x_at + i * x_step]`` times the 16 numbers of ``values``
    that begin at ``values_at + i * step``. The sum stays in registers: one that goes through memory waits for it."""
    from numba import types
    from numba.core import cgutils

    def codegen(context, builder, signature, args):
        code = _Code(context, builder, signature, args)
        total = cgutils.alloca_once(builder, code.floats)
        builder.store(code.load(0), total)
        with cgutils.for_range(builder, args[2]) as loop:
            number = builder.load(code.place(3, builder.add(args[4], builder.mul(loop.index, args[5]))))
            row = code.load(6, builder.add(args[7], builder.mul(loop.index, args[8])))
            builder.store(builder.fadd(builder.load(total), builder.fmul(code.every(number), row)), total)
        return code.store(0, builder.load(total))

    kinds = (out, types.int64, types.int64, x, types.int64, types.int64, values, types.int64, types.int64)
    return types.void(*kinds), codegen


@intrinsic
def add_squares(typingctx, out, at, count, values, values_at, step):
    """``out`` plus, for ``i < count`` in order, the squares of the 16 numbers of ``values`` that begin at
    ``values_at + i * step``."""
    from numba import types
    from numba.core import cgutils

    def codegen(context, builder, signature, args):
        code = _Code(context, builder, signature, args)
        total = cgutils.alloca_once(builder, code.floats)
        builder.store(code.load(0), total)
        with cgutils.for_range(builder, args[2]) as loop:
            row = code.load(3, builder.add(args[4], builder.mul(loop.index, args[5])))
            builder.store(builder.fadd(builder.load(total), builder.fmul(row, row)), total)
        return code.store(0, builder.load(total))

    return types.void(out, types.int64, types.int64, values, types.int64, types.int64), codegen


@intrinsic
def bits_above(typingctx, values, at, threshold):
    """The lanes in which ``values > threshold``, one threshold for all, as bits."""
    from numba import types

    def codegen(context, builder, signature, args):
        code = _Code(context, builder, signature, args)
        return code.bits(builder.fcmp_ordered(">", code.load(0), code.every(args[2])))

    return types.uint64(values, types.int64, types.float64), codegen


@intrinsic
def bits_above_each(typingctx, values, at, thresholds, thresholds_at):
    """The lanes in which ``values > thresholds``, as bits."""
    from numba import types

    def codegen(context, builder, signature, args):
        code = _Code(context, builder, signature, args)
        return code.bits(builder.fcmp_ordered(">", code.load(0), code.load(2)))

    return types.uint64(values, types.int64, thresholds, types.int64), codegen


@intrinsic
def bits_near(typingctx, values, at, centre, centre_at, reach, reach_at, since, since_at, now, then):
    """The lanes in which ``values`` is not farther from ``centre`` than ``reach * (then - max(now, since))``, as bits;
    a billionth counts as near."""
    from numba import types

    def codegen(context, builder, signature, args):
        code = _Code(context, builder, signature, args)
        now, since = code.every(args[8]), code.load(6)
        begin = builder.select(builder.fcmp_ordered(">", since, now), since, now)
        far = builder.fmul(code.load(4), builder.fsub(code.every(args[9]), begin))
        far = builder.fadd(far, code.every(code.ir.DoubleType()(1e-9)))
        away = builder.fsub(code.load(0), code.load(2))
        # either side: of a NaN, which no comparison passes, none is far
        above = builder.fcmp_ordered(">", away, far)
        below = builder.fcmp_ordered("<", away, builder.fsub(code.ir.Constant(code.floats, [-0.0] * LANES), far))
        return code.bits(builder.not_(builder.or_(above, below)))

    kinds = (values, types.int64, centre, types.int64, reach, types.int64, since, types.int64)
    return types.uint64(*kinds, types.float64, types.float64), codegen
