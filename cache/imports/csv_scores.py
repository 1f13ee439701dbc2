"""Scores in csv files: one row per video and segment (a column per label), or per video, segment and label."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from .mapping import CsvEntry

CLIP = -1
"""Stands for an empty segment cell: the row holds scores of the whole clip."""


class CsvScores:
    """A csv file, its rows by video and segment.

    Attributes
    ----------
    path : the file
    columns : names in its header
    ids : video ids in the order of their first rows
    segments : (N,) int64, segments of each of them: one more than its last segment

    Raises: DataError for a file that is missing, lacks a column of ``options``, or has rows of another length or
    without an id.
    """

    def __init__(self, path: Path, options: CsvEntry) -> None:
        self.path: Path = path
        self._options = options
        try:
            with path.open(encoding="utf-8-sig", newline="") as handle:
                reader = csv.reader(handle, delimiter=options.separator)
                self.columns: list[str] = [c.strip() for c in next(reader, [])]
                self._rows: list[list[str]] = []
                self._lines: list[int] = []
                for row in reader:
                    if not row:
                        continue
                    if len(row) != len(self.columns):
                        raise DataError(
                            f"{path}, line {reader.line_num}: {len(row)} columns, expected {len(self.columns)}"
                        )
                    self._rows.append(row)
                    self._lines.append(reader.line_num)
        except FileNotFoundError:
            raise DataError(f"there is no score file {path}; check the path") from None
        except (OSError, UnicodeDecodeError, csv.Error, TypeError) as error:
            raise DataError(f"{path} cannot be read as csv: {error}") from error
        names = [r[self._column(options.id)].strip() for r in self._rows]
        if "" in names:
            raise DataError(f"{path}, line {self._lines[names.index('')]}: the row has no {options.id}")
        self.ids: tuple[str, ...] = tuple(dict.fromkeys(names))
        place = {name: i for i, name in enumerate(self.ids)}
        self._video = np.array([place[name] for name in names], np.int64)
        self._segment = np.array([self._segment_of(i) for i in range(len(self._rows))], np.int64)
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
        column = self._column(self._options.label)
        return tuple(dict.fromkeys(r[column].strip() for r in self._rows))

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
            try:
                out[first[v] + t, c] = float(cell)
            except ValueError:
                raise DataError(f"{where}: {cell!r} is not a number") from None
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
            columns = [self._column(pattern.replace("{label}", name)) for name in labels]
            return [(i, c, self._rows[i][k]) for i in rows for c, k in enumerate(columns)]
        value, label = self._column(pattern), self._column(self._options.label)
        number = {name: c for c, name in enumerate(labels)}
        found: list[tuple[int, int, str]] = []
        for i in rows:
            cell, name = self._rows[i][value].strip(), self._rows[i][label].strip()
            if not cell:
                continue
            if name not in number:
                raise DataError(
                    f"{self.path}, line {self._lines[i]}: the label {name!r} is not one of the {len(number)} labels of "
                    "the mapping"
                )
            found.append((i, number[name], cell))
        return found

    def _column(self, name: str) -> int:
        if name not in self.columns:
            raise DataError(f"{self.path} has no column {name!r}; it has {', '.join(self.columns[:12]) or 'none'}")
        return self.columns.index(name)

    def _segment_of(self, row: int) -> int:
        text = self._rows[row][self._column(self._options.segment)].strip()
        if not text:
            return CLIP
        number = int(text) - self._options.first_segment if text.isascii() and text.isdigit() else -1
        if not 0 <= number < 1_000_000:
            raise DataError(
                f"{self.path}, line {self._lines[row]}: the segment {text!r} is not a whole number from "
                f"{self._options.first_segment} on"
            )
        return number

    def _shown(self, row: int) -> str:
        t = int(self._segment[row])
        return "the whole clip" if t == CLIP else f"segment {t + self._options.first_segment}"
