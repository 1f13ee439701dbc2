"""The array of one video, wherever a mapping says that it lies; nothing is read before it is asked for."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError
from ...reading.arrays import human
from .files import MOST, Arrays, ReadTensors, checked_numbers, chosen_name, open_arrays, whole_array
from .found import Found
from .parquet import ParquetColumn
from .patterns import matching_ids
from .plan import ArrayPlan, Where
from .span_files import FileSource

_BLOCK = 64 << 20
"""Bytes that are read ahead of an array of all videos, at most."""


class Source(Protocol):
    """Where the arrays of one modality lie.

    ids : of the videos that it has; None: the list of ids says so
    bytes : of all of them, about
    """

    ids: frozenset[str] | None
    bytes: int

    def read(self, id: str, row: int) -> Found | None:
        """The array of a video; None where there is none. ``row``: of the video in an array of all videos."""
        ...


class KeySource:
    """One array a video, all in one file."""

    def __init__(self, arrays: Arrays, plan: ArrayPlan) -> None:
        assert plan.where.key is not None
        self._arrays, self._plan = arrays, plan
        self._names = matching_ids(plan.where.key, arrays.names(), arrays.path)
        self.ids: frozenset[str] | None = frozenset(self._names)
        self.bytes: int = sum(arrays.nbytes(name) for name in list(self._names.values())[:64]) * (
            max(len(self._names) / 64, 1).__ceil__()
        )

    def read(self, id: str, row: int) -> Found | None:
        name = self._names.get(id)
        if name is None:
            return None
        return Found(whole_array(self._arrays, name), self._plan.axes, f"{name} in {self._arrays.path}")


class WholeSource:
    """One array of all videos: rows of it, or where they follow each other, the segments of each.

    counts : (N,) segments of each row of the list of ids, where the array has no axis ``video``
    """

    ids: frozenset[str] | None = None

    def __init__(self, arrays: Arrays, plan: ArrayPlan, counts: NDArray[np.int64] | None) -> None:
        self._arrays, self._name = arrays, chosen_name(arrays, plan.where.key)
        self._shape = arrays.shape(self._name)
        self._where = f"{self._name} in {arrays.path}" if self._name else arrays.path
        self._flat = plan.axes[0] != "video"
        self._axes = plan.axes if self._flat else plan.axes[1:]
        if len(self._shape) != len(plan.axes):
            raise DataError(f"{self._where} has the shape {self._shape}, and the mapping names the axes {plan.axes}")
        self.bytes: int = arrays.nbytes(self._name) or 4 * int(np.prod(self._shape, dtype=object))
        self._row_of: dict[int, int] | None = None
        self._ends: NDArray[np.int64] | None = None
        if self._flat:
            if counts is None:
                raise DataError(
                    f"{self._where} has no axis 'video'; say how many segments each video has, as segments = {{ path = "
                    "..., key = ... }"
                )
            self._ends = np.cumsum(counts)
            if len(counts) == 0 or self._ends[-1] != self._shape[0]:
                total = int(self._ends[-1]) if len(counts) else 0
                raise DataError(f"{self._where} has {self._shape[0]} segments, and segments sums to {total}")
        self._row_bytes = max(1, self.bytes // max(self._shape[0], 1))
        self._begin, self._ahead = 0, 1
        self._block: NDArray[Any] = np.zeros((0, *self._shape[1:]), np.float32)

    def place(self, listed: int, chosen: NDArray[np.int64]) -> None:
        """Say which videos its rows are: all of the list of ids, or those that ``chosen`` names, in that order.

        Raises: DataError where it has neither number of videos.
        """
        if self._flat or self._shape[0] == listed:
            return
        if self._shape[0] != len(chosen):
            told = f"{listed}" if listed == len(chosen) else f"{listed}, of which {len(chosen)} are chosen"
            raise DataError(
                f"{self._where} holds {self._shape[0]} videos, and the list of ids names {told}; give the list that "
                "the array was made from"
            )
        self._row_of = {row: k for k, row in enumerate(chosen.tolist())}

    def read(self, id: str, row: int) -> Found | None:
        row = row if self._row_of is None else self._row_of[row]
        first, last = row, row + 1
        if self._ends is not None:
            first, last = int(self._ends[row - 1]) if row else 0, int(self._ends[row])
        if (last - first) * self._row_bytes > MOST:
            raise DataError(f"{self._where} holds more than {human(MOST)} of {id!r}; divide it")
        array = self._rows(first, last)
        return Found(array if self._flat else array[0], self._axes, f"{self._where}, row {row}")

    def _rows(self, first: int, last: int) -> NDArray[Any]:
        """Some rows; those behind them are read ahead, the more the longer rows are asked for in order."""
        end = self._begin + len(self._block)
        if not self._begin <= first <= last <= end:
            self._ahead = min(self._ahead * 2, max(1, _BLOCK // self._row_bytes)) if first == end else 1
            self._begin, stop = first, min(max(last, first + self._ahead), self._shape[0])
            self._block = np.zeros((0,))  # it is let go before the next is read
            self._block = checked_numbers(self._arrays.read(self._name, first, stop), self._where)
        return self._block[first - self._begin : last - self._begin]


def open_source(
    folder: Path,
    file: Path | None,
    plan: ArrayPlan,
    hop: float,
    counts: NDArray[np.int64] | None,
    read_tensors: ReadTensors | None,
    opened: ExitStack,
    id_column: str,
    others: Collection[str],
) -> Source:
    """Where the arrays of a modality lie, opened.

    Parameters
    ----------
    folder, file : SOURCE: the folder, and the file where it is one
    hop : seconds from one embedding to the next
    counts : see :class:`WholeSource`
    opened : closes what is opened here
    id_column : of a Parquet file
    others : paths that are of no video

    Raises: DataError for what is missing, damaged or does not fit.
    """
    if plan.where.path is not None and "{id}" in plan.where.path:
        return FileSource(folder, plan, hop, read_tensors, others)
    path = source_path(folder, file, plan.where)
    if path.suffix.lower() in (".parquet", ".pq"):
        return ParquetSource(opened.enter_context(ParquetColumn(path, id_column, plan.where.key)), plan)
    arrays = opened.enter_context(open_arrays(path, read_tensors))
    if plan.where.per_video:
        return KeySource(arrays, plan)
    return WholeSource(arrays, plan, counts)


class ParquetSource:
    """A column of a Parquet file."""

    def __init__(self, column: ParquetColumn, plan: ArrayPlan) -> None:
        self._column, self._axes = column, plan.axes
        self.ids: frozenset[str] | None = frozenset(column.rows)
        self.bytes: int = column.bytes

    def read(self, id: str, row: int) -> Found | None:
        if id not in self._column.rows:
            return None
        array = self._column.read(id)
        if len(array) == 1 and array.ndim == len(self._axes) + 1:  # its one row holds all axes
            array = array[0]
        return Found(array, self._axes, f"{self._column.where} of {id!r}")


def source_path(folder: Path, file: Path | None, where: Where) -> Path:
    """The file that a mapping means. Raises: DataError where it names none and SOURCE is a folder."""
    if where.path is not None:
        return folder / where.path
    if file is None:
        raise DataError(f"{folder} is a folder, and the mapping names no path in it; add path")
    return file
