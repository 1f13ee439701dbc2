"""A score bundle as a group of arrays in a store: written and read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...core.bundle import ScoreBundle
from ...core.errors import DataError
from .fingerprint import ContentDigest
from .location import Location
from .schema import SHARD_VIDEOS

SCORE_ARRAYS = (
    "visual_segments", "audio_segments", "audio_visual_segments", "audio_clip", "visual_clip",
    "window_audio", "window_visual", "visual_cosine", "audio_frames",
)  # fmt: skip
"""Arrays of scores that a group may hold; beside them lie those of the videos and ``window_index`` (W, 3)."""

_PIECE = 16 << 20
"""Bytes of an array that are read at once to be hashed."""

SEGMENT_ROWS = ("visual_segments", "audio_segments", "audio_visual_segments", "visual_cosine", "audio_frames")


class Head(Protocol):
    """What scores are of, as in a `ScoreBundle`."""

    @property
    def video_ids(self) -> tuple[str, ...]: ...

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def kind(self) -> str: ...

    @property
    def segment_seconds(self) -> float: ...


VIDEO_ARRAYS = ("segments_per_video", "has_audio", "has_visual")


@dataclass(frozen=True)
class Column:
    """One array of a group of scores that is to be written: its dtype, its shape, and what gives its rows in blocks."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    blocks: Callable[[], Iterable[NDArray[Any]]]


def write_scores(place: Location, group: str, bundle: ScoreBundle, extra: Mapping[str, Any]) -> None:
    """Write a score bundle into a group, its commit marker last; ``extra`` is added to the marker."""
    found = {array: getattr(bundle, array) for array in (*SCORE_ARRAYS, *VIDEO_ARRAYS)}
    found["window_index"] = np.stack([bundle.window_video, bundle.window_start, bundle.window_end], axis=1)
    arrays = {array: np.asarray(rows) for array, rows in found.items() if rows is not None}
    columns = {name: Column(rows.dtype, rows.shape, partial(list, (rows,))) for name, rows in arrays.items()}
    write_columns(place, group, bundle, columns, extra)


def write_columns(
    place: Location, group: str, head: Head, columns: Mapping[str, Column], extra: Mapping[str, Any]
) -> None:
    """Write the arrays of scores into a group one by one, their commit marker last; ``extra`` is added to it."""
    videos = max(1, len(head.video_ids))
    names = {"videos": head.video_ids, "labels": head.labels}
    content = ContentDigest(names, {name: (column.dtype, column.shape) for name, column in columns.items()})
    with place.replacing(group):
        for name in content.order:
            dtype, shape, blocks = columns[name].dtype, columns[name].shape, _counted(columns[name], content)
            place.write_rows(f"{group}/{name}", shape, dtype, -(-shape[0] // videos) * SHARD_VIDEOS, blocks)
        marker = {
            "committed": True,
            "kind": head.kind,
            "segment_seconds": head.segment_seconds,
            "video_ids": list(head.video_ids),
            **extra,
            "content": content.hexdigest(),
            "sha256": place.hashes(group),
        }
        place.set_attributes(group, marker)


def _counted(column: Column, content: ContentDigest) -> Iterator[NDArray[Any]]:
    """The blocks of a column, as they are hashed."""
    for block in column.blocks():
        content.update(block)
        yield block


def stored_content(place: Location, group: str, ids: Sequence[str], labels: Sequence[str]) -> str:
    """The content hash of the scores in a group: of their videos, labels and arrays, which are read in pieces."""
    names = (*SCORE_ARRAYS, *VIDEO_ARRAYS, "window_index")
    opened = place.open_rows([f"{group}/{name}" for name in names])
    rows = {name.rpartition("/")[2]: array for name, array in opened.items()}
    content = ContentDigest(
        {"videos": ids, "labels": labels}, {name: (array.dtype, array.shape) for name, array in rows.items()}
    )
    for name in content.order:
        for piece in rows[name].pieces(max(1, _PIECE // max(1, rows[name].row_bytes))):
            content.update(piece)
    return content.hexdigest()


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
        most = max((len(arrays[a]) for a in SEGMENT_ROWS if a in arrays), default=0)
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
