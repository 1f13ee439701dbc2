"""Options of settings as rows of numbers, for kernels that read a setting as one row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .options import OptionSet
from .table import ParamTable

Rows = NDArray[np.float64]
"""(P, K) float64: K options of P settings; of an option with choices, the place of the one chosen among them."""


def option_rows(settings: Sequence[OptionSet], names: Sequence[str]) -> Rows:
    """Some options of P settings of one kind, in the order of their names."""
    choices = _choices(type(settings[0]))
    return np.array([[_number(choices[name], getattr(p, name)) for name in names] for p in settings], np.float64)


def table_rows(table: ParamTable[Any], names: Sequence[str]) -> Rows:
    """The same of the settings of a table."""
    choices = _choices(type(table.base))
    rows = np.repeat(option_rows([table.base], names), len(table), axis=0)
    for j, name in enumerate(names):
        if name in table.columns:
            values, inverse = np.unique(table.columns[name], return_inverse=True)
            rows[:, j] = np.array([_number(choices[name], value) for value in values.tolist()])[inverse]
    return rows


def _choices(of: type[OptionSet]) -> dict[str, Sequence[str] | None]:
    kinds: Any = of
    return {f.name: f.metadata["choices"] for f in fields(kinds)}


def _number(choices: Sequence[str] | None, value: Any) -> float:
    return float(choices.index(value)) if choices else float(value)
