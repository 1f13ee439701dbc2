"""Scores in csv files: one row per video and segment (a column per label), or per video, segment and label."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ..reading.csv_file import number, read_table
from .mapping import CsvEntry

CLIP = -1
"""Stands for an empty segment cell: the row holds scores of the whole clip."""

_MAX_SEGMENTS = 1_000_000


class CsvScores:
    """A csv file, its rows by video and segment.

    Attributes
    ----------
    path : the file
    columns : names in its header
    ids : video ids in the order of their first rows
    segments : (N,) int64, segments of each of them: one more than its last segment

    Raises: DataError for a file that is missing or damaged, lacks a column of ``options``, or has rows of another
    length or without an id.
    """

    def __init__(self, path: Path, options: CsvEntry) -> None:
        self.path: Path = path
        self._options = options
        table = read_table(path, "score file", separator=options.separator)
        self._table, self._rows, self._lines = table, table.rows, table.lines
        self.columns: list[str] = list(table.columns)
        id_column, segment_column = table.column(options.id), table.column(options.segment)
        names = [row[id_column] for row in self._rows]
        if "" in names:
            raise DataError(f"{path}, line {self._lines[names.index('')]}: the row has no {options.id}")
        self.ids: tuple[str, ...] = tuple(dict.fromkeys(names))
        place = {name: i for i, name in enumerate(self.ids)}
        self._video = np.array([place[name] for name in names], np.int64)
        self._segment = np.array([self._segment_of(i, segment_column) for i in range(len(self._rows))], np.int64)
        self.segments: NDArray[np.int64] = np.zeros(len(self.ids), np.int64)
        np.maximum.at(self.segments, self._video, self._segment + 1)

    def labels(self, patterns: Sequence[str]) -> tuple[str, ...]:
        """The labels, in the order of the columns that match a pattern with ``{label}``, else of the label column."""
        for pattern in patterns:
            if "{label}" in pattern:
                before, after = pattern.split("{label}", 1)
                shape = re.compile(re.escape(before) + "(.+)" + re.escape(after))
                keys = {self._options.id, self._options.segment}
                matches = [shape.fullmatch(c) for c in self.columns if c not in keys]
                return tuple(m.group(1) for m in matches if m)
        column = self._table.column(self._options.label)
        return tuple(dict.fromkeys(r[column] for r in self._rows))

    def scores(
        self, pattern: str, ids: Sequence[str], segments: NDArray[np.int64] | None, labels: Sequence[str]
    ) -> NDArray[np.float64]:
        """Scores of some videos: (S, C), or those of whole clips (N, C) with ``segments=None``.

        ``pattern`` is a column with one row per label, or contains ``{label}``. Rows of other videos are ignored, as
        are empty cells of a column with one row per label.

        Raises: DataError where a score is missing, duplicated or no number, or its label is unknown.
        """
        counts = np.ones(len(ids), np.int64) if segments is None else segments
        first = np.cumsum(counts) - counts
        place = {name: i for i, name in enumerate(ids)}
        video = np.array([place.get(name, -1) for name in self.ids], np.int64)
        owner = video[self._video] if len(self._rows) else np.zeros(0, np.int64)
        wanted = np.flatnonzero((owner >= 0) & ((self._segment == CLIP) == (segments is None)))
        out = np.full((int(counts.sum()), len(labels)), np.nan)
        filled = np.zeros(out.shape, bool)
        for i, c, cell in self._cells(pattern, wanted.tolist(), labels):
            v = int(owner[i])
            t = max(int(self._segment[i]), 0)
            where = f"{self.path}, line {self._lines[i]}"
            if t >= counts[v]:
                raise DataError(f"{where}: segment {self._shown(i)} of {ids[v]!r} is beyond its {counts[v]} segments")
            if filled[first[v] + t, c]:
                raise DataError(f"{where}: {labels[c]!r} of {ids[v]!r}, {self._shown(i)}, is duplicated; keep one row")
            filled[first[v] + t, c] = True
            column = pattern.replace("{label}", labels[c])
            value = math.nan if cell.lower() == "nan" else number(cell, f"{where}, column {column!r}", float)
            out[first[v] + t, c] = value
        if not filled.all():
            row, c = np.argwhere(~filled)[0].tolist()
            v = int(np.searchsorted(first, row, "right")) - 1
            while counts[v] == 0:
                v -= 1
            part = "the whole clip" if segments is None else f"segment {row - first[v] + self._options.first_segment}"
            raise DataError(f"{self.path} has no {pattern} of {labels[c]!r} for {ids[v]!r}, {part}; add the row")
        return out

    def _cells(self, pattern: str, rows: list[int], labels: Sequence[str]) -> list[tuple[int, int, str]]:
        """(row, label, cell) of every score in some rows."""
        if "{label}" in pattern:
            columns = [self._table.column(pattern.replace("{label}", name)) for name in labels]
            return [(i, c, self._rows[i][k]) for i in rows for c, k in enumerate(columns)]
        value, label = self._table.column(pattern), self._table.column(self._options.label)
        number = {name: c for c, name in enumerate(labels)}
        found: list[tuple[int, int, str]] = []
        for i in rows:
            cell, name = self._rows[i][value], self._rows[i][label]
            if not cell:
                continue
            if name not in number:
                raise DataError(
                    f"{self.path}, line {self._lines[i]}: the label {name!r} is not one of the {len(number)} labels of "
                    "the mapping"
                )
            found.append((i, number[name], cell))
        return found

    def _segment_of(self, row: int, column: int) -> int:
        text, first = self._rows[row][column], self._options.first_segment
        if not text:
            return CLIP
        where = f"{self.path}, line {self._lines[row]}: the segment"
        return number(text, where, int, low=first, high=first + _MAX_SEGMENTS - 1) - first

    def _shown(self, row: int) -> str:
        t = int(self._segment[row])
        return "the whole clip" if t == CLIP else f"segment {t + self._options.first_segment}"
