"""Lists in text files, one name a line: labels, video ids, lines of annotations. Every reader of such a file has its
lines from here, so that all skip and keep the same."""

from __future__ import annotations

import os

from ...core.errors import DataError
from .files import MIB, decode_text, lines_of, named, read_text

_MOST = 256 * MIB
_IDS = "video ids; write one id a line"


def listed_lines(path: str | os.PathLike[str], what: str, most: int) -> list[tuple[int, str]]:
    """The lines of a UTF-8 text file with their numbers from 1, without spaces and tabs around them.

    Blank lines, of white space of any kind, are skipped; a byte order mark is no part of the first line. Lines end as
    on Unix, Windows or old Macs.

    Raises: DataError as :func:`.files.read_text`.
    """
    return _numbered(read_text(path, what, most))


def _numbered(text: str) -> list[tuple[int, str]]:
    return [(number, line.strip(" \t")) for number, line in enumerate(lines_of(text), 1) if line.strip()]


def read_ids(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Video ids from a UTF-8 text file, one a line, in file order; blank lines, and spaces and tabs around an id, do
    not count.

    Raises
    ------
    DataError
        no such file, not UTF-8, no ids, or an id twice
    """
    return each_once(path, listed_lines(path, "video id list", _MOST), _IDS)


def ids_of_text(content: bytes, where: str) -> tuple[str, ...]:
    """:func:`read_ids` of bytes that were read elsewhere; ``where`` names them in messages."""
    return each_once(where, _numbered(decode_text(content, where)), _IDS)


def each_once(path: str | os.PathLike[str], numbered: list[tuple[int, str]], what: str) -> tuple[str, ...]:
    """The names of numbered lines; ``what`` they are, and the mend, in messages.

    Raises: DataError where there are none, or one is there twice.
    """
    if not numbered:
        raise DataError(f"{named(path)} has no {what}")
    if numbered[0][1][0] in "{[":
        raise DataError(f"{named(path)} is JSON, and no list of {what}")
    first: dict[str, int] = {}
    for number, line in numbered:
        if line in first:
            raise DataError(
                f"line {number} of {named(path)} repeats {line!r} of line {first[line]}; remove one of them"
            )
        first[line] = number
    return tuple(first)
