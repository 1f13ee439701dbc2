"""What a decoder reads of a store: scores in the form it wants, and embeddings and texts where it asks for them; in
memory, or in blocks of videos where memory does not hold all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..cache.joined import open_stores
from ..cache.score_blocks import BLOCK_MEMORY
from ..cache.store import Store
from ..core.bundle import ScoreBundle
from ..core.command_options import parse_size
from ..core.decoders.base import Decoder, Inputs, Reads, Text
from ..core.decoders.input_blocks import InputBlocks, videos_of
from ..core.errors import DataError, UsageError
from ..core.params.options import OptionSet
from ..core.pooling import pool_frames, pool_of
from ..core.registry import failures_of
from .mean_embeddings import mean_embeddings
from .segment_embeddings import SegmentEmbeddings

Source = Store | ScoreBundle | str | os.PathLike[str]
"""Where scores come from: a store, what :func:`.cache.joined.open_stores` opens, or scores in memory."""


def reads_of(decoder: Decoder[Any], settings: Sequence[OptionSet]) -> Reads:
    """What settings of a decoder need from a store. Raises: DataError naming a plug-in that fails or gives something
    else."""
    with failures_of("decoder", decoder, decoder.name):
        reads = decoder.reads(settings)
        if not isinstance(reads, Reads):
            raise TypeError(f"reads() gave {type(reads).__name__}, not Reads")
    return reads


def decoder_inputs(source: Source, reads: Reads, scores: str | None = None) -> Inputs:
    """The scores of a store, of one of its score sets (``scores``), of its own with the frames pooled (``pool:RULE``),
    or of a bundle, and what else ``reads`` asks for.

    Raises
    ------
    DataError
        a store that cannot be read, embeddings or texts asked of a source that has none
    UsageError
        an unknown score set or rule, a score set of a bundle, cosines of mean features of a score set without, or of
        pooled scores
    """
    if isinstance(source, ScoreBundle):
        return _of_bundle(source, reads, scores)
    store = source if isinstance(source, Store) else open_stores(source)
    bundle = _bundle(store, reads, scores)
    embeddings, means = None, {}
    if reads.embeddings or reads.means:
        found = SegmentEmbeddings(store, bundle.video_ids, bundle.segments_per_video)
        means = mean_embeddings(reads.means, found, BLOCK_MEMORY)
        embeddings = found.read(np.arange(bundle.num_videos)) if reads.embeddings else None
    return Inputs(bundle, embeddings, _text(store, bundle.labels) if reads.text else None, means)


def input_blocks(
    source: Source, reads: Reads, scores: str | None = None, *, memory: int | str | None = None
) -> InputBlocks:
    """The same as :func:`decoder_inputs`, of which nothing is read yet but which videos there are.

    memory : bytes that blocks may take, also as ``2GB``; by default 1 GiB. A bundle is in memory already: it is one
        block

    Raises: as :func:`decoder_inputs`; UsageError for no size, or one that is too small for a video.
    """
    limit = memory_of(memory)
    if isinstance(source, ScoreBundle):
        inputs = _of_bundle(source, reads, scores)
        everything, nothing = np.arange(source.num_videos), np.zeros(source.num_videos, np.int64)
        return InputBlocks(videos_of(source), lambda v: _some_of(inputs, v), everything, nothing, limit)
    store = source if isinstance(source, Store) else open_stores(source)
    similarity: Literal["scores", "cosine"] = "cosine" if reads.similarity == "cosine" else "scores"
    stored = store.score_blocks(scores, similarity=similarity, fused=reads.fused and scores is None, memory=limit)
    if scores is not None and reads.fused:
        _refuse_without_fusion(store, scores)
    sizes = stored.bytes_per_video
    embeddings, means = None, {}
    if reads.embeddings or reads.means:
        embeddings = SegmentEmbeddings(store, stored.video_ids, stored.segments_per_video)
        means = mean_embeddings(reads.means, embeddings, limit)
    if embeddings is not None and reads.embeddings:
        sizes = sizes + embeddings.bytes_per_video
    text = _text(store, stored.labels) if reads.text else None

    def read(videos: NDArray[np.int64]) -> Inputs:
        every = np.array_equal(videos, np.arange(stored.num_videos))
        bundle = _bundle(store, reads, scores) if every else stored.read(videos)
        kept = embeddings.read(videos) if embeddings is not None and reads.embeddings else None
        return Inputs(bundle, kept, text, means)

    found = InputBlocks(videos_of(stored), read, np.arange(stored.num_videos), sizes, limit)
    found.check()
    return found


def memory_of(memory: int | str | None) -> int:
    """A number of bytes; 1 GiB where none is given. Raises: UsageError as :func:`parse_size`."""
    return BLOCK_MEMORY if memory is None else parse_size(memory)


def _bundle(store: Store, reads: Reads, scores: str | None) -> ScoreBundle:
    """The scores of all videos, in the form that a decoder reads."""
    if scores is not None:
        bundle = store.bundle(scores)
        if reads.fused:
            _refuse_without_fusion(store, scores)
        return bundle
    return store.cosines(fused=reads.fused) if reads.similarity == "cosine" else store.bundle()


def _of_bundle(bundle: ScoreBundle, reads: Reads, scores: str | None) -> Inputs:
    pool = pool_of(scores)
    if pool is not None:
        bundle, scores = pool_frames(bundle, pool), None
    if scores is not None:
        raise UsageError(f"a score bundle has no score sets; give the store that holds {scores!r}")
    if reads.embeddings or reads.text or reads.means:
        raise DataError("this decoder reads embeddings or texts, which a score bundle does not hold; give a store")
    return Inputs(bundle)


def _some_of(inputs: Inputs, videos: NDArray[np.int64]) -> Inputs:
    everything = np.arange(inputs.scores.num_videos)
    return inputs if np.array_equal(videos, everything) else inputs.select(videos)


def _refuse_without_fusion(store: Store, scores: str) -> None:
    if pool_of(scores) is not None:
        raise UsageError("pooled scores have no cosines of mean features, which fusion=fea_avg needs; leave --pool out")
    trained = store.score_sets[scores]["config"].get("training", {}).get("config", {}).get("fusion")
    if trained != "fea_avg":
        raise UsageError(
            f"the score set {scores!r} has no cosines of mean features, which fusion=fea_avg needs; choose another "
            "fusion"
        )


def _text(store: Store, labels: tuple[str, ...]) -> Text:
    vocabulary = store.vocabulary
    if vocabulary is None or tuple(vocabulary.labels) != labels:
        raise DataError(
            f"{store.url} has no text embeddings of the labels of these scores; `avreplay embed-text` makes some"
        )
    return Text(np.asarray(vocabulary.audio_text, np.float32), np.asarray(vocabulary.visual_text, np.float32))
