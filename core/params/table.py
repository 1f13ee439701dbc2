"""Many settings as columns: what a sweep runs over, without a Python object for each setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import UsageError
from .options import OptionSet

P = TypeVar("P", bound=OptionSet)


class ParamTable(Generic[P]):
    """P settings of a decoder: a base, and a column of P values for each option that varies.

    Raises
    ------
    UsageError
        no column, columns of different lengths, an unknown option, a value outside its range
    """

    def __init__(self, base: P, columns: Mapping[str, ArrayLike]) -> None:
        self.base = base
        self.columns: dict[str, NDArray[Any]] = {name: np.asarray(values) for name, values in columns.items()}
        lengths = {len(c) if c.ndim == 1 else -1 for c in self.columns.values()}
        if len(lengths) != 1 or -1 in lengths:
            raise UsageError("a table of settings needs at least one column, and all of one length")
        self._length = lengths.pop()
        numbers = {f.name: f.metadata for f in fields(base) if str(f.type) == "float"}
        for name, column in self.columns.items():
            meta = numbers.get(name)
            if meta is None or column.dtype.kind not in "fiu":
                for value in np.unique(column).tolist():
                    base.override({name: value})
                continue
            bad = ~np.isfinite(column)
            if meta["low"] is not None:
                bad |= column < meta["low"]
            if meta["high"] is not None:
                bad |= column > meta["high"]
            # the first bad value says in its message what the option takes; a good one is checked with the others
            first = np.flatnonzero(bad)[0] if bad.any() else 0
            if len(column):
                base.override({name: float(column[first])})

    def __len__(self) -> int:
        return self._length

    def values(self, index: int) -> dict[str, Any]:
        """What setting ``index`` changes in the base."""
        return {name: column[index].item() for name, column in self.columns.items()}

    def params(self, index: int) -> P:
        """One setting as an object of options."""
        return self.base.override(self.values(index))

    def take(self, rows: NDArray[np.int64]) -> ParamTable[P]:
        """Some of the settings, in the order given."""
        return ParamTable(self.base, {name: column[rows] for name, column in self.columns.items()})

    def part(self, begin: int, end: int) -> ParamTable[P]:
        """The settings from ``begin`` to ``end`` (exclusive), fewer where the table ends."""
        return ParamTable(self.base, {name: column[begin:end] for name, column in self.columns.items()})

    @staticmethod
    def joined(tables: Sequence[ParamTable[P]]) -> ParamTable[P]:
        """The settings of several tables of the same base and options, one table after the other."""
        columns = {n: np.concatenate([t.columns[n] for t in tables]) for n in tables[0].columns}
        return ParamTable(tables[0].base, columns)

    def one_of_each(self, names: Sequence[str]) -> list[int]:
        """The first setting of each combination of the values of some options, in order."""
        return sorted(np.unique(self.codes(0, len(self), names), return_index=True)[1].tolist())

    def codes(self, begin: int, end: int, names: Sequence[str]) -> NDArray[np.int64]:
        """A number for each setting from ``begin`` to ``end`` that tells the combinations of some options apart."""
        code = np.zeros(end - begin, np.int64)
        for name in names:
            if name in self.columns:
                distinct, inverse = np.unique(self.columns[name][begin:end], return_inverse=True)
                code = code * len(distinct) + inverse
        return code
