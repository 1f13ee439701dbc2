"""Values from outside against declared schemas: msgspec says what does not fit, and here the message gets its place."""

from __future__ import annotations

import re
import reprlib
from typing import Any, TypeVar

import msgspec

from ...core.errors import DataError

T = TypeVar("T")

MAX_DEPTH = 32
"""Levels of lists and objects in a value whose form is free."""

_short = reprlib.Repr()
_short.maxlevel, _short.maxdict, _short.maxlist = 2, 3, 3
_short.maxstring, _short.maxlong, _short.maxother = 60, 40, 60
_AT = re.compile(r" - at `(?:key` in `)?\$(?P<path>.*)`$", re.DOTALL)
_STEP = re.compile(r"\.(?P<field>[^.\[]+)|\[(?P<index>\d+|\.\.\.)\]")


def shown(value: Any) -> str:
    """A value for a message: its beginning, however large or deep it is."""
    return _short.repr(value)


def checked(value: Any, schema: type[T], where: str, mend: str = "") -> T:
    """A parsed value as the type that a schema declares; nothing is converted from another type.

    Parameters
    ----------
    value : of JSON or TOML: dict, list, str, int, float, bool or None
    schema : a msgspec.Struct, or another type that msgspec knows
    where : begins the message: the file, and the place in it where that is not the whole
    mend : ends the message

    Raises: DataError with the place in the value, what is expected there, and what is there.
    """
    try:
        return msgspec.convert(value, schema, strict=True)
    except msgspec.ValidationError as error:
        message = str(error)
    except (RecursionError, OverflowError, UnicodeError):
        raise DataError(f"{where} is nested too deeply or holds a number that is too large") from None
    place, found = _locate(value, schema, message)
    at = f"{where}, {place}" if place else where
    got = "" if "missing required field" in message or "unknown field" in message else f" (it is {shown(found)})"
    words = _AT.sub("", message).replace("`", "")
    raise DataError(f"{at}: {words[:1].lower()}{words[1:]}{got}{'; ' + mend if mend else ''}") from None


def refuse_deep(value: Any, where: str, most: int = MAX_DEPTH) -> None:
    """Raises: DataError where lists and objects lie in each other on more than ``most`` levels."""
    level = [value]
    for _ in range(most):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return
    raise DataError(f"{where} is nested on more than {most} levels; write it flatter")


def _children(value: Any) -> list[Any]:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [child for child in inside if isinstance(child, (dict, list))]


def _locate(value: Any, schema: Any, message: str) -> tuple[str, Any]:
    """Where in a value a schema is broken, in words, and what is there.

    msgspec names fields and indices but not the keys of objects with free keys (``[...]``): these are found by halving.
    """
    found = _AT.search(message)
    steps = list(_STEP.finditer(found["path"])) if found else []
    keys: list[Any] = []
    here = value
    for step in steps:
        key: Any
        if step["field"] is not None:
            key = step["field"]
        elif step["index"] == "...":
            if not isinstance(here, dict):
                break
            key = _broken_key(value, keys, here, schema)
        else:
            key = int(step["index"])
        try:
            here = here[key]
        except (KeyError, IndexError, TypeError):
            break
        keys.append(key)
    words = [f"number {key + 1}" if isinstance(key, int) else shown(key) for key in keys]
    return ", ".join(words), here


def _broken_key(value: Any, keys: list[Any], entries: dict[str, Any], schema: Any) -> str:
    names = list(entries)
    while len(names) > 1:
        half = names[: len(names) // 2]
        names = half if _fails(_with(value, keys, {n: entries[n] for n in half}), schema) else names[len(half) :]
    return names[0]


def _with(value: Any, keys: list[Any], entries: dict[str, Any]) -> Any:
    """The value with other entries at a place."""
    if not keys:
        return entries
    first, rest = keys[0], keys[1:]
    copy = list(value) if isinstance(value, list) else dict(value)
    copy[first] = _with(value[first], rest, entries)
    return copy


def _fails(value: Any, schema: Any) -> bool:
    try:
        msgspec.convert(value, schema, strict=True)
    except msgspec.ValidationError:
        return True
    return False
