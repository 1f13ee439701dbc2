"""Embeddings made elsewhere into a store, with what the cache cannot do alone: files of torch, text of a backbone."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..cache.imports.embeddings.mapping import read_embeddings_mapping
from ..cache.imports.embeddings.plan import TextPlan
from ..cache.imports.embeddings.run import TextTower, import_by_mapping
from ..core.arguments import typed_arguments
from ..core.errors import UsageError
from .backbones.registry import class_path, load_backbone
from .demo.toy import toy_lines
from .labels import check_labels, encode_labels, read_labels
from .progress import count_progress
from .tensor_file import read_tensors
from .writing.reference import PROMPTS, reference_rows

if TYPE_CHECKING:
    from ..cache.command_options import ImportRequest
    from ..cache.imports.embeddings.summary import ImportSummary
    from ..cache.layout.schema import Vocabulary


@typed_arguments
def import_embeddings(
    source: str | os.PathLike[str],
    url: str | os.PathLike[str],
    mapping: str | os.PathLike[str],
    *,
    labels: Sequence[str] | None = None,
    report: Callable[[str], None] = lambda line: None,
    progress: bool | None = None,
) -> ImportSummary:
    """Make a store of the embeddings in a folder or a file, by a mapping with a table ``[embeddings]``.

    The same call goes on where an earlier one was interrupted; the store is the same, byte for byte.

    Parameters
    ----------
    source : a folder with files of embeddings, or one file
    url : a local path or fsspec URL; a store of another mapping is refused
    mapping : a TOML file; :func:`guess_mapping` prints one to edit
    labels : whose text the store has; by default those of the mapping's list. A store that has labels keeps them, and
        others are refused
    report : takes each line that is worth knowing
    progress : show on stderr how many videos are done; None: if that is a terminal

    Raises
    ------
    DataError
        a mapping that is wrong; a folder, a list or an array of all videos that is missing, damaged or does not fit.
        What is wrong with the file of one video is that video's status.
    UsageError
        a package that a format or the backbone needs is not installed; wrong labels
    Interrupted
        stopped from the keyboard; the same call goes on
    """
    plan = read_embeddings_mapping(mapping)
    if labels is not None:
        check_labels(labels)
    tower = None if plan.text is None or plan.text.backbone is None else _tower(plan.text, report)
    with count_progress("importing", progress) as advance:
        return import_by_mapping(
            source, url, plan, labels=labels, tower=tower, read_tensors=read_tensors, advance=advance
        )


def import_request(request: ImportRequest, *, report: Callable[[str], None] = print) -> ImportSummary:
    """What ``avreplay import`` does with a mapping of embeddings. Raises: as :func:`import_embeddings`."""
    if request.format is not None:
        raise UsageError("--format is for scores; files of embeddings are read by their suffix")
    assert request.mapping is not None
    assert request.store is not None
    labels = None if request.labels is None else read_labels(request.labels)
    return import_embeddings(request.source, request.store, request.mapping, labels=labels, report=report)


@typed_arguments
def guess_mapping(source: str | os.PathLike[str]) -> str:
    """A mapping for the files of a folder, or for a file, as TOML with comments on what was seen; to be edited.

    Raises
    ------
    DataError
        nothing there that embeddings come in
    UsageError
        a package that a format needs is not installed
    """
    from ..cache.imports.embeddings.guess import guess_by_looking

    return guess_by_looking(source, read_tensors)


def _tower(text: TextPlan, report: Callable[[str], None]) -> TextTower:
    """The encoder of text that a mapping names. Raises: UsageError where it is unknown or not installed."""
    from .backbones.base import backbone_declaration

    assert text.backbone is not None
    backbone = load_backbone(text.backbone, **text.options)

    def encode(labels: Sequence[str]) -> Vocabulary:
        for line in toy_lines(backbone.name, labels):
            report(line)
        return encode_labels(backbone, labels)

    return TextTower(
        backbone_declaration(backbone),
        {"audio": backbone.spec.audio_dim, "visual": backbone.spec.visual_dim},
        encode,
        PROMPTS,
        reference_rows(backbone),
        class_path(type(backbone)),
    )
