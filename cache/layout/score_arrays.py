"""A score bundle as a group of arrays in a store: written and read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.bundle import ScoreBundle
from ...core.errors import DataError
from .fingerprint import content_hash
from .location import Location
from .schema import SHARD_VIDEOS

SCORE_ARRAYS = (
    "visual_segments", "audio_segments", "audio_visual_segments", "audio_clip", "visual_clip",
    "window_audio", "window_visual", "visual_cosine",
)  # fmt: skip
"""Arrays of scores that a group may hold; beside them lie those of the videos and ``window_index`` (W, 3)."""

_SEGMENT_ROWS = ("visual_segments", "audio_segments", "audio_visual_segments", "visual_cosine")

VIDEO_ARRAYS = ("segments_per_video", "has_audio", "has_visual")


def write_scores(place: Location, group: str, bundle: ScoreBundle, extra: Mapping[str, Any]) -> None:
    """Write a score bundle into a group, its commit marker last; ``extra`` is added to the marker."""
    videos = max(1, bundle.num_videos)
    arrays = {array: getattr(bundle, array) for array in (*SCORE_ARRAYS, *VIDEO_ARRAYS)}
    arrays["window_index"] = np.stack([bundle.window_video, bundle.window_start, bundle.window_end], axis=1)
    arrays = {array: np.asarray(rows) for array, rows in arrays.items() if rows is not None}
    with place.replacing(group):
        for array, rows in arrays.items():
            place.write(f"{group}/{array}", rows, -(-len(rows) // videos) * SHARD_VIDEOS)
        marker = {
            "committed": True,
            "kind": bundle.kind,
            "segment_seconds": bundle.segment_seconds,
            "video_ids": list(bundle.video_ids),
            **extra,
            "content": scores_content(bundle.video_ids, bundle.labels, arrays),
            "sha256": place.hashes(group),
        }
        place.set_attributes(group, marker)


def scores_content(ids: Sequence[str], labels: Sequence[str], arrays: Mapping[str, NDArray[Any]]) -> str:
    """The content hash of scores: of their videos, labels and arrays."""
    return content_hash({"videos": ids, "labels": labels}, arrays)


def read_score_arrays(place: Location, group: str) -> dict[str, NDArray[Any]]:
    """The arrays of a group of scores that are there, by name. Raises: DataError where one is damaged."""
    names = (*SCORE_ARRAYS, *VIDEO_ARRAYS, "window_index")
    found = dict(zip(names, place.read_arrays([f"{group}/{name}" for name in names]).values(), strict=True))
    return {array: rows for array, rows in found.items() if rows is not None}


def read_scores(place: Location, group: str, marker: Mapping[str, Any], labels: Sequence[str]) -> ScoreBundle:
    """The score bundle that :func:`write_scores` wrote into a group.

    Raises: DataError where arrays are missing, or do not fit each other or the marker.
    """
    arrays = read_score_arrays(place, group)
    index = arrays.pop("window_index", None)
    if index is None or any(a not in arrays for a in VIDEO_ARRAYS):
        raise DataError(
            f"the scores of {place.url} are incomplete; `avreplay verify {place.url}` names what is missing"
        )
    windows = "window_audio" in arrays or "window_visual" in arrays
    try:
        if index.shape[1:] != (3,):
            raise DataError(f"window_index has shape {index.shape}; expected 3 columns")
        most = max((len(arrays[a]) for a in _SEGMENT_ROWS if a in arrays), default=0)
        counts = arrays["segments_per_video"]
        if counts.size and (counts.min() < 0 or counts.max() > most):
            raise DataError(f"segments_per_video has a count outside 0 to {most}, the rows that are there")
        return ScoreBundle.create(
            video_ids=marker["video_ids"],
            labels=labels,
            kind=marker["kind"],
            segment_seconds=marker["segment_seconds"],
            window_video=index[:, 0] if windows else None,
            window_start=index[:, 1] if windows else None,
            window_end=index[:, 2] if windows else None,
            **arrays,
        )
    except DataError as error:
        raise DataError(
            f"the scores in {place.url}/{group} are damaged: {error} (`avreplay verify {place.url}` names the files)"
        ) from None
