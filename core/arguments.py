"""Arguments of another type than a public function declares: one sentence in the place of an error from inside it."""

from __future__ import annotations

import functools
import inspect
import re
import sys
import types
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin

from .errors import AvreplayError, UsageError

P = ParamSpec("P")
R = TypeVar("R")

_NUMBERS: dict[Any, type] = {int: Integral, float: Real}
"""What is taken for a number: also those of NumPy."""

_WORDS = {
    type(None): "None", str: "a text", int: "a whole number", float: "a number", bool: "true or false",
    Callable: "a function",
}  # fmt: skip


def typed_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """A function that says which of its arguments is of another type than its annotations, where it fails for that.

    What works goes on working, whatever its type. Only the outermost type counts, ``Sequence[str]`` takes any sequence;
    types that only a type checker imports take anything but None.

    Raises: UsageError, in the place of what the function raised, naming the argument and what it takes.
    """

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except AvreplayError:
            raise
        except Exception as error:
            refusal = _refusal(function, args, kwargs)
            if refusal is None:
                raise
            raise UsageError(refusal) from error

    return checked


def _refusal(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    """The sentence for the first argument of another type than is declared; None where there is none."""
    signature = inspect.signature(function)
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError:
        return None  # one that is missing or unknown, as Python says itself
    for name, value in given.items():
        parameter = signature.parameters[name]
        if (
            parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
            or parameter.annotation is parameter.empty
        ):
            continue
        declared = _alternatives(parameter.annotation, function)
        if not any(_takes(one, value) for one in declared):
            words = [_in_words(one) for one in declared if one is not ...] or ["something else"]
            takes = " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
            of = function.__qualname__.removesuffix(".__init__")
            return f"{of} takes {takes} as {name!r}, and was given {_shown(value)}"
    return None


def _alternatives(annotation: Any, function: Callable[..., Any]) -> list[Any]:
    """The types that an annotation joins by ``|``; Ellipsis for one that is not known while the program runs."""
    if not isinstance(annotation, str):
        union = get_origin(annotation) in (Union, types.UnionType)
        return (
            [one for part in get_args(annotation) for one in _alternatives(part, function)] if union else [annotation]
        )
    found: list[Any] = []
    for part in re.split(r" \| (?![^\[]*\])", annotation):
        try:
            known = eval(part, vars(sys.modules[function.__module__]))
        except Exception:
            known = ...
        found += [known] if isinstance(known, str) else _alternatives(known, function)
    return found


def _takes(declared: Any, value: Any) -> bool:
    if declared is Any or declared is object:
        return True
    if declared is None or declared is type(None):
        return value is None
    if get_origin(declared) is Literal:
        return value in get_args(declared)
    kind = get_origin(declared) or declared
    if not isinstance(kind, type):
        return value is not None
    if isinstance(value, bool) and kind in _NUMBERS:
        return False
    try:
        return isinstance(value, _NUMBERS.get(kind, kind))
    except TypeError:  # a protocol that cannot be asked
        return value is not None


def _in_words(declared: Any) -> str:
    kind = type(None) if declared is None else get_origin(declared) or declared
    if kind is Literal:
        return " or ".join(map(repr, get_args(declared)))
    name = str(getattr(kind, "__name__", kind))
    return _WORDS.get(kind) or ("a path" if name == "PathLike" else f"a {name}")


def _shown(value: object) -> str:
    if value is None:
        return "None"
    text = repr(value)[:40] if isinstance(value, (str, bytes, int, float)) else ""
    return f"{text} ({type(value).__name__})" if text else f"a {type(value).__name__}"
