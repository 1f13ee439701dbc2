"""The error for an array that a score file does not have, shared by the formats."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ...core.errors import DataError

_SHOWN = 12


def missing_array(path: Path, name: str, present: Iterable[str]) -> DataError:
    """The error for an array that a mapping names and a file does not hold; it lists those that are ``present``."""
    names = list(present)
    shown = ", ".join(names[:_SHOWN]) + (f", ... ({len(names)})" if len(names) > _SHOWN else "")
    return DataError(f"{path} has no array {name!r}; it holds {shown or 'none'}")
