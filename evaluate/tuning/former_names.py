"""Searches and settings that were stored before an option got its present name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.params.options import OptionSet, present_name, present_value
from ..files.params_file import present_params
from .space import Dimension


def present_identity(of: type[OptionSet], found: Mapping[str, Any]) -> dict[str, Any]:
    """What a stored search says of itself (``space``: texts of dimensions, ``base``: options), in present names."""
    now = dict(found)
    if isinstance(found.get("base"), Mapping):
        now["base"] = present_params(found["base"])
    if isinstance(found.get("space"), list):
        now["space"] = [_present_text(of, str(text)) for text in found["space"]]
    return now


def _present_text(of: type[OptionSet], text: str) -> str:
    former, _, spec = text.partition("=")
    name = present_name(of, former)
    return f"{name}=" + ",".join(present_value(of, name, value) for value in spec.split(","))


def stored_dimensions(of: type[OptionSet], space: Sequence[Dimension], identity: Mapping[str, Any]) -> list[Dimension]:
    """A search's dimensions as the study that it goes on with, and which says ``identity`` of itself, knows them:
    Optuna tells parameters apart by name."""
    found = []
    for d, text in zip(space, identity.get("space", [d.as_text() for d in space]), strict=True):
        name, _, spec = str(text).partition("=")
        found.append(d if _present_text(of, str(text)) == text else Dimension(name, tuple(spec.split(","))))
    return found


def present_columns(of: type[OptionSet], columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The columns of a table of trials by present names, with present values."""
    found = {}
    for former, column in columns.items():
        name = present_name(of, former)
        words = column.dtype.kind == "U"
        found[name] = np.array([present_value(of, name, v) for v in column.tolist()]) if words else column
    return found
