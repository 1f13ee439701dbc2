"""The mean embeddings that a decoder centres segments by: over the segments of a whole store, or from a file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..cache.reading.npz_file import open_npz
from ..core.decoders.base import Means
from ..core.errors import DataError
from ..core.read_ahead import consecutive
from .segment_embeddings import SegmentEmbeddings

STORE = "store"
_PARTS = 4
"""What is made of a block of embeddings takes as much memory again, some times."""


def mean_embeddings(names: Sequence[str], embeddings: SegmentEmbeddings, memory: int) -> dict[str, Means]:
    """Means by name: :data:`STORE`, or a path.

    Those of the store are of its segments at length 1, each with the same weight, in the order of the videos: they
    depend neither on ``memory``, the bytes that may be taken, nor on which of the videos are decoded.

    Raises
    ------
    DataError
        a file that cannot be read, or that does not fit the embeddings
    """
    dims = embeddings.dims
    return {n: _of_store(embeddings, memory) if n == STORE else _of_file(n, dims) for n in names}


def _of_store(embeddings: SegmentEmbeddings, memory: int) -> Means:
    totals = [np.zeros(dim) for dim in embeddings.dims]
    counts = [0, 0]
    for videos in consecutive(embeddings.bytes_per_video, memory // _PARTS):
        found = embeddings.read(np.arange(videos.start, videos.stop))
        for side, x in enumerate((found.audio_segments, found.visual_segments)):
            known = x[np.isfinite(x).all(axis=1)].astype(np.float64)
            norm = np.sqrt(np.einsum("sd,sd->s", known, known)).astype(np.float32)
            lengths_1 = (known / np.maximum(norm, np.float32(1e-8))[:, None]).astype(np.float32)
            # row after row, so that it does not matter where a block ends
            totals[side] = np.concatenate([totals[side][None], lengths_1]).cumsum(axis=0)[-1]
            counts[side] += len(known)
    audio, visual = ((total / max(1, count)).astype(np.float32) for total, count in zip(totals, counts, strict=True))
    return Means(audio, visual)


def _of_file(path: str, dims: tuple[int, int]) -> Means:
    found = []
    with open_npz(path, "means") as file:
        for name, dim in zip(("audio", "visual"), dims, strict=True):
            if name not in file.names:
                raise DataError(f"{path} has no array {name!r}; means are two of them, audio and visual")
            x = np.asarray(file.read(name), np.float32)
            if x.shape != (dim,) or not np.isfinite(x).all():
                raise DataError(
                    f"{path}: {name} has the shape {x.shape}; it must be ({dim},), as wide as the embeddings, and all "
                    "numbers"
                )
            found.append(x)
    return Means(*found)
