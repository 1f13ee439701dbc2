"""The segment embeddings of some videos of a store, for decoders that read them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..cache.store import Store
from ..core.decoders.base import Embeddings
from ..core.errors import DataError

_ARRAYS = ("audio_segments", "visual_segments")


class SegmentEmbeddings:
    """Where the embeddings of N videos lie in the shards of a store; a shard is read when one of its videos is."""

    def __init__(self, store: Store, video_ids: Sequence[str], segments_per_video: NDArray[np.int64]) -> None:
        """Raises: DataError for a store of scores, and for a video of which the store has no embeddings."""
        if store.kind == "scores":
            store.segment_embeddings("audio")  # says what is missing
        self._store = store
        self._segments = segments_per_video
        at: dict[str, tuple[int, int]] = {}
        for shard in store.committed:
            row = 0
            for record in store.records_of(shard):
                if record.has_data:
                    at[record.id] = shard, row
                    row += record.segments
        missing = next((v for v in video_ids if v not in at), None)
        if missing is not None:
            raise DataError(f"{store.url} has no embeddings of the video {missing!r}, which the scores are of")
        places = np.array([at[v] for v in video_ids], np.int64).reshape(-1, 2)
        self._shard, self._row = places[:, 0], places[:, 1]
        self._dims = [int(store.config["dims"][name.partition("_")[0]]) for name in _ARRAYS]

    @property
    def dims(self) -> tuple[int, int]:
        """Width of audio and of visual embeddings."""
        return self._dims[0], self._dims[1]

    @property
    def bytes_per_video(self) -> NDArray[np.int64]:
        """(N,) int64, of both streams in float32."""
        return self._segments * (4 * sum(self._dims))

    def read(self, videos: NDArray[np.int64]) -> Embeddings:
        """The embeddings of some of the videos, in the order given. Raises: DataError where a shard is damaged."""
        lengths = self._segments[videos]
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        audio, visual = (np.empty((int(starts[-1]), dim), np.float32) for dim in self._dims)
        for shard in np.unique(self._shard[videos]).tolist():
            own = np.flatnonzero(self._shard[videos] == shard)
            arrays = self._store.shard_arrays(shard, _ARRAYS)
            for i, row in zip(own.tolist(), self._row[videos[own]].tolist(), strict=True):
                to, of = slice(starts[i], starts[i + 1]), slice(row, row + int(lengths[i]))
                audio[to], visual[to] = arrays[_ARRAYS[0]][of], arrays[_ARRAYS[1]][of]
        return Embeddings(audio, visual)
