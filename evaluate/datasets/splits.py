"""Several splits of a dataset at once, as ``--split val,test`` and ``--split all`` name them."""

from __future__ import annotations

import os
from pathlib import Path

from ...core.errors import UsageError, shown
from .annotations import Annotations
from .registry import DATASETS, existing, load_annotations

ALL = "all"
"""Stands for every split of a dataset, unless it has one of this name."""


def split_names(dataset: str, text: str) -> tuple[str, ...]:
    """The splits that a text names, with commas between them.

    ``all`` stands for those of the dataset that do not overlap: what is a part of another one, such as ``train_25`` of
    ``train``, is left out.

    Raises: UsageError for none, one that is named twice, and ``all`` of a dataset that does not list its splits.
    """
    names = tuple(name.strip() for name in text.split(","))
    found = DATASETS.get(dataset)
    if ALL in names and ALL not in found.splits:
        if len(names) > 1:
            raise UsageError(f"--split {text} names {ALL} and others; give one of both")
        if not found.splits:
            raise UsageError(f"the splits of {dataset} are those of its files; name them, say --split val,test")
        whole = set(found.splits)
        return tuple(name for name in found.splits if name.rpartition("_")[0] not in whole)
    if not all(names):
        raise UsageError(f"--split {shown(text)} has an empty name; write names with commas between them")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"--split {text} names {twice} twice; name it once")
    return names


def load_splits(dataset: str, path: str | os.PathLike[str], text: str) -> tuple[Annotations, ...]:
    """The annotations of each split that a text names (:func:`split_names`).

    Of several, each is read from the file that the dataset has for it, where it has one (``val.json`` of a folder).

    Raises: as :func:`split_names` and :func:`.registry.load_annotations`.
    """
    names = split_names(dataset, text)
    if len(names) == 1:
        return (load_annotations(dataset, path, names[0]),)
    found, place = DATASETS.get(dataset), existing(path)
    places: list[Path] = [found.split_path(place, name) or place for name in names]
    return tuple(load_annotations(dataset, one, name) for one, name in zip(places, names, strict=True))
