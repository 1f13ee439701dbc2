"""A shard of a store: the group that holds it, and its arrays from the embeddings of its videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from .array_rows import ArrayRows
from .attributes import ShardMarker, typed_marker
from .fingerprint import content_hash
from .location import Location
from .schema import STAGING_SUFFIX, VideoEmbeddings, VideoRecord, shard_name
from .score_shapes import rows_of

SHARD_ARRAYS: tuple[str, ...] = (
    "audio_segments", "visual_segments", "audio_clip", "visual_clip", "window_index", "window_audio", "window_visual",
)  # fmt: skip
"""The arrays of every shard; :func:`shard_arrays` adds those that only some encoders give."""


def row_shapes(dims: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """The shape of a row of each array of embeddings of a shard, by name, for the ``dims`` of a configuration."""
    audio, visual, rows = dims["audio"], dims["visual"], dims["visual_rows"]
    shapes: dict[str, tuple[int, ...]] = {
        "audio_segments": (audio,), "visual_segments": (visual,), "audio_clip": (audio,),
        "visual_clip": (rows, visual), "window_audio": (audio,), "window_visual": (rows, visual),
    }  # fmt: skip
    if dims.get("audio_frames", 1) > 1:
        shapes["audio_frames"] = (dims["audio_frames"], audio)
    if "audio_visual" in dims:
        shapes["audio_visual_segments"] = (dims["audio_visual"],)
    return shapes


def shard_arrays(dims: Mapping[str, int]) -> tuple[str, ...]:
    """The names of all arrays of a shard, for the ``dims`` of a configuration."""
    return (*SHARD_ARRAYS, *(name for name in row_shapes(dims) if name not in SHARD_ARRAYS))


def modality_of(name: str) -> str:
    """The modality of an array of a shard, by its name."""
    return "audio_visual" if name.startswith("audio_visual") else "audio" if "audio" in name else "visual"


def present(name: str, has_audio: bool, has_visual: bool) -> bool:
    """Whether a video with these streams has rows in an array of a shard."""
    streams = {"audio": has_audio, "visual": has_visual, "audio_visual": has_audio and has_visual}
    return streams[modality_of(name)]


def shard_group(place: Location, index: int) -> tuple[str, dict[str, Any]] | None:
    """The group of a committed shard and its marker; None where it is not committed.

    A shard that was written to replace another one, but had not taken its place when its writer ended, is read where it
    was written.
    """
    name = shard_name(index)
    # a writer may move the staged shard to its place after the first look: look there again
    for group in (name, f"{name}{STAGING_SUFFIX}", name):
        marker = typed_marker(place, group, ShardMarker)
        if marker is not None:
            return group, marker
    return None


def shard_content(ids: Sequence[str], arrays: Mapping[str, NDArray[Any]]) -> str:
    """The content hash of a shard: of its videos and arrays."""
    return content_hash({"videos": ids}, arrays)


def refuse_unfitting(
    arrays: Mapping[str, NDArray[Any] | ArrayRows], counts: Sequence[int], config: Mapping[str, Any], where: str
) -> None:
    """Raises: DataError where arrays of a shard do not have the shape and type that the segments of its videos with
    data, ``counts``, and the configuration say, or windows that are in memory lie outside of their videos."""
    tails = row_shapes(config["dims"])
    rows = {"segments": sum(counts), "clip": len(counts)}
    for name, array in arrays.items():
        index = name == "window_index"
        want = (rows.get(rows_of(name), len(array)), *((3,) if index else tails[name]))
        dtype = "int32" if index else config["dtype"]
        if array.shape != want or array.dtype != dtype:
            raise DataError(
                f"{where}/{name} has the shape {array.shape} of {array.dtype}, and its videos and the store's "
                f"configuration need {want} of {dtype}; delete that folder and run the extraction again"
            )
        if index and len(array) and isinstance(array, np.ndarray):
            video, start, end = array.T
            ends = np.array([*counts, 0])[np.clip(video, 0, len(counts))]
            if video.min() < 0 or video.max() >= len(counts) or (start < 0).any() or not (start < end).all() \
                    or (end > ends).any():  # fmt: skip
                raise DataError(
                    f"{where}/{name} has windows outside of their videos; delete that folder and extract again"
                )
    lengths = {len(array) for name, array in arrays.items() if name.startswith("window")}
    if len(lengths) > 1:
        raise DataError(
            f"{where} has {' and '.join(map(str, sorted(lengths)))} rows of windows, which must agree; delete that "
            "folder and run the extraction again"
        )


def flatten(data: Sequence[tuple[VideoRecord, VideoEmbeddings]], config: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """A shard's arrays: the rows of its videos in order, NaN where a stream is absent.

    Raises: DataError for embeddings of another shape than ``config`` declares, NaN, infinity, or values beyond its
    dtype; the message names the video and the array.
    """
    dtype: np.dtype[Any] = np.dtype(config["dtype"])
    out: dict[str, NDArray[Any]] = {}
    for name, tail in row_shapes(config["dims"]).items():
        parts: list[NDArray[Any]] = [np.zeros((0, *tail), dtype)]
        for record, e in data:
            counts = {"segments": record.segments, "clip": 1, "windows": len(e.windows)}
            there = present(name, record.has_audio, record.has_visual)
            parts.append(_rows(getattr(e, name), name, record, there, (counts[rows_of(name)], *tail), dtype))
        out[name] = np.concatenate(parts)
    index = [
        np.column_stack([np.full(len(e.windows), i), np.reshape(e.windows, (-1, 2))]) for i, (_, e) in enumerate(data)
    ]
    out["window_index"] = np.concatenate([np.zeros((0, 3), np.int64), *index]).astype(np.int32)
    return out


def _rows(
    values: NDArray[Any] | None,
    name: str,
    record: VideoRecord,
    present: bool,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
) -> NDArray[Any]:
    if not present:
        return np.full(shape, np.nan, dtype)
    array: NDArray[Any] = np.zeros(0) if values is None else np.asarray(values)
    if name.endswith("clip") and array.shape == shape[1:]:
        array = array[None]
    if array.shape != shape:
        raise DataError(f"{name} of video {record.id!r} has shape {array.shape}; expected {shape}")
    if not np.isfinite(array).all():
        raise DataError(f"{name} of video {record.id!r} holds NaN or infinity; the encoder's output must be finite")
    if array.size and np.abs(array).max() > np.finfo(dtype).max:
        raise DataError(f"{name} of video {record.id!r} exceeds {dtype}; extract with --dtype float32")
    return array.astype(dtype)
