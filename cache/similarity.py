"""Scores from embeddings: what a vocabulary says about every segment, clip and window (derived data)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..core.bundle import ScoreBundle, adjacent_cosine
from .layout.schema import VideoRecord, Vocabulary

SCORE_ARRAYS = (
    "visual_segments", "audio_segments", "audio_visual_segments", "audio_clip", "visual_clip",
    "window_audio", "window_visual", "visual_cosine",
)  # fmt: skip


def shard_scores(arrays: dict[str, NDArray], vocabulary: Vocabulary, segments: NDArray[np.int64]) -> dict[str, NDArray]:
    """Scores of one shard: embeddings times text, accumulated in float64 and kept in float32.

    Shard by shard, so that the numbers do not depend on which shards were there when they were made. Absent streams
    (NaN embeddings) score 0.
    """
    out: dict[str, NDArray] = {}
    for name, text in (
        ("audio_segments", vocabulary.audio_text),
        ("audio_clip", vocabulary.audio_text),
        ("window_audio", vocabulary.audio_text),
        ("visual_segments", vocabulary.visual_text),
        ("visual_clip", vocabulary.visual_text),
        ("window_visual", vocabulary.visual_text),
    ):
        embedding = np.nan_to_num(arrays[name].astype(np.float64), nan=0.0)
        out[name] = (embedding @ text.T.astype(np.float64)).astype(np.float32)
    out["visual_cosine"] = adjacent_cosine(np.nan_to_num(arrays["visual_segments"].astype(np.float64)), segments)
    out["window_index"] = arrays["window_index"].astype(np.int64)
    return out


def join_shards(
    shards: Sequence[dict[str, NDArray]],
    records: Sequence[Sequence[VideoRecord]],
    labels: tuple[str, ...],
    segment_seconds: float,
) -> ScoreBundle:
    """One bundle of the videos of all shards that have data."""
    kept = [[r for r in rs if r.has_data] for rs in records]
    videos = [r for rs in kept for r in rs]
    first = np.cumsum([0, *map(len, kept)])
    joined: dict[str, NDArray] = {}
    for name in (*SCORE_ARRAYS, "window_index"):
        parts = [s[name] for s in shards if name in s]
        if parts:
            joined[name] = np.concatenate(parts)
    windows = [s["window_index"] + np.array([first[i], 0, 0]) for i, s in enumerate(shards)]
    joined.pop("window_index", None)
    index = np.concatenate(windows) if windows else np.zeros((0, 3), np.int64)
    return ScoreBundle.create(
        video_ids=[r.id for r in videos],
        labels=labels,
        segments_per_video=np.array([r.segments for r in videos], np.int64),
        segment_seconds=segment_seconds,
        has_audio=np.array([r.has_audio for r in videos], np.bool_),
        has_visual=np.array([r.has_visual for r in videos], np.bool_),
        window_video=index[:, 0] if len(index) else None,
        window_start=index[:, 1] if len(index) else None,
        window_end=index[:, 2] if len(index) else None,
        **{k: v for k, v in joined.items() if len(index) or not k.startswith("window")},  # type: ignore[arg-type]
    )
