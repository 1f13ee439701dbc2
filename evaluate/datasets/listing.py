"""The datasets with what they are: for ``avreplay datasets``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...core.errors import UsageError
from .registry import DATASETS


def list_datasets() -> list[dict[str, Any]]:
    """Name, one line, number of fixed labels (0: the files bring their own), splits and metric of each; of a broken
    plug-in ``error`` in their place."""
    found: list[dict[str, Any]] = []
    for name in DATASETS:
        try:
            of = DATASETS.get(name)
        except UsageError as error:
            found.append({"name": name, "error": str(error)})
            continue
        about = {"name": name, "about": of.about, "labels": len(of.labels), "splits": list(of.splits)}
        found.append({**about, "metric": of.metric})
    return found


def datasets_text(found: Sequence[Mapping[str, Any]]) -> str:
    """Two lines a dataset: what it is, and its splits and metric."""
    return "\n".join(line for of in found for line in _lines(of))


def _lines(of: Mapping[str, Any]) -> list[str]:
    name = f"{of['name']:<16}"
    if "error" in of:
        return [f"{name}{of['error']}"]
    splits = ", ".join(of["splits"]) or "those of the files"
    return [f"{name}{of['about']}", f"{'':<16}splits {splits}; metric {of['metric']}"]
