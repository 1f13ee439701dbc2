"""TOML that a user wrote: a mapping of scores, options of a decoder."""

from __future__ import annotations

import os
import re
import tomllib
from typing import Any

from ...core.errors import DataError, shown
from .files import MIB, decode_text, named, read_text
from .schema import refuse_deep

MOST = MIB // 4
"""Bytes of a TOML file."""

_DOTS = 256
_INTEGER = 1 << 63


def read_toml(path: str | os.PathLike[str], what: str) -> dict[str, Any]:
    """The content of a TOML file; ``what`` names the kind of file in messages, such as ``mapping``.

    Raises: DataError where the file is missing, too large, not TOML, nested too deeply, or holds an integer beyond 64
    bits.
    """
    return _parsed(read_text(path, what, MOST), named(path))


def parse_toml(content: bytes, where: str) -> dict[str, Any]:
    """The content of TOML that was read elsewhere; ``where`` names it in messages. Raises: as :func:`read_toml`."""
    return _parsed(decode_text(content, where), where)


def _parsed(text: str, name: str) -> dict[str, Any]:
    # the time that tomllib takes for a dotted key is quadratic in its parts
    if any(part.count(".") > _DOTS for part in re.findall(r"[^\n,=\[\]{}]+", text.replace(" ", "").replace("\t", ""))):
        raise DataError(f"{name} has a key of more than {_DOTS} parts; write it flatter")
    try:
        found = tomllib.loads(text)
    except RecursionError:
        raise DataError(f"{name} is nested too deeply; write it flatter") from None
    except ValueError as error:
        raise DataError(f"{name} is not readable TOML: {_short(str(error))}") from None
    refuse_deep(found, name)
    _refuse_large(found, name)
    return found


def _short(reason: str) -> str:
    return reason if reason.isprintable() and len(reason) <= 200 else shown(reason)


def _refuse_large(value: Any, where: str) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _refuse_large(inner, f"{where}, {shown(key)}")
    elif isinstance(value, list):
        for inner in value:
            _refuse_large(inner, where)
    elif isinstance(value, int) and not -_INTEGER <= value < _INTEGER:
        raise DataError(f"{where}: an integer is beyond 64 bits; write a smaller number")
