"""A column of embeddings in a Parquet file: one row a video, or one a segment, read row group by row group."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError, UsageError
from ....core.installation import install_command
from ...reading.arrays import FREE, RATIO, human
from ...reading.files import named, open_regular
from ...reading.names import checked_name
from .files import MOST, WHAT, checked_numbers

_FREE_ROWS = 1 << 20
"""Rows that a file may have whatever its size; see :data:`...reading.arrays.RATIO`."""


class ParquetColumn:
    """A column of a Parquet file, its rows by video id; a context manager.

    Attributes
    ----------
    rows : first row and end of each video; the rows of a video follow each other
    bytes : of the column, unpacked, about
    where : the column and the file, for messages

    Raises
    ------
    UsageError
        pyarrow is not installed
    DataError
        a file that is missing or damaged, has no such column, ids that are no text or whose rows lie apart
    """

    def __init__(self, path: Path, id_column: str, key: str | None) -> None:
        name = named(path)
        self._file, size = _opened(path)
        columns = list(self._file.schema_arrow.names)
        others = [c for c in columns if c != id_column]
        if id_column not in columns:
            raise DataError(
                f"{name} has no column {id_column!r} of video ids; it has {', '.join(map(repr, columns[:8]))}: name it "
                "as column in [embeddings.ids]"
            )
        if key is None and len(others) != 1:
            raise DataError(f"{name} has the columns {', '.join(map(repr, columns[:8]))}; name one of them as key")
        self._key = others[0] if key is None else key
        if self._key not in columns:
            raise DataError(f"{name} has no column {key!r}; it has {', '.join(map(repr, columns[:8]))}")
        self.where: str = f"{self._key} in {name}"
        self.bytes: int
        self._starts = _starts(self._file, name, size)
        self.rows: dict[str, tuple[int, int]] = self._rows(id_column)
        self._group = -1
        self._values: Any = None
        self.bytes = self._about()

    def __enter__(self) -> ParquetColumn:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _rows(self, id_column: str) -> dict[str, tuple[int, int]]:
        rows: dict[str, tuple[int, int]] = {}
        last, at = None, 0
        for group in range(len(self._starts) - 1):
            for value in self._column(group, id_column).to_pylist():
                if value != last:
                    _checked_id(value, f"{self.where}, row {at}")
                    if value in rows:
                        raise DataError(f"{self.where}: the rows of {value!r} do not follow each other; sort by id")
                    rows[value] = (at, at)
                at += 1
                rows[value] = (rows[value][0], at)
                last = value
        return rows

    def _column(self, group: int, name: str) -> Any:
        return _column(self._file, group, name, self.where)

    def _about(self) -> int:
        """The bytes of the column, as those of its first row group tell."""
        filled = np.flatnonzero(np.diff(self._starts))
        if not len(filled):
            return 0
        self._group = int(filled[0])
        self._values = self._column(self._group, self._key)
        return int(self._values.nbytes) * int(self._starts[-1]) // len(self._values)

    def read(self, id: str) -> NDArray[Any]:
        """The array of a video, its rows as the first axis.

        Raises: DataError where the lists are of different lengths, hold nothing or no numbers.
        """
        first, end = self.rows[id]
        values: list[Any] = []
        at = first
        while at < end:
            group = int(np.searchsorted(self._starts, at, "right")) - 1
            if group != self._group:
                self._values = None
                self._group, self._values = group, self._column(group, self._key)
            stop = min(end, int(self._starts[group + 1]))
            assert self._values is not None
            values += self._values.slice(at - self._starts[group], stop - at).to_pylist()
            at = stop
        try:
            array = np.array(values)
        except ValueError:
            raise DataError(f"{self.where} of {id!r} has lists of different lengths; save them alike") from None
        return checked_numbers(array, f"{self.where} of {id!r}")


def parquet_names(path: Path, column: str | None) -> list[str]:
    """The names in a column of text; without ``column``, of the only one.

    Raises: DataError and UsageError as :class:`ParquetColumn`.
    """
    file, size = _opened(path)
    name = named(path)
    with file:
        texts = [field.name for field in file.schema_arrow if str(field.type) in ("string", "large_string")]
        if column is None and len(texts) == 1:
            column = texts[0]
        if column is None or column not in file.schema_arrow.names:
            has = ", ".join(map(repr, file.schema_arrow.names[:8]))
            lacks = "" if column is None else f"no column {column!r}, but "
            raise DataError(f"{name} has {lacks}the columns {has}; name that of the ids as column")
        starts = _starts(file, name, size)
        where = f"{column} in {name}"
        return [
            _checked_id(value, f"{where}, row {int(starts[group]) + k}")
            for group in range(len(starts) - 1)
            for k, value in enumerate(_column(file, group, column, where).to_pylist())
        ]


def _checked_id(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise DataError(f"{where}: the id {value!r} is no text; save ids as text")
    return checked_name(value, where, "video id")


def parquet_library() -> Any:
    """``pyarrow.parquet``. Raises: UsageError where it is not installed."""
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise UsageError(f"reading Parquet needs pyarrow: {install_command('parquet')}") from None
    return pq


def _opened(path: Path) -> tuple[Any, int]:
    """A Parquet file and its size in bytes."""
    pq = parquet_library()
    with open_regular(path, WHAT) as file:
        size = os.fstat(file.fileno()).st_size
    try:
        found = pq.ParquetFile(path, memory_map=False, page_checksum_verification=True)
        list(found.schema_arrow.names)
    except Exception as error:
        raise DataError(
            f"{named(path)} is not a readable Parquet file ({_first_line(error)}); write it again"
        ) from None
    return found, size


def _starts(file: Any, name: str, size: int) -> NDArray[np.int64]:
    """The first row of each row group, and the end.

    Raises: DataError where row groups are far larger than the file pays for, too large to be read, or damaged.
    """
    # only what row groups say: asking a damaged one for its columns ends the process in pyarrow
    groups = [file.metadata.row_group(k) for k in range(file.metadata.num_row_groups)]
    rows = [group.num_rows for group in groups]
    if min(rows, default=0) < 0 or sum(rows) != file.metadata.num_rows or sum(rows) > max(_FREE_ROWS, RATIO * size):
        raise DataError(
            f"{name} declares {file.metadata.num_rows} rows in {human(size)}; it is damaged, write it again"
        )
    most = max((group.total_byte_size for group in groups), default=0)
    if most > min(MOST, max(FREE, RATIO * size)):
        raise DataError(f"{name} has a row group of {human(most)}; write it in smaller ones (row_group_size)")
    return np.cumsum([0, *rows])


def _column(file: Any, group: int, name: str, where: str) -> Any:
    try:
        column = file.read_row_group(group, columns=[name], use_threads=False).column(0)
        column.validate(full=True)
    except Exception as error:
        raise DataError(f"{where} is damaged ({_first_line(error)}); write the file again") from None
    rows = file.metadata.row_group(group).num_rows
    if len(column) != rows:
        raise DataError(f"{where} is damaged ({len(column)} of {rows} rows in a row group); write the file again")
    return column


def _first_line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
