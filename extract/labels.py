"""Labels: reading a list, and encoding it for a store. Changing the labels of a store needs no video."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..cache import Store, StoreWriter, Vocabulary, open_store
from ..cache.inner_stores import backbone_name
from ..cache.reading.files import MIB
from ..cache.reading.lists import each_once, listed_lines
from ..cache.write_rows import ReadEach
from ..core.arguments import typed_arguments
from ..core.errors import AvreplayError, DataError, UsageError
from ..core.logits import checked_logits
from .backbones.base import Backbone, Modality
from .backbones.options import parse_options
from .backbones.registry import class_path, reload_backbone
from .command_options import EmbedTextRequest
from .demo.toy import toy_lines
from .writing.reference import Reference, reference_of

_MOST = 256 * MIB


def read_labels(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Labels from a UTF-8 text file, one a line, in file order; white space around them does not count.

    Blank lines are skipped.

    Raises
    ------
    DataError
        no such file, not UTF-8, no labels, or a label twice
    """
    name = os.fspath(path)
    if re.fullmatch(r"[a-z0-9_]+", name) and not os.path.exists(name):
        raise DataError(
            f"there is no label list {name}; check the path, or write that of a dataset with `avreplay labels {name} > "
            f"{name}.txt`"
        )
    numbered = [(number, line.strip()) for number, line in listed_lines(path, "label list", _MOST)]
    return each_once(path, numbered, "labels; write one label a line")


def encode_labels(backbone: Backbone, labels: Sequence[str]) -> Vocabulary:
    """The text embeddings of labels, for sound, for pictures, and for both where the backbone has a tower for that.

    Raises
    ------
    UsageError
        no labels, a blank one, or one twice
    DataError
        the backbone's output has a wrong shape, NaN or infinity; the label is named
    """
    check_labels(labels)
    prompts, texts = {}, {}
    modalities: list[tuple[Modality, int]] = [
        ("audio", backbone.spec.audio_dim),
        ("visual", backbone.spec.visual_dim),
    ]
    if backbone.spec.audio_visual_dim:
        modalities.append(("audio_visual", backbone.spec.audio_visual_dim))
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
    heard, seen = prompts["audio"], prompts["visual"]
    joint = (prompts["audio_visual"], texts["audio_visual"]) if "audio_visual" in texts else ()
    logits = checked_logits(backbone.logits)
    return Vocabulary(tuple(labels), heard, seen, texts["audio"], texts["visual"], logits, *joint)


def check_labels(labels: Sequence[str]) -> None:
    """Raises: UsageError for no labels, a blank one, or one twice."""
    if not labels:
        raise UsageError("the list of labels is empty; give at least one")
    for index, label in enumerate(labels):
        if not label.strip():
            raise UsageError(f"label {index + 1} is blank")
        if label in labels[:index]:
            raise UsageError(f"the label {label!r} is given twice")


def embed_text(request: EmbedTextRequest, *, report: Callable[[str], None] = print) -> tuple[str, ...]:
    """Give a store the labels of a file; returns them. Raises as `read_labels` and `embed_labels` do.

    report : takes each line that is worth knowing
    """
    labels, store = read_labels(request.labels_file), open_store(request.store)
    for line in toy_lines(backbone_name(store.config) or "", labels):
        report(line)
    options = parse_options(request.backbone_settings)
    if request.ray is None:
        _embed(store, request.store, labels, request.backbone, options)
    else:
        _embed_on(request.ray, request, store, labels, options, report)
    return labels


def _embed_on(
    address: str,
    request: EmbedTextRequest,
    store: Store,
    labels: Sequence[str],
    options: Mapping[str, Any],
    report: Callable[[str], None],
) -> None:
    """On a cluster: texts by an encoder there, then the scores by all nodes that see the store."""
    from ..cache.cluster import connect
    from .cluster.scores import scorers_on
    from .cluster.texts import text_encoder

    _check_texts_fit(store)
    with connect(address) as cluster:
        with text_encoder(address, request.ray_encoder, store, request.backbone, options) as found:
            vocabulary, own, stored_class = encode_labels(found, labels), reference_of(found), found.stored_class
        with scorers_on(cluster, request.store, report) as read_each:
            _write(store, request.store, vocabulary, own, stored_class, read_each)


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
    _embed(open_store(store_url), store_url, labels, backbone, backbone_options)


def _embed(
    store: Store,
    url: str | os.PathLike[str],
    labels: Sequence[str],
    backbone: Backbone | type[Backbone] | str | None,
    options: Mapping[str, Any],
) -> None:
    _check_texts_fit(store)
    found = reload_backbone(store.config.get("backbone", {}), store.backbone_class, backbone=backbone, **options)
    _write(store, url, encode_labels(found, labels), reference_of(found), class_path(type(found)))


def _check_texts_fit(store: Store) -> None:
    if "imported" in store.config and "backbone" not in store.config:
        raise DataError(f"{store.url} cannot be given labels by embed-text; {store.text_mend()}")


def _write(
    store: Store,
    url: str | os.PathLike[str],
    vocabulary: Vocabulary,
    own: Reference,
    stored_class: str | None,
    read_each: ReadEach | None = None,
) -> None:
    """``own`` : what the encoder gives now, which must be what it gave; ``read_each`` : what computes the scores."""
    with StoreWriter.open(url, store.config, [], backbone_class=stored_class) as writer:
        writer.check_reference(own.rows, own.tolerances, own.made_with)
        writer.set_vocabulary(vocabulary)
        writer.finish(read_each)
