"""What a store of any size takes beside its embeddings and scores: objects, metadata and requests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...cache import StoreWriter, VideoEmbeddings, VideoRecord

PUTS_A_SHARD, GETS_A_SHARD = 14, 13
"""Requests of an object store to write a shard: its objects, and looking for what may lie there already."""

READS_A_SHARD = 15
"""Requests to read all embeddings of a shard, as `embed-text` does."""

_REQUESTS_AN_ARRAY = 2
"""To write, to look for, or to read an array that only some encoders give, in a shard."""

REQUESTS_A_COMMAND = 75
"""Requests that a command needs whatever the store holds: the root, the lease, labels and scores."""

MOST_VIDEOS = 1_000_000
"""Videos of one store: the ids of more do not fit into what is read of its root. Several stores are read as one."""


@dataclass(frozen=True)
class StoreSize:
    """Objects and bytes of metadata of a store.

    Attributes
    ----------
    shards, objects : numbers of them
    metadata_bytes : ids, statuses, hashes and descriptions of arrays
    write_requests, read_requests : of an object store, to extract, and to read all embeddings once
    """

    shards: int
    objects: int
    metadata_bytes: int
    write_requests: int
    read_requests: int


@dataclass(frozen=True)
class _Measured:
    """Of a small store on the disk of the temporary folder: of a shard and of a video in it."""

    objects_a_shard: int
    bytes_a_shard: float
    bytes_a_video: float


def store_size(
    videos: int, shard_videos: int, windows: bool = True, frames: bool = False, joint: bool = False
) -> StoreSize:
    """The objects and metadata of a store of a number of videos, with windows or without, and of an encoder that gives
    ``frames``, or sound and pictures together (``joint``), from three small stores that are made for it."""
    finer = {**({"audio_frames": 2} if frames else {}), **({"audio_visual": 1} if joint else {})}
    measured, more = _measure(windows, finer), _REQUESTS_AN_ARRAY * len(finer)
    shards = -(-videos // shard_videos)
    return StoreSize(
        shards=shards,
        objects=shards * measured.objects_a_shard,
        metadata_bytes=round(shards * measured.bytes_a_shard + videos * measured.bytes_a_video),
        write_requests=REQUESTS_A_COMMAND + shards * (PUTS_A_SHARD + GETS_A_SHARD + 2 * more),
        read_requests=REQUESTS_A_COMMAND + shards * (READS_A_SHARD + more),
    )


def _measure(windows: bool, finer: Mapping[str, int]) -> _Measured:
    with tempfile.TemporaryDirectory(prefix="avreplay-plan-") as folder:
        one, two, more = (
            _files(Path(folder, name), videos, shard_videos, windows, finer)
            for name, videos, shard_videos in (("one", 8, 8), ("two", 16, 8), ("more", 16, 16))
        )
    a_shard, a_larger_one = (_sum(b) - _sum(a) for a, b in ((one, two), (one, more)))
    a_video = a_larger_one / 8
    return _Measured(len(two) - len(one), a_shard - 8 * a_video, a_video)


def _files(place: Path, videos: int, shard_videos: int, windows: bool, finer: Mapping[str, int]) -> dict[str, int]:
    """Files of a store of made videos, with their sizes."""
    ids = [f"video_{i:09d}" for i in range(videos)]
    dims = {"audio": 1, "visual": 1, "visual_rows": 1, **finer}
    config = {"dtype": "float16", "segment_seconds": 1.0, "dims": dims}
    with StoreWriter.open(place, config, ids, shard_videos=shard_videos) as writer:
        for index, names in writer.pending():
            writer.write_shard(
                index, [(VideoRecord(id, "ok", "", 2, 2.0), _embeddings(windows, finer)) for id in names]
            )
        writer.finish()
    files = (Path(base, name) for base, _, names in os.walk(place) for name in names)
    return {str(file.relative_to(place)): file.stat().st_size for file in files}


def _sum(files: dict[str, int]) -> int:
    return sum(size for name, size in files.items() if name.endswith("zarr.json"))


def _embeddings(windows: bool, finer: Mapping[str, int]) -> VideoEmbeddings:
    """Of two segments and a window: arrays of windows have no file of values where there are none."""
    segments, clip, window = (np.ones((n, 1), np.float32) for n in (2, 1, int(windows)))
    return VideoEmbeddings(
        windows=np.array([[0, 2]], np.int64)[: len(window)],
        audio_segments=segments, audio_clip=clip[0], window_audio=window,
        visual_segments=segments, visual_clip=clip, window_visual=window[:, None],
        audio_frames=np.ones((2, 2, 1), np.float32) if "audio_frames" in finer else None,
        audio_visual_segments=segments if "audio_visual" in finer else None,
    )  # fmt: skip
