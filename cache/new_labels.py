"""Scores of labels that a store does not have yet, from its embeddings: what the store's bundle would hold of them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from ..core.bundle import ScoreBundle
from ..core.errors import DataError
from .computed_scores import computed_scores, segment_cosines
from .layout.schema import VideoRecord, Vocabulary
from .layout.shards import shard_arrays
from .store import Store

KEPT_BYTES = 1 << 30
"""Embeddings of up to this much are kept in memory from one label to the next; more are read again each time."""

_SEGMENTS = ("audio_segments", "visual_segments")


class NewLabelScores:
    """Scores of further labels against the embeddings of a store. Any thread may ask for them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._kept: dict[tuple[int, str], NDArray[Any]] = {}
        self._records: dict[int, list[VideoRecord]] = {}

    def scores(self, vocabulary: Vocabulary, *, similarity: str = "product", fused: bool = False) -> ScoreBundle:
        """A bundle of the labels of ``vocabulary`` alone, of the same videos as :meth:`.store.Store.bundle`.

        For ``similarity="cosine"``, and ``fused``, as :meth:`.store.Store.cosines`. The values are those that the store
        would hold after ``embed-text``, up to the rounding of the last bit of float32: a product of many columns may
        add in another order than one of few.

        Raises
        ------
        DataError
            a store of scores, damaged arrays, ``fused`` where audio and pictures do not share an embedding space
        """
        if self._store.kind == "scores":
            raise DataError(f"{self._store.url} holds scores and no embeddings, so no label can be added to it")
        names = shard_arrays(self._store.config["dims"]) if similarity == "product" else _SEGMENTS
        shards = ((self._records_of(i), self._arrays(i, names)) for i in self._store.committed)
        if similarity == "product":
            return computed_scores(shards, vocabulary, float(self._store.config["segment_seconds"]))
        return segment_cosines(shards, vocabulary, self._store.config, self._store.url, fused=fused)

    def _records_of(self, shard: int) -> list[VideoRecord]:
        with self._lock:
            if shard not in self._records:
                self._records[shard] = self._store.records_of(shard)
            return self._records[shard]

    def _arrays(self, shard: int, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        with self._lock:
            found = {name: self._kept[shard, name] for name in names if (shard, name) in self._kept}
            if len(found) < len(names):
                found = self._store.shard_arrays(shard, names)
                kept = {**self._kept, **{(shard, name): array for name, array in found.items()}}
                if sum(array.nbytes for array in kept.values()) <= KEPT_BYTES:
                    self._kept = kept
            return found
