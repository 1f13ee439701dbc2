"""Named tuples of arrays handed from kernel to kernel as one pointer. Kernels only.

Numba hands an array over as seven numbers, and copies a tuple of arrays wherever a field of it is looked at: with a
hundred arrays that is most of what a large kernel is made of, and of what it takes to compile. Of a tuple that comes as
:class:`ByReference`, ``s.fired`` reads one array, and a call passes one number.

What a tuple says of its arrays, not their numbers, is written before the kernel starts and never changes, which is what
lets the compiler read a field once for a whole loop (``invariant.load``).
"""

from __future__ import annotations

import hashlib
from array import array
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    NativeValue,
    infer_getattr,
    lower_getattr_generic,
    models,
    register_model,
    typeof_impl,
    unbox,
)


class Reference(types.Type):
    """The Numba type of a pointer to a named tuple; ``held`` is the type of the tuple."""

    def __init__(self, held: Any) -> None:
        self.held = held
        kind = hashlib.sha256(str(held).encode()).hexdigest()[:8]
        super().__init__(f"{held.instance_class.__name__}_{kind}")


@register_model(Reference)
class _ReferenceModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Reference) -> None:
        super().__init__(manager, kind, manager.lookup(kind.held).get_value_type().as_pointer())


@infer_getattr
class _ReferenceFields(AttributeTemplate):
    key = Reference

    def generic_resolve(self, kind: Reference, name: str) -> Any:  # type: ignore[override]
        if name not in kind.held.fields:
            return None
        found = kind.held.types[kind.held.fields.index(name)]
        return Reference(found) if isinstance(found, types.BaseNamedTuple) else found


@lower_getattr_generic(Reference)  # type: ignore[untyped-decorator]
def _read_field(context: Any, builder: Any, kind: Reference, pointer: Any, name: str) -> Any:
    at = kind.held.fields.index(name)
    place = cgutils.gep_inbounds(builder, pointer, 0, at)
    if isinstance(kind.held.types[at], types.BaseNamedTuple):
        return place
    return _read(builder, place, context.get_value_type(kind.held.types[at]))


def _read(builder: Any, place: Any, kind: Any) -> Any:
    """What lies at a place, number by number: of a whole array the optimiser would forget that it never changes."""
    if isinstance(kind, (ir.LiteralStructType, ir.IdentifiedStructType, ir.ArrayType)):
        parts = kind.elements if hasattr(kind, "elements") else [kind.element] * kind.count
        whole = ir.Constant(kind, ir.Undefined)
        for i, part in enumerate(parts):
            whole = builder.insert_value(whole, _read(builder, cgutils.gep_inbounds(builder, place, 0, i), part), i)
        return whole
    number = builder.load(place)
    number.set_metadata("invariant.load", builder.module.add_metadata([]))
    return number


@unbox(Reference)  # type: ignore[untyped-decorator]
def _unboxed(kind: Reference, given: Any, c: Any) -> NativeValue:
    number = c.pyapi.object_getattr_string(given, "address")
    address = c.pyapi.long_as_voidptr(number)
    c.pyapi.decref(number)
    return NativeValue(c.builder.bitcast(address, c.context.get_value_type(kind)), is_error=c.pyapi.c_api_error())


class ByReference:
    """A named tuple of arrays, and of such tuples, as a kernel takes it by reference; the arrays must stay where they
    are, their numbers may change."""

    def __init__(self, held: Any) -> None:
        numbers: list[int] = []
        forms = _describe(held, numbers)
        if forms not in _KINDS:
            _KINDS[forms] = Reference(numba.typeof(held))
        self.kind: Any = _KINDS[forms]
        self._held = held
        self._numbers = array("q", numbers)
        self.address: int = self._numbers.buffer_info()[0]


_KINDS: dict[tuple[Any, ...], Reference] = {}
"""Types by what makes them: Numba takes its time to name the type of many arrays."""


def _describe(held: Any, numbers: list[int]) -> tuple[Any, ...]:
    """What makes the type of a named tuple; and, appended to ``numbers``, the tuple as Numba lays it out in memory: of
    an array what counts its references (nothing here), its entries, the bytes of one, where they lie, its shape and
    strides."""
    forms: list[Any] = [type(held)]
    for part in held:
        if isinstance(part, tuple):
            forms.append(_describe(part, numbers))
        else:
            place = part.__array_interface__["data"]
            numbers += (0, 0, part.size, part.itemsize, place[0], *part.shape, *part.strides)
            forms.append((part.dtype.num, part.ndim, place[1], part.flags.c_contiguous))
    return tuple(forms)


@typeof_impl.register(ByReference)
def _kind_of(given: ByReference, context: Any) -> Reference:
    return given.kind
