"""Scores of a store that are computed from its embeddings and a vocabulary, shard by shard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..core.bundle import ScoreBundle
from ..core.errors import DataError
from .join_shards import join_scores
from .layout.schema import VideoRecord, Vocabulary
from .similarity import shard_cosines, shard_products

Shard: TypeAlias = tuple[Sequence[VideoRecord], Mapping[str, NDArray[Any]]]
"""The records of a shard and its arrays by name."""


def computed_scores(shards: Iterable[Shard], vocabulary: Vocabulary, segment_seconds: float) -> ScoreBundle:
    """The products of all embeddings of shards, which have all their arrays, with the texts of a vocabulary."""
    records: list[Sequence[VideoRecord]] = []
    products: list[Mapping[str, NDArray[Any]]] = []
    for of_shard, arrays in shards:
        segments = np.array([r.segments for r in of_shard if r.has_data], np.int64)
        records.append(of_shard)
        products.append({**shard_products(arrays, vocabulary, segments), "window_index": arrays["window_index"]})
    return join_scores(products, records, vocabulary.labels, segment_seconds)


def segment_cosines(
    shards: Iterable[Shard], vocabulary: Vocabulary, config: Mapping[str, Any], url: str, *, fused: bool
) -> ScoreBundle:
    """The cosines of the segments of shards with the texts, see :meth:`.store.Store.cosines`; ``url``: of the store.

    Raises: DataError for ``fused`` where the texts of audio and pictures differ.
    """
    if fused:
        refuse_two_texts(vocabulary, url)
    names = ("audio_segments", "visual_segments")
    nothing = {name: np.zeros((0, config["dims"][name.partition("_")[0]])) for name in names}
    records: list[Sequence[VideoRecord]] = []
    cosines: list[Mapping[str, NDArray[Any]]] = []
    for of_shard, arrays in [((), nothing), *shards]:  # arrays even without any shard
        records.append(of_shard)
        audio, visual = (arrays[name] for name in names)
        cosines.append(shard_cosines(audio, visual, vocabulary, fused=fused))
    return join_scores(cosines, records, vocabulary.labels, float(config["segment_seconds"]))


def refuse_two_texts(vocabulary: Vocabulary, url: str) -> None:
    """Raises: DataError where the texts of audio and pictures differ, so that their embeddings have no mean."""
    if not np.array_equal(vocabulary.audio_text, vocabulary.visual_text):
        raise DataError(
            f"{url} embeds the labels differently for sound and for pictures, so their features have no mean, "
            "which fusion=fea_avg needs; choose another fusion"
        )
