"""JSON from outside: strict syntax, no repeated names, numbers of a bounded size, no text that is not Unicode."""

from __future__ import annotations

import json
import math
import os
import re
from typing import Any, TypeVar

from ...core.errors import DataError
from .files import MIB, decode_text, read_bytes
from .schema import checked

T = TypeVar("T")

MOST = 1024 * MIB
"""Bytes of a JSON file, unless its reader states less."""

_DIGITS = 19
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(content: bytes | str, where: str) -> Any:
    """The value of a JSON text; ``where`` begins the message, say the file and the line.

    Raises: DataError for anything that is not strict JSON: NaN and Infinity, a name that is repeated in an object,
    integers of more than 19 digits, numbers beyond float64, text that is not Unicode, or more than about a thousand
    levels.
    """
    text = decode_text(content, where) if isinstance(content, bytes) else content
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_constant, parse_int=_integer, parse_float=_number
        )
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise DataError(
            f"{where} is not JSON: {error.msg} in line {error.lineno}, column {error.colno}; write it again"
        ) from None
    except UnicodeEncodeError:
        raise DataError(f"{where} holds half of a surrogate pair (\\ud800 to \\udfff), which is no text") from None
    except RecursionError:
        raise DataError(f"{where} is nested too deeply; such a file is not read") from None
    except ValueError as error:
        raise DataError(f"{where} is not readable JSON: {error}") from None
    return value


def read_json(path: str | os.PathLike[str], what: str, most: int = MOST) -> Any:
    """The value of a JSON file; ``what`` names the kind of file in messages.

    Raises: DataError as :func:`.files.read_bytes` and :func:`parse_json`.
    """
    return parse_json(read_bytes(path, what, most), os.fspath(path))


def read_json_as(path: str | os.PathLike[str], schema: type[T], what: str, most: int = MOST, mend: str = "") -> T:
    """The value of a JSON file as a schema's type. Raises: DataError, also as :func:`.schema.checked`."""
    return checked(read_json(path, what, most), schema, os.fspath(path), mend)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        again = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"{again[:60]!r} is duplicated in the same object")
    return found


def _constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number (write null)")


def _integer(text: str) -> int:
    digits = len(text.lstrip("-"))
    if digits > _DIGITS:
        raise ValueError(f"a number has {digits} digits; whole numbers have at most {_DIGITS}")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text[:40]} is beyond the range of float64")
    return value
