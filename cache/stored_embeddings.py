"""The embeddings of a shard as a writer takes them, so that those of some videos can be passed on as they are."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np

from .layout.schema import VideoEmbeddings
from .layout.score_shapes import rows_of
from .layout.shards import present
from .store import Store


def stored_embeddings(store: Store, index: int, ids: Container[str] | None = None) -> dict[str, VideoEmbeddings]:
    """The stored embeddings of a shard, by video: of all, or of those among ``ids``, which then keep nothing of the
    others in memory."""
    arrays = store.shard_arrays(index)
    video = arrays["window_index"][:, 0]
    out, first = {}, 0
    for k, record in enumerate(r for r in store.records_of(index) if r.has_data):
        segments = slice(first, first + record.segments)
        first += record.segments
        if ids is not None and record.id not in ids:
            continue
        windows = video == k
        parts: dict[str, Any] = {"windows": arrays["window_index"][windows, 1:].astype(np.int64)}
        rows = {"segments": segments, "clip": k, "windows": windows}
        for name, array in arrays.items():
            if name != "window_index" and present(name, record.has_audio, record.has_visual):
                parts[name] = array[rows[rows_of(name)]]
        if ids is not None:
            parts = {name: array.copy() for name, array in parts.items()}
        out[record.id] = VideoEmbeddings(**parts)
    return out
