"""What a decoder reads of a store: scores in the form it wants, and embeddings and texts where it asks for them."""

from __future__ import annotations

import os

import numpy as np

from ..cache.store import Store, open_store
from ..core.bundle import ScoreBundle
from ..core.decoders.base import Embeddings, Inputs, Reads, Text
from ..core.errors import DataError, UsageError

Source = Store | ScoreBundle | str | os.PathLike[str]
"""Where scores come from: a store, its path or URL, or scores in memory."""


def decoder_inputs(source: Source, reads: Reads, scores: str | None = None) -> Inputs:
    """The scores of a store, of one of its score sets (``scores``) or of a bundle, and what else ``reads`` asks for.

    Raises
    ------
    DataError
        a store that cannot be read, embeddings or texts asked of a source that has none
    UsageError
        an unknown score set, a score set of a bundle, cosines of mean features of a score set without
    """
    if isinstance(source, ScoreBundle):
        if scores is not None:
            raise UsageError(f"a score bundle has no score sets; give the store that holds {scores!r}")
        if reads.embeddings or reads.text:
            raise DataError("this decoder reads embeddings or texts, which a score bundle does not hold; give a store")
        return Inputs(source)
    store = source if isinstance(source, Store) else open_store(source)
    if scores is not None:
        bundle = store.bundle(scores)
        if reads.fused:
            _refuse_without_fusion(store, scores)
    elif reads.similarity == "cosine":
        bundle = store.cosines(fused=reads.fused)
    else:
        bundle = store.bundle()
    return Inputs(
        bundle,
        _embeddings(store, bundle) if reads.embeddings else None,
        _text(store, bundle) if reads.text else None,
    )


def _refuse_without_fusion(store: Store, scores: str) -> None:
    trained = store.score_sets[scores]["config"].get("training", {}).get("config", {}).get("fusion")
    if trained != "fea_avg":
        raise UsageError(
            f"the score set {scores!r} has no cosines of mean features, which fusion=fea_avg needs; choose another "
            "fusion"
        )


def _embeddings(store: Store, bundle: ScoreBundle) -> Embeddings:
    parts = {}
    for modality in ("audio", "visual"):
        records, rows = store.segment_embeddings(modality)
        ends = np.cumsum([r.segments for r in records]).tolist()
        first = {r.id: end - r.segments for r, end in zip(records, ends, strict=True)}
        missing = [v for v in bundle.video_ids if v not in first]
        if missing:
            raise DataError(f"{store.url} has no embeddings of the video {missing[0]!r}, which the scores are of")
        counts = zip(bundle.video_ids, bundle.segments_per_video.tolist(), strict=True)
        index = [np.zeros(0, np.int64), *(np.arange(first[v], first[v] + n) for v, n in counts)]
        parts[modality] = np.ascontiguousarray(rows[np.concatenate(index).astype(np.int64)], np.float32)
    return Embeddings(parts["audio"], parts["visual"])


def _text(store: Store, bundle: ScoreBundle) -> Text:
    vocabulary = store.vocabulary
    if vocabulary is None or tuple(vocabulary.labels) != bundle.labels:
        raise DataError(
            f"{store.url} has no text embeddings of the labels of these scores; `avreplay embed-text` makes some"
        )
    return Text(np.asarray(vocabulary.audio_text, np.float32), np.asarray(vocabulary.visual_text, np.float32))
