"""Labels: reading a list, and encoding it for a store. Changing the labels of a store needs no video."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..cache import StoreWriter, Vocabulary, open_store
from ..core.arguments import typed_arguments
from ..core.errors import AvreplayError, DataError, UsageError
from .backbones.base import Backbone, Modality
from .backbones.options import parse_options
from .backbones.registry import class_path, reload_backbone
from .command_options import EmbedTextRequest
from .writing.reference import reference_rows


def read_labels(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Labels from a UTF-8 text file, one a line, in file order; white space around them does not count.

    Raises
    ------
    DataError
        no such file, not UTF-8, no labels, a blank line between labels, or a label twice
    """
    lines = [line.strip() for line in _lines(path, "label")]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise DataError(f"{path} has no labels; write one label a line")
    for number, label in enumerate(lines, 1):
        if not label:
            raise DataError(f"line {number} of {path} is blank; write one label a line")
    _refuse_repeated(path, list(enumerate(lines, 1)))
    return tuple(lines)


def read_ids(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Video ids from a UTF-8 text file, one a line, in file order; blank lines, and ASCII white space around an id, do
    not count.

    Raises
    ------
    DataError
        no such file, not UTF-8, no ids, or an id twice
    """
    numbered = [(number, line.strip(" \t")) for number, line in enumerate(_lines(path, "video id"), 1)]
    numbered = [(number, line) for number, line in numbered if line.strip()]
    if not numbered:
        raise DataError(f"{path} has no video ids; write one id a line")
    _refuse_repeated(path, numbered)
    return tuple(line for _, line in numbered)


def _lines(path: str | os.PathLike[str], what: str) -> list[str]:
    if not os.path.isfile(path) and os.path.exists(path):  # a pipe would be waited for
        raise DataError(f"the {what} list {path} is not a file; give a text file with one {what} a line")
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read().split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text; save it as UTF-8, one {what} a line") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"the {what} list {path} cannot be read: {reason}") from error


def _refuse_repeated(path: str | os.PathLike[str], numbered: list[tuple[int, str]]) -> None:
    first: dict[str, int] = {}
    for number, line in numbered:
        if line in first:
            raise DataError(f"line {number} of {path} repeats {line!r} of line {first[line]}; remove one of them")
        first[line] = number


def encode_labels(backbone: Backbone, labels: Sequence[str]) -> Vocabulary:
    """The text embeddings of labels, for sound and for pictures.

    Raises
    ------
    UsageError
        no labels, a blank one, or one twice
    DataError
        the backbone's output has a wrong shape, NaN or infinity; the label is named
    """
    check_labels(labels)
    prompts, texts = {}, {}
    modalities: tuple[tuple[Modality, int], ...] = (
        ("audio", backbone.spec.audio_dim),
        ("visual", backbone.spec.visual_dim),
    )
    for modality, width in modalities:
        what = f"encode_text of backbone {backbone.name!r}"
        try:
            prompts[modality] = tuple(backbone.prompts(labels, modality))
            text = np.asarray(backbone.encode_text(prompts[modality], modality), np.float32)
        except AvreplayError:
            raise
        except Exception as error:
            raise DataError(f"{what} failed for {modality} labels: {type(error).__name__}: {error}") from error
        if text.shape != (len(labels), width):
            raise DataError(f"{what} gave shape {text.shape} and should give {(len(labels), width)} ({modality})")
        bad = np.flatnonzero(~np.isfinite(text).all(axis=1))
        if len(bad):
            raise DataError(f"{what} gave NaN or infinity for the label {labels[bad[0]]!r} ({modality})")
        texts[modality] = text
    return Vocabulary(tuple(labels), prompts["audio"], prompts["visual"], texts["audio"], texts["visual"])


def check_labels(labels: Sequence[str]) -> None:
    """Raises: UsageError for no labels, a blank one, or one twice."""
    if not labels:
        raise UsageError("the list of labels is empty; give at least one")
    for index, label in enumerate(labels):
        if not label.strip():
            raise UsageError(f"label {index + 1} is blank")
        if label in labels[:index]:
            raise UsageError(f"the label {label!r} is given twice")


def embed_text(request: EmbedTextRequest) -> tuple[str, ...]:
    """Give a store the labels of a file; returns them. Raises as `read_labels` and `embed_labels` do."""
    labels = read_labels(request.labels_file)
    embed_labels(request.store, labels, backbone=request.backbone, **parse_options(request.backbone_settings))
    return labels


@typed_arguments
def embed_labels(
    store_url: str | os.PathLike[str],
    labels: Sequence[str],
    *,
    backbone: Backbone | type[Backbone] | str | None = None,
    **backbone_options: Any,
) -> None:
    """Give a store another list of labels: encode their prompts, and write the scores again. Needs no video.

    The backbone is made from the store's declaration. A store made by a class that is not of this package remembers
    where it lies (``module:Class``), so that another process finds it.

    Parameters
    ----------
    store_url : a local path or fsspec URL
    labels : in the order of the store's columns
    backbone : the store's backbone, where it cannot be found by what the store declares: a `Backbone`, its class, a
        name, or ``package.module:Class``
    backbone_options : further options of the backbone, such as a device or a folder of weights

    Raises
    ------
    DataError
        no store there, a store without a backbone, or a backbone that is not the declared one any more, or that has
        other weights than the store was made with
    UsageError
        wrong labels; a backbone that is not known or cannot be imported here
    """
    check_labels(labels)
    store = open_store(store_url)
    found = reload_backbone(
        store.config.get("backbone", {}), store.backbone_class, backbone=backbone, **backbone_options
    )
    vocabulary = encode_labels(found, labels)
    with StoreWriter.open(store_url, store.config, [], backbone_class=class_path(type(found))) as writer:
        writer.check_reference(reference_rows(found))
        writer.set_vocabulary(vocabulary)
        writer.finish()
