"""A small store with made-up embeddings, written the same way each time."""

from __future__ import annotations

import numpy as np
from avreplay.cache import StoreWriter, VideoEmbeddings, VideoRecord, Vocabulary

CONFIG = {
    "backbone": {"name": "made", "weights": "none"},
    "dtype": "float16",
    "segment_seconds": 1.0,
    "dims": {"audio": 6, "visual": 8, "visual_rows": 2},
}
LABELS = ("dog", "cat", "bell")


def video(name: str) -> tuple[VideoRecord, VideoEmbeddings | None]:
    """What an extraction of the video ``name`` (``v<number>``) gives; some are short, silent or broken."""
    number = int(name[1:])
    rng = np.random.default_rng(number)
    if number % 11 == 5:
        return VideoRecord(name, "truncated", "the file ends before its content does"), None
    t = 1 + number % 7
    windows = np.array([(a, b) for a in range(t) for b in range(a + 1, t + 1)])
    w = len(windows)
    silent = number % 13 == 4
    sound = {} if silent else {
        "audio_segments": rng.normal(size=(t, 6)), "audio_clip": rng.normal(size=6),
        "window_audio": rng.normal(size=(w, 6)),
    }  # fmt: skip
    sight = {
        "visual_segments": rng.normal(size=(t, 8)), "visual_clip": rng.normal(size=(2, 8)),
        "window_visual": rng.normal(size=(w, 2, 8)),
    }  # fmt: skip
    record = VideoRecord(name, "no_audio" if silent else "ok", "no sound" if silent else "", t, float(t))
    return record, VideoEmbeddings(windows, **sound, **sight)


def vocabulary(labels: tuple[str, ...] = LABELS, seed: int = 99) -> Vocabulary:
    rng = np.random.default_rng(seed)
    audio, visual = (rng.normal(size=(len(labels), d)).astype(np.float32) for d in (6, 8))
    return Vocabulary(labels, labels, labels, audio, visual)


def names(count: int) -> list[str]:
    return [f"v{i}" for i in range(count)]


def write_store(url: str, count: int = 40, shard_videos: int = 8, dtype: str = "float16") -> None:
    """Write the store from wherever it stands."""
    with StoreWriter.open(url, {**CONFIG, "dtype": dtype}, names(count), shard_videos=shard_videos) as writer:
        for index, ids in writer.pending():
            writer.write_shard(index, [video(v) for v in ids])
        writer.set_vocabulary(vocabulary())
        writer.finish()
