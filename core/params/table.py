"""Many settings as columns: what a sweep runs over, without a Python object for each setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import UsageError
from .av2a import Params
from .records import to_records

NUMBERS = ("alpha", "tau0", "tau_f", "tau_r", "decay")
"""The parameters of the paper's Table 1. They may differ in every setting at no cost; of the other options each
distinct combination costs a :class:`Params`."""


class ParamTable:
    """P settings: a base, and a column of P values for each option that varies.

    Raises
    ------
    UsageError
        no column, columns of different lengths, an unknown option, a value outside its range
    """

    def __init__(self, base: Params, columns: Mapping[str, ArrayLike]) -> None:
        self.base = base
        self.columns: dict[str, NDArray] = {name: np.asarray(values) for name, values in columns.items()}
        lengths = {len(c) if c.ndim == 1 else -1 for c in self.columns.values()}
        if len(lengths) != 1 or -1 in lengths:
            raise UsageError("a table of settings needs at least one column, and all of one length")
        self._length = lengths.pop()
        ranges = {f.name: f.metadata for f in fields(Params)}
        for name, column in self.columns.items():
            if name not in NUMBERS or column.dtype.kind not in "fiu":
                for value in np.unique(column).tolist():
                    base.override({name: value})
                continue
            meta = ranges[name]
            bad = ~np.isfinite(column) | (column < meta["low"])
            if meta["high"] is not None:
                bad |= column > meta["high"]
            if bad.any():
                base.override({name: float(column[np.flatnonzero(bad)[0]])})

    def __len__(self) -> int:
        return self._length

    def values(self, index: int) -> dict[str, Any]:
        """What setting ``index`` changes in the base."""
        return {name: column[index].item() for name, column in self.columns.items()}

    def params(self, index: int) -> Params:
        """One setting as a :class:`Params`."""
        return self.base.override(self.values(index))

    def records(self, begin: int, end: int, kind: str) -> tuple[np.ndarray, list[tuple]]:
        """Settings ``begin`` to ``end`` as :func:`avreplay.core.params.records.to_records` gives them."""
        part = {name: column[begin:end] for name, column in self.columns.items()}
        code = np.zeros(end - begin, np.int64)
        others = [name for name in part if name not in NUMBERS]
        for name in others:
            distinct, inverse = np.unique(part[name], return_inverse=True)
            code = code * len(distinct) + inverse
        _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
        kinds = [self.base.override({n: part[n][i].item() for n in others}) for i in first.tolist()]
        distinct_records, norms = to_records(kinds, kind)
        records = distinct_records[inverse]
        single = records["single"] != 0
        for name in NUMBERS:
            if name in part:
                column = part[name].astype(np.float64)
                rounded = np.where(single, column.astype(np.float32), column)
                records[name] = rounded if name in ("alpha", "tau_f", "tau_r") else column
                if name == "alpha":
                    rest = 1.0 - column
                    records["beta"] = np.where(single, rest.astype(np.float32), rest)
        return records, norms
