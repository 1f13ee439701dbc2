"""How arguments reach machine code: as numbers, and named tuples of arrays as one pointer.

Numba hands an array over as seven numbers, and copies a tuple of arrays wherever a field of it is looked at: with a
hundred arrays that is most of what a large kernel is made of, and of what it takes to compile. Of a tuple that comes as
:class:`ByReference`, ``s.fired`` reads one array, and a call passes one number (:mod:`.reference_type`).

What a tuple says of its arrays, not their numbers, is written before the kernel starts and never changes, which is what
lets the compiler read a field once for a whole loop (``invariant.load``).
"""

from __future__ import annotations

from array import array
from typing import Any, NamedTuple

import numpy as np


class ArrayForm(NamedTuple):
    """What makes the type of an array."""

    dtype: Any
    ndim: int
    order: str
    writeable: bool
    aligned: bool


class ByReference:
    """A named tuple of arrays, and of such tuples, as a kernel takes it by reference; the arrays must stay where they
    are, their numbers may change."""

    def __init__(self, held: Any) -> None:
        numbers: list[int] = []
        self.form: tuple[Any, ...] = _describe(held, numbers)
        self.held = held
        self._numbers = array("q", numbers)
        self.address: int = self._numbers.buffer_info()[0]


def _describe(held: Any, numbers: list[int]) -> tuple[Any, ...]:
    """What makes the type of a named tuple; and, appended to ``numbers``, the tuple as Numba lays it out in memory."""
    forms: list[Any] = [type(held)]
    for part in held:
        if isinstance(part, tuple):
            forms.append(_describe(part, numbers))
        else:
            numbers += array_numbers(part)
            forms.append(_array_form(part))
    return tuple(forms)


def array_numbers(given: np.ndarray) -> tuple[int, ...]:
    """An array as Numba hands it over: what counts its references (nothing here), its entries, the bytes of one, where
    they lie, its shape and strides."""
    return (0, 0, given.size, given.itemsize, given.__array_interface__["data"][0], *given.shape, *given.strides)


def _array_form(given: np.ndarray) -> ArrayForm:
    flags = given.flags
    order = "C" if flags.c_contiguous else "F" if flags.f_contiguous else "A"
    return ArrayForm(given.dtype, given.ndim, order, flags.writeable, flags.aligned)


def form_of(given: Any) -> Any:
    """What of an argument makes its type: equal forms are handed over alike, and run the same machine code."""
    if isinstance(given, np.ndarray):
        return _array_form(given)
    if isinstance(given, ByReference):
        return given.form
    for kind in (bool, int, float):  # NumPy's float64 is a float; a bool is an int
        if isinstance(given, kind):
            return kind
    if given is None:
        return None
    raise TypeError(f"a lean kernel takes no {type(given).__name__}")


def form_text(form: Any) -> str:
    """A form in words that are the same in every process."""
    if isinstance(form, tuple):
        return f"({', '.join(map(form_text, form))})"
    if isinstance(form, np.dtype):
        return repr(form.descr)
    return f"{form.__module__}.{form.__qualname__}" if isinstance(form, type) else repr(form)
