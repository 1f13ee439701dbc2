"""Text embeddings that a mapping brings in: arrays with a row a label, beside the list of the labels."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError, shown
from ...layout.fingerprint import vocabulary_id
from ...layout.location import Location
from ...layout.schema import Vocabulary
from ...store import Store
from ..ids_and_labels import read_names
from .files import ReadTensors, chosen_name, open_arrays, whole_array
from .plan import EmbeddingsMapping, TextPlan
from .rows import normalised
from .sources import source_path


def text_labels(folder: Path, plan: EmbeddingsMapping, labels: Sequence[str] | None) -> tuple[str, ...]:
    """The labels: those given, else those of the mapping's list; none where it names none.

    Raises: DataError for a list that is missing, or a label that is listed twice.
    """
    if labels is not None:
        return tuple(labels)
    if plan.text is None or plan.text.labels is None:
        return ()
    file = folder / plan.text.labels
    found = read_names(file, None, ",")
    twice = next((name for k, name in enumerate(found) if name in found[:k]), None)
    if twice is not None:
        raise DataError(f"{file} lists the label {twice!r} twice; keep one")
    return tuple(found)


def text_of_arrays(
    folder: Path,
    file: Path | None,
    plan: EmbeddingsMapping,
    labels: Sequence[str],
    widths: Mapping[str, int],
    read_tensors: ReadTensors | None,
) -> Vocabulary:
    """The vocabulary of a mapping's arrays of text; where a modality has no text, or is absent, its text is 0.

    Raises: DataError for arrays that are missing, damaged, or do not fit the labels and the embeddings.
    """
    text = plan.text
    assert text is not None
    if not labels:
        raise DataError(
            f'{plan.path}: [embeddings.text] names text and no labels; add labels = "labels.txt" (a label a line, '
            "in the order of the rows), or --labels"
        )
    rows = {
        name: _read(folder, file, text, name, plan, len(labels), width, read_tensors)
        if name in text.arrays and name in plan.modalities
        else np.zeros((len(labels), width), np.float32)
        for name, width in widths.items()
    }
    return Vocabulary(tuple(labels), tuple(labels), tuple(labels), rows["audio"], rows["visual"])


def kept_vocabulary(
    url: str | os.PathLike[str], plan: EmbeddingsMapping, labels: Sequence[str], of_arrays: Vocabulary | None
) -> bool:
    """Whether a store has labels already, which an import keeps.

    Raises: DataError where the mapping or the command names other labels, or text of other values for the same.
    """
    place = Location(url)
    stored = None if place.attributes(any_version=True) is None else Store(place).vocabulary
    if stored is None:
        return False
    if labels and tuple(labels) != stored.labels:
        mend = (
            f"leave out labels to keep those of the store, or change them with `avreplay embed-text {place.url} "
            "--labels FILE`"
            if of_arrays is None
            else "give those of the store, with their text embeddings, or import into a new store"
        )
        raise DataError(
            f"{place.url} has the labels {_few(stored.labels, labels)}, and {plan.path} or --labels names "
            f"{_few(labels, stored.labels)}; {mend}"
        )
    if of_arrays is not None and vocabulary_id(of_arrays) != vocabulary_id(stored):
        raise DataError(
            f"{place.url} has other text embeddings of its labels than the arrays that {plan.path} names in "
            "[embeddings.text]; give those it was made with, or import into a new store"
        )
    return True


_SHOWN = 5


def _few(labels: Sequence[str], others: Sequence[str]) -> str:
    """Some labels for a message, from the first on that differs."""
    first = next((k for k, (one, other) in enumerate(zip(labels, others, strict=False)) if one != other), len(others))
    first = max(0, min(first, len(labels) - _SHOWN))
    some = ", ".join(shown(label) for label in labels[first : first + _SHOWN])
    before, after = ("..., " if first else ""), (", ..." if first + _SHOWN < len(labels) else "")
    return f"{before}{some}{after} ({len(labels)})"


def _read(
    folder: Path,
    file: Path | None,
    text: TextPlan,
    name: str,
    plan: EmbeddingsMapping,
    count: int,
    width: int,
    read_tensors: ReadTensors | None,
) -> NDArray[np.float32]:
    path = source_path(folder, file, text.arrays[name])
    with open_arrays(path, read_tensors) as arrays:
        array = whole_array(arrays, chosen_name(arrays, text.arrays[name].key))
    if array.shape != (count, width):
        raise DataError(
            f"{path} has the shape {array.shape}, and {count} labels and {name} embeddings of width {width} need "
            f"{(count, width)}; give text of the same encoder (a row a label), or leave out [embeddings.text]"
        )
    rows = np.ascontiguousarray(array, np.float32)
    if not np.isfinite(rows).all():
        raise DataError(f"{path} holds NaN or infinity; save it again")
    return normalised(rows, text.normalise, text.scale)
