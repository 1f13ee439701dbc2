"""The rule of names, ids of videos and labels: text of one line that is not blank."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from .errors import DataError

MAX_NAME: Final = 1000
"""Characters of a name."""

NAME_WORDS: Final = f"a name of 1 to {MAX_NAME} characters, not blank, without control characters and line ends"

# control characters (Cc), line and paragraph separators, halves of surrogate pairs
_BARRED = r"\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"
NAME_PATTERN: Final = rf"\A(?=[^{_BARRED}]{{1,{MAX_NAME}}}\Z)\s*\S"

_NAME = re.compile(NAME_PATTERN)
_BARRED_CHARACTER = re.compile(f"[{_BARRED}]")


def ids_sha256(ids: Iterable[str]) -> str:
    """A hash of a set of video ids, by which two labs can tell that they have the same ones.

    It is the SHA-256 of the sorted ids, joined by newlines, in UTF-8.
    """
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def is_barred(char: str) -> bool:
    """Whether a character may not stand in a name."""
    return _BARRED_CHARACTER.match(char) is not None


def fits(text: str) -> bool:
    """Whether a text is a name, of whatever length: neither blank nor with what may not stand in one."""
    return bool(text.strip()) and not any(map(is_barred, text))


def escaped(text: str) -> str:
    r"""A name for any text at all: the text itself where it fits.

    Control characters and bytes that are not UTF-8 are written as Python writes them (``\n`` as ``\x0a``, a byte as
    ``\xff``, others as ``\u0085``), with the backslashes of such a text doubled. A text that looks as if it had been
    written so is treated in the same way, so that no two texts give one name.
    """
    if fits(text) and not _LIKE_ESCAPED.search(text):
        return text
    blank = not text.strip()
    return "".join(_code(char) if blank else escaped_character(char) for char in text)


_LIKE_ESCAPED = re.compile(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|\\)")


def escaped_character(char: str) -> str:
    """As `escaped` writes a character."""
    code = ord(char)
    if char == "\\":
        return "\\\\"
    if 0xDC80 <= code <= 0xDCFF:  # how Python holds a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return _code(char) if is_barred(char) else char


def _code(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"


def names_of(values: Any, what: str) -> tuple[str, ...]:
    """Names in a list or an array of one axis; bytes are decoded as UTF-8.

    Raises: DataError for an array of another shape, what is no text, bytes that are not UTF-8, and what breaks the rule
    of names; ``what`` begins the message, say ``labels``.
    """
    if isinstance(values, np.ndarray) and (values.ndim != 1 or values.dtype.kind not in "USO"):
        raise DataError(f"{what} has dtype {values.dtype} and shape {values.shape}; expected a list of strings, (n,)")
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise DataError(f"{what} is {_shown(values)}; expected a list of strings")
    return tuple(_name(value, f"{what}, number {i + 1}") for i, value in enumerate(values))


def _name(value: Any, where: str) -> str:
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError:
            raise DataError(f"{where}: {_shown(value)} is not UTF-8 text; save the names as text") from None
    if not isinstance(value, str):
        raise DataError(f"{where}: {_shown(value)} is no text; expected a list of strings")
    if _NAME.match(value) is None:
        raise DataError(f"{where}: {_shown(value)} is not {NAME_WORDS}; change it")
    return str(value)


def _shown(value: Any) -> str:
    text = repr(value[:40] if isinstance(value, (str, bytes)) else value)
    return text if len(text) <= 80 else f"{text[:80]}..."
