"""Settings that a search tried, with the objective of each."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError
from ....core.params.options import OptionSet
from ....core.params.table import ParamTable
from ..log_lines import ANEW
from ..space import Dimension


@dataclass(frozen=True, eq=False)
class Tried:
    """P settings and the objective of each (P,) on some videos, NaN where it is undefined."""

    table: ParamTable[Any]
    values: NDArray[np.float64]

    def ranked(self, count: int | None = None) -> NDArray[np.int64]:
        """Settings from the best down, of equals the first first; those whose objective is undefined are left out.

        Values are compared to nine places, so that the order in which videos are summed decides nothing.
        """
        rounded = np.round(self.values, 9)
        order = np.argsort(-rounded, kind="stable")
        return order[: int((~np.isnan(rounded)).sum())][:count]

    def best(self, count: int) -> Tried:
        """The best of them, in order."""
        return self.take(self.ranked(count))

    def take(self, rows: NDArray[np.int64]) -> Tried:
        """Some of them, in the order given."""
        return Tried(self.table.take(rows), self.values[rows])

    @staticmethod
    def all_of(parts: Sequence[Tried]) -> Tried:
        """Several of the same options, one after the other."""
        return Tried(ParamTable.joined([p.table for p in parts]), np.concatenate([p.values for p in parts]))


def read_tried(path: Path, base: OptionSet, space: Sequence[Dimension], most: int) -> Tried:
    """The ``most`` best of the settings in a trials.csv, in their order there.

    Raises: DataError where it is damaged.
    """
    number = 1
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            at = next(rows).index("objective")
            values = np.array([float(row[at]) for row in rows])
        values[np.isinf(values)] = np.nan  # Optuna's way to say undefined
        rounded = np.round(np.where(np.isnan(values), -np.inf, values), 9)
        kept = np.sort(np.argsort(-rounded, kind="stable")[:most])
        wanted = set(kept.tolist())
        columns: list[list[Any]] = [[] for _ in space]
        with open(path, encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            next(rows)
            for i, row in enumerate(rows):
                number = i + 2
                if i in wanted:
                    for d, column, text in zip(space, columns, row[1:], strict=False):
                        column.append(_value(base, d, text))
    except (ValueError, IndexError, StopIteration, csv.Error) as error:
        raise DataError(f"{path} is damaged in line {number} ({error}); {ANEW}") from error
    table = ParamTable(base, {d.name: np.array(c) for d, c in zip(space, columns, strict=True)})
    return Tried(table, values[kept])


def _value(base: OptionSet, d: Dimension, text: str) -> Any:
    """A value of a dimension from what a table of trials holds; the start's may lie outside of it."""
    if not d.choices:
        return float(text)
    known = next((c for c in d.choices if str(c) == text), None)
    return getattr(base.override({d.name: text}), d.name) if known is None else known
