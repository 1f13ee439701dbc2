"""The Numba type of a :class:`.by_reference.ByReference`; imported only to compile."""

from __future__ import annotations

import hashlib
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, lower_getattr_generic, models, register_model, typeof_impl

from .by_reference import ByReference


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


@typeof_impl.register(ByReference)
def _kind_of(given: ByReference, context: Any) -> Reference:
    return Reference(numba.typeof(given.held))
