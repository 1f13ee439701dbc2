"""Rows of a stored array, read by ranges of its one file (:mod:`.array_file`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ..storage.ranges import LocalRanges, Part, Ranges
from . import array_file
from .array_file import Layout

Runs: TypeAlias = Sequence[tuple[int, int]]
"""Consecutive rows, or videos, from a first to before a last one."""


class ArrayRows:
    """One array of a store, of which rows are read.

    Attributes
    ----------
    shape, dtype : of the whole array
    row_bytes : of one row
    """

    def __init__(self, layout: Layout, ranges: Ranges | None, where: str) -> None:
        """``ranges`` is the file of values, whose size the caller has compared; None for an array without values.

        Raises: DataError where the index of the chunks of a local file is damaged.
        """
        self._layout = layout
        self._ranges = ranges
        self._where = where
        self.shape: tuple[int, ...] = layout.shape
        self.dtype: np.dtype[Any] = np.dtype(layout.dtype)
        self.row_bytes: int = layout.row_bytes
        self._chunk_at: NDArray[np.int64] | None = None
        self._indexed = ranges is None
        if isinstance(ranges, LocalRanges):  # on a server it comes with the values where all of them are read
            self._read_index()

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, runs: Runs) -> NDArray[Any]:
        """Rows of runs, one after the other. Raises: DataError where the file or its index is damaged or too short."""
        rows = np.empty((sum(last - first for first, last in runs), *self.shape[1:]), self.dtype)
        if list(runs) == [(0, len(self))]:
            self.read_all(rows)
        elif rows.size:
            self._read_index()
            self._read_into(runs, rows)
        return rows

    def _read_into(self, runs: Runs, rows: NDArray[Any]) -> None:
        flat, done = memoryview(rows.reshape(-1).view(np.uint8)), 0  # type: ignore[arg-type]
        parts: list[Part] = []
        for first, last in runs:
            for at, count in self._placed(first, last):
                parts.append((at, flat[done : done + count]))
                done += count
        self._fill(parts)
        self._refuse_odd_truth(rows)

    def _refuse_odd_truth(self, rows: NDArray[Any]) -> None:
        if self.dtype == np.bool_ and rows.view(np.uint8).max() > 1:
            raise DataError(f"{self._where} is damaged: {array_file.NOT_BOOLEAN}")

    def read_all(self, target: NDArray[Any]) -> None:
        """Read the whole array into memory of its shape and dtype. Raises: as :meth:`read`."""
        if not target.size:
            return
        if self._indexed or not self._read_with_index(target):
            self._read_into([(0, len(self))], target)

    def _read_index(self) -> None:
        if not self._indexed:
            index = np.empty(16 * self._layout.chunks, np.uint8)
            self._fill([(self._layout.chunks * self._layout.chunk_bytes, index.data)])
            self._take_index(index)

    def _take_index(self, index: NDArray[np.uint8]) -> None:
        self._chunk_at = array_file.chunk_order(self._layout, index.tobytes(), self._where)
        self._indexed = True

    def _read_with_index(self, target: NDArray[Any]) -> bool:
        """Values and index in one request of a server; whether the chunks are in the order of the rows."""
        flat = memoryview(target.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
        end = self._layout.chunks * self._layout.chunk_bytes
        rest, index = np.empty(end - len(flat), np.uint8), np.empty(16 * self._layout.chunks, np.uint8)
        self._fill([(0, flat), (len(flat), rest.data), (end, index.data)])
        self._take_index(index)
        if self._chunk_at is not None:
            return False
        self._refuse_odd_truth(target)
        return True

    def pieces(self, rows: int) -> Iterator[NDArray[Any]]:
        """The whole array in pieces of at most so many rows."""
        for first in range(0, len(self), rows):
            yield self.read([(first, min(first + rows, len(self)))])

    def _placed(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Where consecutive rows lie in the file: an offset and a number of bytes, for each part in one piece."""
        if self._chunk_at is None:
            yield first * self.row_bytes, (last - first) * self.row_bytes
            return
        chunk = self._layout.chunk
        cuts = [first, *range((first // chunk + 1) * chunk, last, chunk), last]
        for begin, end in pairwise(cuts):
            at = int(self._chunk_at[begin // chunk]) * chunk + begin % chunk
            yield at * self.row_bytes, (end - begin) * self.row_bytes

    def _fill(self, parts: Sequence[Part]) -> None:
        assert self._ranges is not None
        try:
            self._ranges.fill(parts)
        except EOFError:
            raise DataError(f"{self._where} changed while it was read; read it when its writer has finished") from None
