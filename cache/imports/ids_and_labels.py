"""Video ids and labels of third-party score files: listed, chosen and renamed by a mapping."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ..reading.csv_file import read_table
from ..reading.files import MIB
from ..reading.lists import listed_lines
from ..reading.names import checked_name
from .mapping import IdEntry, LabelEntry

_MOST = 256 * MIB
"""Bytes of a list of names."""


def choose_labels(entry: LabelEntry, names: Sequence[str], where: str) -> tuple[list[int], list[str]]:
    """The columns to keep, and their labels, in the final order.

    Raises: DataError for a name that the scores do not have or that ``order`` lacks; its message begins with ``where``.
    """
    for key, given in (("ignore", entry.ignore), ("rename", tuple(entry.rename))):
        for name in given:
            if name not in names:
                raise DataError(f"{where}: {key} names {_unknown('label', name, names)}")
    kept = {entry.rename.get(n, n): c for c, n in enumerate(names) if n not in entry.ignore}
    if len(kept) != len([n for n in names if n not in entry.ignore]):
        raise DataError(f"{where}: two labels have the same name; each must be unique after rename")
    if not entry.order:
        return list(kept.values()), list(kept)
    for name in kept:
        if name not in entry.order:
            raise DataError(f"{where}: order lacks the label {name!r}; rename it, or list it under ignore")
    for name in entry.order:
        if name not in kept:
            raise DataError(f"{where}: order names {_unknown('label', name, kept)}")
    return [kept[name] for name in entry.order], list(entry.order)


def final_ids(entry: IdEntry, listed: Sequence[str], rows: NDArray[np.int64], where: str) -> list[str]:
    """The ids of the chosen rows of a list, as the store will have them.

    Raises: DataError for a rename of an id that is not listed, and for a duplicated id.
    """
    known = {name.removeprefix(entry.remove_prefix).removesuffix(entry.remove_suffix) for name in listed}
    for name in entry.rename:
        if name not in known:
            raise DataError(f"{where}: rename names {_unknown('video id', name, known)}")
    ids = [entry.final(listed[r]) for r in rows.tolist()]
    _refuse_duplicates(ids, where)
    return ids


def positions_of(wanted: Sequence[str], ids: Sequence[str], where: str) -> list[int]:
    """The position of each wanted id among the ids. Raises: DataError for one that is missing or duplicated."""
    _refuse_duplicates(wanted, where)
    position = {name: i for i, name in enumerate(ids)}
    for name in wanted:
        if name not in position:
            raise DataError(f"{where} lists {_unknown('video id', name, position)}")
    return [position[name] for name in wanted]


def read_names(file: Path, column: str | None, separator: str) -> list[str]:
    """Names in a text file: its non-empty lines, or one column of a table with a header.

    Raises: DataError where the file is missing or damaged, has no such column, a row lacks it, or a name is none.
    """
    if column is None:
        listed = [
            (f"{file}, line {number}", line.strip()) for number, line in listed_lines(file, "list of names", _MOST)
        ]
    else:
        listed = [
            (where, row[0]) for where, row in read_table(file, "list of names", separator=separator).select([column])
        ]
    return [checked_name(name, where) for where, name in listed]


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f"the {what} {name!r}, which the scores do not have" + (f"; the nearest is {near[0]!r}" if near else "")


def _refuse_duplicates(ids: Sequence[str], where: str) -> None:
    duplicate = next((name for name, count in Counter(ids).items() if count > 1), None)
    if duplicate is not None:
        raise DataError(f"{where}: the video id {duplicate!r} is duplicated; keep one")
