"""AV²A's options as numbers: the records that the replay kernels read, as each option declares its fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .av2a import Params
from .options import Column
from .table import ParamTable

COLUMNS: tuple[tuple[str, Column], ...] = tuple((f.name, c) for f in fields(Params) for c in f.metadata["columns"])
"""Every field of a record with the option that it stands for."""

PARAM_DTYPE = np.dtype(
    [(c.name, np.float64 if c.kind == "float" else np.int64) for _, c in COLUMNS] + [("clip_row", np.int64)]
)
"""A :class:`Params` as numbers. ``beta`` is 1 - alpha; ``audio_chunk`` 0 stands for the clip's row; ``norm`` 0 active,
1 all, 2 plain sigmoid, 3 given probabilities; ``clip_row`` which set of clip scores it uses."""

NUMBERS = ("alpha", "tau0", "tau_f", "tau_r", "decay")
"""The parameters of the paper's Table 1. They may differ in every setting of a sweep at no cost; of the other options
each distinct combination costs a :class:`Params`."""

_PROBABILITIES = 3
_FUNCTIONS = [column.value for _, column in COLUMNS]
_options = attrgetter(*(name for name, _ in COLUMNS))
_ROUNDED = [column for _, column in COLUMNS if column.rounded]
_SCORES = [column for _, column in COLUMNS if column.scores and column.name != "norm"]


def to_records(params: Sequence[Params], kind: str) -> tuple[NDArray[Any], list[tuple[Any, ...]]]:
    """Settings as records, and the distinct ways of normalising clip scores among them.

    Parameters
    ----------
    params : P settings
    kind : of the scores, ``similarity`` or ``probability``

    Returns
    -------
    (P,) records of :data:`PARAM_DTYPE`, and Q keys; ``clip_row`` is the index of a record's key
    """
    # the dtype and each row are made of the same declarations
    rows = [[x if f is None else f(x) for f, x in zip(_FUNCTIONS, _options(p), strict=True)] for p in params]
    records = np.array([(*row, 0) for row in rows], PARAM_DTYPE)
    if kind == "probability":
        records["norm"] = _PROBABILITIES
    if (single := records["single"] != 0).any():
        for column in _ROUNDED:
            exact = records[column.name]
            records[column.name] = np.where(single, exact.astype(np.float32), exact)
    keys: dict[tuple[Any, ...], int] = {}
    # the clip scores are over all labels, so normalising over the active ones is the same thing there
    norms = np.maximum(records["norm"], 1).tolist()
    others = zip(*(records[column.name].tolist() for column in _SCORES), strict=True)
    records["clip_row"] = [keys.setdefault(key, len(keys)) for key in zip(norms, others, strict=True)]
    return records, list(keys)


def table_records(
    table: ParamTable[Params], begin: int, end: int, kind: str
) -> tuple[NDArray[Any], list[tuple[Any, ...]]]:
    """Settings ``begin`` to ``end`` of a table, as :func:`to_records` gives them."""
    part = {name: column[begin:end] for name, column in table.columns.items()}
    others = [name for name in part if name not in NUMBERS]
    _, first, inverse = np.unique(table.codes(begin, end, others), return_index=True, return_inverse=True)
    kinds = [table.base.override({n: part[n][i].item() for n in others}) for i in first.tolist()]
    distinct, keys = to_records(kinds, kind)
    records = distinct[inverse]
    single = records["single"] != 0
    for name, column in COLUMNS:
        if name in NUMBERS and name in part:
            exact = part[name].astype(np.float64)
            exact = exact if column.value is None else column.value(exact)
            records[column.name] = np.where(single, exact.astype(np.float32), exact) if column.rounded else exact
    return records, keys
