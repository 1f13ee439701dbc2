"""Tables of text from outside: csv and tab-separated files, gzipped or not, and the numbers in them.

Every reader gets the same: UTF-8 with or without a byte order mark, a header, rows of its length with the line that
each begins in, cells without white space around them; blank lines are skipped.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TypeVar

from ...core.errors import DataError, shown
from .files import MIB, named, read_text

MOST = 512 * MIB
"""Bytes of a table, also when it is unpacked, unless its reader states less."""

MAX_DIGITS = 400
"""Characters of a number."""

_RANGE = 1 << 63
_SAFE = 19
_FORMS: dict[type, re.Pattern[str]] = {
    int: re.compile(r"[0-9]+|-[0-9]*[1-9][0-9]*"),
    float: re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"),
}
N = TypeVar("N", int, float)


@dataclass(frozen=True)
class Table:
    """A header of different names, and its rows.

    path : of the file
    columns : the names in the header
    rows : cells of each row, as many as there are columns
    lines : the line of the file in which each row begins, from 1
    """

    path: str
    columns: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]

    def column(self, name: str) -> int:
        """The place of a column. Raises: DataError where there is none of this name."""
        if name not in self.columns:
            has = ", ".join(map(shown, self.columns[:12])) or "no columns"
            raise DataError(f"{self.path} has no column {shown(name)}; it has {has}")
        return self.columns.index(name)

    def select(self, names: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
        """``(file and line, cells of some columns)`` of each row. Raises: DataError as :meth:`column`."""
        places = [self.column(name) for name in names]
        for line, row in zip(self.lines, self.rows, strict=True):
            yield f"{self.path}, line {line}", [row[k] for k in places]

    def cells(self, names: Sequence[str]) -> list[list[str]]:
        """The cells of some columns, each from the first row to the last. Raises: DataError as :meth:`column`."""
        return [list(map(itemgetter(self.column(name)), self.rows)) for name in names]

    def place(self, row: int) -> str:
        """File and line of a row, counted from 0."""
        return f"{self.path}, line {self.lines[row]}"


def read_table(path: str | os.PathLike[str], what: str, *, separator: str = ",", most: int = MOST) -> Table:
    """A table of a text file, gzipped or not, of up to ``most`` bytes, unpacked ones too.

    Raises: DataError where the file is missing, larger, damaged, not UTF-8, not such a table (unclosed quotes, NUL,
    two columns of one name), or a row has another number of columns than the header.
    """
    return parse_table(read_text(path, what, most), named(path), separator=separator)


def parse_table(text: str, where: str, *, separator: str = ",") -> Table:
    """The table of a text; ``where`` begins the messages. Raises: DataError as :func:`read_table`."""
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{where}, line {line}: there is a NUL byte, which is no text; save the file as UTF-8")
    plain = _plain_table(text, where, separator)
    if plain is not None:
        return plain
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    columns: tuple[str, ...] | None = None
    rows: list[list[str]] = []
    lines: list[int] = []
    begin = 1
    try:
        for raw in reader:
            row = list(map(str.strip, raw))
            line, begin = begin, reader.line_num + 1
            if not row or (len(raw) == 1 and raw[0].isspace()):
                continue
            if columns is None:
                columns = tuple(row)
                if len(set(row)) < len(row):
                    again = next(name for k, name in enumerate(row) if name in row[:k])
                    raise DataError(f"{where}, line {line}: two columns are named {shown(again)}; rename one")
            elif len(row) != len(columns):
                wanted = f"{len(columns)} separated by {_named(separator)}"
                raise DataError(f"{where}, line {line}: {len(row)} columns, expected {wanted}")
            else:
                rows.append(row)
                lines.append(line)
    except csv.Error as error:
        raise DataError(
            f"{where}, line {begin} is not a row of a table: {_reason(error)}; write the row again"
        ) from None
    return Table(where, columns or (), rows, lines)


def _plain_table(text: str, where: str, separator: str) -> Table | None:
    """The table of a text with a row on every line, all of one length, read at once; None where it is none, or where
    something is wrong with it."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        found = list(reader)
    except csv.Error:
        return None
    if not found or reader.line_num != len(found) or len(found[0]) < 2 or len(set(map(len, found))) > 1:
        return None
    if re.search(rf"[^\S\r\n{re.escape(separator)}]", text):  # few tables have white space at all
        found = [list(map(str.strip, row)) for row in found]
    columns = found.pop(0)
    if len(set(columns)) < len(columns):
        return None
    return Table(where, tuple(columns), found, list(range(2, len(found) + 2)))


def number(
    text: str, where: str, kind: type[N], *, low: float = -math.inf, high: float = math.inf, what: str = ""
) -> N:
    """A number that a text writes out in ASCII digits: an int of 64 bits, or a finite float64.

    Parameters
    ----------
    text : without white space around it
    where : begins the message: file and line
    kind : ``int`` or ``float``
    low, high : bounds, included
    what : what it is in the message, say ``a whole second``

    Raises: DataError.
    """
    value: N | None = None
    if text.isdigit() and text.isascii() and len(text) < _SAFE:  # most of them, in half the time
        value = kind(text)
        if low <= value <= high:
            return value
    elif len(text) <= MAX_DIGITS and _FORMS[kind].fullmatch(text):
        value = kind(text)
        if low <= value <= high and (-_RANGE <= value < _RANGE if kind is int else math.isfinite(value)):
            return value
    words = what or ("a whole number" if kind is int else "a number")
    if math.isfinite(low):
        words += f" from {low:g} to {high:g}" if math.isfinite(high) else f" from {low:g} on"
    elif value is not None:
        words += " of 64 bits"
    raise DataError(f"{where}: {shown(text)} is not {words}")


def _reason(error: csv.Error) -> str:
    text = str(error)
    if "expected after" in text:
        return "text follows a closing quote"
    return "a quote is not closed" if "unexpected end" in text else text


def _named(separator: str) -> str:
    return {"\t": "tabs", ",": "commas", ";": "semicolons", " ": "spaces"}.get(separator, repr(separator))
