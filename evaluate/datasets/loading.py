"""Annotations and label lists of a dataset by its name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ...core.errors import DataError, UsageError
from . import ave, llp, ovavebench
from .annotations import Annotations
from .ave import load_ave
from .llp import load_llp
from .native_json import load_own
from .ovavebench import load_ovavebench


def load_annotations(dataset: str, path: str | os.PathLike[str], split: str = "test") -> Annotations:
    """Load annotations: ``llp`` (folder of the four csv files), ``ave`` (test_AVE.json, Annotations.txt, the split
    files, or their folder), ``ovavebench`` (the authors' csv and json, or ``ovavebench.csv.gz``, or their folder),
    ``json`` (this package's own file, or its folder).

    Raises
    ------
    UsageError
        an unknown dataset or split
    DataError
        a missing or malformed file; the message names file and line, an unknown label its nearest match
    """
    loaders: dict[str, Callable[[Path, str], Annotations]] = {
        "llp": load_llp, "ave": load_ave, "ovavebench": load_ovavebench, "json": load_own,
    }  # fmt: skip
    if dataset not in loaders:
        raise UsageError(f"there is no dataset {dataset!r}; datasets are {', '.join(loaders)}")
    place = Path(path)
    if not place.exists():
        raise DataError(f"there are no annotations at {place}; check the path")
    return loaders[dataset](place, split)


def dataset_labels(dataset: str) -> tuple[str, ...]:
    """The label list of a dataset, in its order. Raises UsageError for one that has no fixed list."""
    lists = {"llp": llp.LABELS, "ave": ave.LABELS, "ovavebench": ovavebench.LABELS}
    if dataset not in lists:
        raise UsageError(f"there is no label list of {dataset!r}; there are {', '.join(lists)}")
    return lists[dataset]
