"""Joining what was read or computed shard by shard: one bundle of scores, one set of arrays of embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.bundle import ScoreBundle
from .layout.schema import VideoRecord


def join_arrays(
    shards: Sequence[Mapping[str, NDArray[Any]]], records: Sequence[Sequence[VideoRecord]]
) -> dict[str, NDArray[Any]]:
    """The arrays of all shards, one after the other; ``window_index`` counts videos over all of them.

    ``records`` are the videos of each shard; those without data have no rows.
    """
    if not shards:
        return {}
    first = np.cumsum([0, *(sum(r.has_data for r in rs) for rs in records)])
    joined: dict[str, NDArray[Any]] = {name: np.concatenate([s[name] for s in shards]) for name in shards[0]}
    if "window_index" in joined:
        moved = [s["window_index"] + np.array([k, 0, 0], np.int32) for k, s in zip(first, shards, strict=False)]
        joined["window_index"] = np.concatenate(moved)
    return joined


def join_scores(
    shards: Sequence[Mapping[str, NDArray[Any]]],
    records: Sequence[Sequence[VideoRecord]],
    labels: Sequence[str],
    segment_seconds: float,
    *,
    windows: bool | None = None,
) -> ScoreBundle:
    """One bundle of the score arrays of shards and their videos with data.

    ``windows``: whether it has arrays of windows; None: where there is any window.
    """
    joined = join_arrays(shards, records)
    index = joined.pop("window_index", np.zeros((0, 3), np.int64))
    windows = len(index) > 0 if windows is None else windows and bool(shards)
    videos = [r for rs in records for r in rs if r.has_data]
    return ScoreBundle.create(
        video_ids=[r.id for r in videos],
        labels=labels,
        segments_per_video=np.array([r.segments for r in videos], np.int64),
        segment_seconds=segment_seconds,
        has_audio=np.array([r.has_audio for r in videos], np.bool_),
        has_visual=np.array([r.has_visual for r in videos], np.bool_),
        window_video=index[:, 0] if windows else None,
        window_start=index[:, 1] if windows else None,
        window_end=index[:, 2] if windows else None,
        **{k: v for k, v in joined.items() if windows or not k.startswith("window_")},  # type: ignore[arg-type]
    )
