"""A made store of untrimmed videos, one of an hour, and UnAV-100's form of JSON for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from avreplay.cache import StoreWriter, VideoEmbeddings, VideoRecord, Vocabulary
from avreplay.extract.encoding.sampling import window_list

LABELS = ("bell", "car", "cat", "dog", "piano", "rain", "siren", "speech")
SECONDS = {"short": 18.3, "minute": 61.4, "song": 215.0, "hour": 3600.2, "quiet": 33.0}
DIM = 12
CONFIG = {
    "backbone": {"name": "made", "weights": "none"},
    "dtype": "float16",
    "segment_seconds": 1.0,
    "dims": {"audio": DIM, "visual": DIM, "visual_rows": 1},
}


def spans(name: str) -> list[tuple[int, float, float]]:
    """Label, onset and offset in seconds of the events of a video; none in the quiet one."""
    rng = np.random.default_rng(len(name))
    found, now = [], 1.25
    while name != "quiet" and now < SECONDS[name] - 8:
        length = float(rng.uniform(1.5, 12))
        found.append((int(rng.integers(len(LABELS))), round(now, 3), round(min(now + length, SECONDS[name]), 3)))
        now += length + float(rng.uniform(0.5, 20))
    return found


def write_untrimmed(folder: Path, subset: str = "test") -> tuple[Path, Path]:
    """The store and the annotation file."""
    rng = np.random.default_rng(7)
    text = np.linalg.qr(rng.normal(size=(DIM, DIM)))[0][: len(LABELS)].astype(np.float32)
    store = folder / "untrimmed"
    with StoreWriter.open(str(store), CONFIG, list(SECONDS), shard_videos=2) as writer:
        for index, ids in writer.pending():
            writer.write_shard(index, [_video(name, text, rng) for name in ids])
        writer.set_vocabulary(Vocabulary(LABELS, LABELS, LABELS, text, text))
        writer.finish()
    database = {
        name: {
            "duration": seconds,
            "subset": subset,
            "annotations": [
                {"segment": [onset, offset], "label": LABELS[c], "label_id": c} for c, onset, offset in spans(name)
            ],
        }
        for name, seconds in SECONDS.items()
    }
    file = folder / "unav100_annotations.json"
    file.write_text(json.dumps({"version": "unav100", "database": database}))
    return store, file


def _video(name: str, text: np.ndarray, rng: np.random.Generator) -> tuple[VideoRecord, VideoEmbeddings]:
    t = round(SECONDS[name])
    windows = window_list(t)
    heard, seen = (0.45 * rng.normal(size=(t, DIM)) for _ in range(2))
    for c, onset, offset in spans(name):
        for modality in (heard, seen):
            modality[round(onset) : round(offset)] += 2 * text[c]
    length = (windows[:, 1] - windows[:, 0])[:, None]
    sums = (np.concatenate([np.zeros((1, DIM)), np.cumsum(m, axis=0)]) for m in (heard, seen))
    window_audio, window_visual = ((s[windows[:, 1]] - s[windows[:, 0]]) / length for s in sums)
    embeddings = VideoEmbeddings(
        windows, audio_segments=heard, audio_clip=heard.mean(axis=0), window_audio=window_audio, visual_segments=seen,
        visual_clip=seen.mean(axis=0)[None], window_visual=window_visual[:, None],
    )  # fmt: skip
    return VideoRecord(name, "ok", "", t, SECONDS[name]), embeddings
