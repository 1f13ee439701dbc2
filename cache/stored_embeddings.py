"""The embeddings of a shard as a writer takes them, so that those of some videos can be passed on as they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from .layout.schema import VideoEmbeddings
from .store import Store


def stored_embeddings(store: Store, index: int) -> dict[str, VideoEmbeddings]:
    """The stored embeddings of a shard, by video."""
    arrays = store.shard_arrays(index)
    video = arrays["window_index"][:, 0]
    out, first = {}, 0
    for k, record in enumerate(r for r in store.records_of(index) if r.has_data):
        segments, windows = slice(first, first + record.segments), video == k
        parts: dict[str, Any] = {"windows": arrays["window_index"][windows, 1:].astype(np.int64)}
        for has_stream, modality in ((record.has_audio, "audio"), (record.has_visual, "visual")):
            if has_stream:
                parts[f"{modality}_segments"] = arrays[f"{modality}_segments"][segments]
                parts[f"{modality}_clip"] = arrays[f"{modality}_clip"][k]
                parts[f"window_{modality}"] = arrays[f"window_{modality}"][windows]
        out[record.id] = VideoEmbeddings(**parts)
        first += record.segments
    return out
