"""JSON from outside: strict syntax, no repeated names, numbers of a bounded size, no text that is not Unicode."""

from __future__ import annotations

import json
import math
import os
import re
from typing import Any, TypeVar

from ...core.errors import DataError, shown
from .files import MIB, decode_text, named, read_content
from .schema import checked

T = TypeVar("T")

MOST = 1024 * MIB
"""Bytes of a JSON file, unless its reader states less."""

_DIGITS = 19
_LENGTH = 400
_ALIKE = bytes.maketrans(b"123456789E", b"000000000e")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(content: bytes | str, where: str) -> Any:
    """The value of a JSON text; ``where`` begins the message, say the file and the line.

    Raises: DataError for anything that is not strict JSON: NaN and Infinity, a name that is repeated in an object,
    integers of more than 19 digits, numbers beyond float64, text that is not Unicode, or more than about a thousand
    levels.
    """
    text = decode_text(content, where) if isinstance(content, bytes) else content
    try:
        if has_large_numbers(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")):
            value = json.loads(
                text, object_pairs_hook=_unique, parse_constant=_constant, parse_int=_integer, parse_float=_number
            )
        else:  # numbers are not looked at one by one, which saves a third of the time
            value = json.loads(text, object_pairs_hook=_unique, parse_constant=_constant)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise DataError(
            f"{where} is not readable JSON: {error.msg} in line {error.lineno}, column {error.colno}; write it again"
        ) from None
    except UnicodeEncodeError:
        raise DataError(
            f"{where} is not readable JSON: half of a surrogate pair (\\ud800 to \\udfff) is no text"
        ) from None
    except RecursionError:
        raise DataError(f"{where} is not readable JSON: it is nested too deeply; write it flatter") from None
    except ValueError as error:
        raise DataError(f"{where} is not readable JSON: {error}") from None
    return value


def read_json(path: str | os.PathLike[str], what: str, most: int = MOST) -> Any:
    """The value of a JSON file; ``what`` names the kind of file in messages.

    Raises: DataError as :func:`.files.read_content` and :func:`parse_json`.
    """
    return parse_json(read_content(path, what, most), named(path))


def read_json_as(path: str | os.PathLike[str], schema: type[T], what: str, most: int = MOST, mend: str = "") -> T:
    """The value of a JSON file as a schema's type. Raises: DataError, also as :func:`.schema.checked`."""
    return checked(read_json(path, what, most), schema, named(path), mend)


def has_large_numbers(content: bytes) -> bool:
    """Whether a JSON text may hold a number beyond the limits of :func:`_integer` and :func:`_number`."""
    alike = content.translate(_ALIKE)
    for mark in (b"0e000", b"0e+000"):
        at = alike.find(mark)
        while at >= 0:
            begin = at
            while begin and alike[begin - 1] in b"0.-":
                begin -= 1
            if not begin or alike[begin - 1] in b" \t\r\n:,[":
                return True
            at = alike.find(mark, at + 1)
    run = b"0" * (_DIGITS + 1)
    at = alike.find(run)
    while at >= 0:
        end = at
        while alike.startswith(run, end):
            end += len(run)
        if alike[at - 1 : at] != b"." or end - at > _LENGTH - 2 * len(run):
            return True
        at = alike.find(run, end)
    return False


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        again = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"{shown(again)} is duplicated in the same object")
    return found


def _constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number (write null)")


def _integer(text: str) -> int:
    digits = len(text.lstrip("-"))
    if digits > _DIGITS:
        raise ValueError(f"a number has {digits} digits; whole numbers have at most {_DIGITS}")
    return int(text)


def _number(text: str) -> float:
    if len(text) > _LENGTH:
        raise ValueError(f"a number has {len(text)} characters; numbers have at most {_LENGTH}")
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {shown(text)[1:-1]} is beyond the range of float64")
    return value
