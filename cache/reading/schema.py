"""Values from outside against declared schemas: msgspec says what does not fit, and here the message gets its place."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from ...core.errors import DataError, did_you_mean, shown
from ...core.names import NAME_PATTERN, NAME_WORDS

T = TypeVar("T")

MAX_DEPTH = 32
"""Levels of lists and objects in a value whose form is free."""

_AT = re.compile(r" - at `(?P<key>key` in `)?\$(?P<path>[^`]*)`$")
_UNKNOWN = re.compile(r"unknown field `(?P<name>.*?)`(?= - at|$)", re.DOTALL)
_STEP = re.compile(r"\.(?P<field>[^.\[]+)|\[(?P<index>\d+|\.\.\.)\]")


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
    path = _AT.search(message)
    place, found = _locate(value, schema, path["path"] if path else "")
    if path and path["key"]:
        found = _broken_key(value, place, found, schema) if isinstance(found, dict) and found else found
    at = ", ".join([where, *(f"number {key + 1}" if isinstance(key, int) else shown(key) for key in place)])
    got = "" if "missing required field" in message or "unknown field" in message else f" (it is {shown(found)})"
    words = _in_words(_AT.sub("", message))
    raise DataError(f"{at}: {words}{got}{'; ' + mend if mend else ''}") from None


def refuse_unknown_keys(table: Any, schema: type[msgspec.Struct], where: str) -> None:
    """Raises: DataError for a key that a table cannot have, with the nearest that it can."""
    known = schema.__struct_fields__
    for key in table if isinstance(table, dict) else ():
        if key not in known:
            hint = did_you_mean(key, known) or f"; it takes {', '.join(sorted(known))}"
            raise DataError(f"{where} has no key {key!r}{hint}")


def _in_words(message: str) -> str:
    """What msgspec says, without its quotes, patterns and whatever a name from outside holds."""
    unknown = _UNKNOWN.search(message)
    if unknown:
        name = unknown["name"]
        return f"object contains unknown field {name if name.isidentifier() and len(name) <= 60 else shown(name)}"
    if repr(NAME_PATTERN) in message:
        return f"expected {NAME_WORDS}"
    words = message[:1].lower() + message[1:].replace("`", "")
    return words if words.isprintable() and len(words) <= 300 else shown(words)


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


def _locate(value: Any, schema: Any, path: str) -> tuple[list[Any], Any]:
    """Where in a value a schema is broken, as keys and indices, and what is there.

    msgspec names fields and indices but not the keys of objects with free keys (``[...]``): these are found by halving.
    """
    keys: list[Any] = []
    here = value
    for step in _STEP.finditer(path):
        key: Any
        if step["field"] is not None:
            key = step["field"]
        elif step["index"] == "...":
            if not isinstance(here, dict) or not here:
                break
            key = _broken_key(value, keys, here, schema)
        else:
            key = int(step["index"])
        try:
            here = here[key]
        except (KeyError, IndexError, TypeError):
            break
        keys.append(key)
    return keys, here


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
