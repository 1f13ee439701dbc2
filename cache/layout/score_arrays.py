"""A score bundle as a group of arrays in a store: written and read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...core.bundle import ScoreBundle
from ...core.errors import DataError
from .location import Location
from .schema import SHARD_VIDEOS

SCORE_ARRAYS = (
    "visual_segments", "audio_segments", "audio_visual_segments", "audio_clip", "visual_clip",
    "window_audio", "window_visual", "visual_cosine",
)  # fmt: skip
"""Arrays of scores that a group may hold; beside them lie those of the videos and ``window_index`` (W, 3)."""

VIDEO_ARRAYS = ("segments_per_video", "has_audio", "has_visual")


def write_scores(place: Location, group: str, bundle: ScoreBundle, extra: Mapping[str, Any]) -> None:
    """Write a score bundle into a group, its commit marker last; ``extra`` is added to the marker."""
    videos = max(1, bundle.num_videos)
    with place.replacing(group):
        for array in (*SCORE_ARRAYS, *VIDEO_ARRAYS):
            rows = getattr(bundle, array)
            if rows is not None:
                place.write(f"{group}/{array}", np.asarray(rows), -(-len(rows) // videos) * SHARD_VIDEOS)
        index = np.stack([bundle.window_video, bundle.window_start, bundle.window_end], axis=1)
        place.write(f"{group}/window_index", index, -(-len(index) // videos) * SHARD_VIDEOS)
        marker = {
            "committed": True,
            "kind": bundle.kind,
            "segment_seconds": bundle.segment_seconds,
            "video_ids": list(bundle.video_ids),
            **extra,
            "sha256": place.hashes(group),
        }
        place.set_attributes(group, marker)


def read_scores(place: Location, group: str, marker: Mapping[str, Any], labels: Sequence[str]) -> ScoreBundle:
    """The score bundle that :func:`write_scores` wrote into a group. Raises: DataError where arrays are missing."""
    names = (*SCORE_ARRAYS, *VIDEO_ARRAYS, "window_index")
    arrays = dict(zip(names, place.read_arrays([f"{group}/{name}" for name in names]).values(), strict=True))
    index = arrays.pop("window_index")
    if index is None or any(arrays[a] is None for a in VIDEO_ARRAYS):
        raise DataError(
            f"the scores of {place.url} are incomplete; `avreplay verify {place.url}` names what is missing"
        )
    windows = arrays["window_audio"] is not None or arrays["window_visual"] is not None
    return ScoreBundle.create(
        video_ids=marker["video_ids"],
        labels=labels,
        kind=marker["kind"],
        segment_seconds=marker["segment_seconds"],
        window_video=index[:, 0] if windows else None,
        window_start=index[:, 1] if windows else None,
        window_end=index[:, 2] if windows else None,
        **arrays,  # type: ignore[arg-type]
    )
