"""Steps on 16 numbers at a time against the arithmetic that they stand for, bit by bit."""

from __future__ import annotations

import numpy as np
from avreplay.core.kernels.jit import kernel
from avreplay.core.kernels.vectors import (
    LANES,
    add_combination,
    add_scaled,
    add_squares,
    aligned,
    bits_above,
    bits_above_each,
    bits_near,
    fill,
    fill_where,
    multiply,
    set_scaled,
    subtract_products,
)
from hypothesis import given, settings
from hypothesis import strategies as st

numbers = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, np.nan, np.inf, -np.inf, 5e-324, 1e300]), st.floats(-2, 2, allow_subnormal=False)
)
lanes = st.lists(numbers, min_size=LANES, max_size=LANES)


@kernel
def every_step(a, b, c, d, x, y, word, out):
    """Each step once, on its own 16 numbers of ``out`` (which begin as ``a``); returns the bits of the comparisons."""
    fill(out, 0, x)
    fill_where(out, 16, word)
    set_scaled(out, 32, x, b, 0)
    add_scaled(out, 48, x, b, 0)
    multiply(out, 64, b, 0)
    subtract_products(out, 80, b, 0, x, c, 0)
    add_combination(out, 96, 3, c, 1, 2, d, 5, 16)
    add_squares(out, 112, 2, d, 3, 20)
    near = bits_near(a, 0, b, 0, c, 0, d, 7, x, y)
    return bits_above(a, 0, x), bits_above_each(a, 0, b, 0), near


def bits(flags) -> int:
    return sum(1 << i for i, flag in enumerate(flags) if flag)


@settings(max_examples=100, deadline=None)
@given(lanes, lanes, lanes, st.lists(numbers, min_size=53, max_size=53), numbers, numbers, st.integers(0, 2**16 - 1))
def test_each_step_is_its_arithmetic(a, b, c, d, x, y, word):
    a, b, c, d = (np.array(v) for v in (a, b, c, d))
    out = np.tile(a, 8)
    above, above_each, near = every_step(a, b, c, d, x, y, np.uint64(word), out)
    combined, squares = a.copy(), a.copy()
    with np.errstate(all="ignore"):
        for i in range(3):
            combined = combined + c[1 + 2 * i] * d[5 + 16 * i : 21 + 16 * i]
        for i in range(2):
            squares = squares + d[3 + 20 * i : 19 + 20 * i] ** 2
        since = d[7:23]
        far = c * (y - np.where(since > x, since, x)) + 1e-9
        want = [
            np.full(LANES, x), np.array([word >> i & 1 for i in range(LANES)], float), x * b, a + x * b, a * b,
            a - (b * x) * c, combined, squares,
        ]  # fmt: skip
        np.testing.assert_array_equal(out.reshape(8, LANES), want)
        assert (above, above_each) == (bits(a > x), bits(a > b))
        assert near == bits(~(np.abs(a - b) > far) & ~((a - b > far) | (a - b < -far)))


def test_aligned_memory_begins_a_cache_line():
    for shape in ((1,), (3, 16), (5,), (7, 32)):
        memory = aligned(*shape)
        assert memory.shape == shape
        assert memory.flags.c_contiguous
        assert memory.ctypes.data % 64 == 0
