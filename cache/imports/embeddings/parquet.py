"""A column of embeddings in a Parquet file: one row a video, or one a segment, read row group by row group."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError, UsageError
from ...reading.arrays import FREE, RATIO, human
from ...reading.files import named, open_regular
from ...reading.names import checked_name
from .files import MOST, WHAT, checked_numbers


class ParquetColumn:
    """A column of a Parquet file, its rows by video id; a context manager.

    Attributes
    ----------
    rows : first row and end of each video; the rows of a video follow each other
    bytes : of the column, unpacked
    where : the column and the file, for messages

    Raises
    ------
    UsageError
        pyarrow is not installed
    DataError
        a file that is missing or damaged, has no such column, ids that are no text or whose rows lie apart
    """

    def __init__(self, path: Path, id_column: str, key: str | None) -> None:
        try:
            import pyarrow.parquet as pq
        except ImportError:
            raise UsageError('reading Parquet needs pyarrow: pip install "avreplay[tune]"') from None
        name = named(path)
        with open_regular(path, WHAT) as file:
            size = os.fstat(file.fileno()).st_size
        try:
            self._file = pq.ParquetFile(path, memory_map=False)
            columns = list(self._file.schema_arrow.names)
        except Exception as error:
            raise DataError(f"{name} is not a readable Parquet file ({_first_line(error)}); write it again") from None
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
        meta = self._file.metadata
        groups = [meta.row_group(k) for k in range(meta.num_row_groups)]
        self._starts = np.cumsum([0, *(g.num_rows for g in groups)])
        self.bytes: int = 0
        for group in groups:
            for c in range(group.num_columns):
                column = group.column(c)
                if column.path_in_schema.split(".")[0] in (id_column, self._key):
                    if column.total_uncompressed_size > min(MOST, max(FREE, RATIO * size)):
                        raise DataError(
                            f"{name} has a row group of {human(column.total_uncompressed_size)}; write it in smaller "
                            "ones (row_group_size)"
                        )
                    self.bytes += column.total_uncompressed_size
        self.rows: dict[str, tuple[int, int]] = self._rows(id_column)
        self._group, self._values = -1, None

    def __enter__(self) -> ParquetColumn:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _rows(self, id_column: str) -> dict[str, tuple[int, int]]:
        rows: dict[str, tuple[int, int]] = {}
        last, at = None, 0
        for group in range(len(self._starts) - 1):
            for value in self._column(group, id_column).to_pylist():
                if not isinstance(value, str):
                    raise DataError(f"{self.where}, row {at}: the id {value!r} is no text; save ids as text")
                if value != last:
                    checked_name(value, f"{self.where}, row {at}", "video id")
                    if value in rows:
                        raise DataError(f"{self.where}: the rows of {value!r} do not follow each other; sort by id")
                    rows[value] = (at, at)
                at += 1
                rows[value] = (rows[value][0], at)
                last = value
        return rows

    def _column(self, group: int, name: str) -> Any:
        try:
            return self._file.read_row_group(group, columns=[name], use_threads=False).column(0)
        except Exception as error:
            raise DataError(f"{self.where} is damaged ({_first_line(error)}); write the file again") from None

    def read(self, id: str) -> NDArray[Any]:
        """The array of a video: that of its one row where it is nested twice or more, else its rows as the first axis.

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
        array = checked_numbers(array, f"{self.where} of {id!r}")
        return array[0] if len(array) == 1 and array.ndim > 2 else array


def _first_line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
