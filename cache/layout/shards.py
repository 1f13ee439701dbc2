"""A shard of a store: the group that holds it, and its arrays from the embeddings of its videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from .attributes import ShardMarker, typed_marker
from .fingerprint import content_hash
from .location import Location
from .schema import STAGING_SUFFIX, VideoEmbeddings, VideoRecord, shard_name

SHARD_ARRAYS = (
    "audio_segments", "visual_segments", "audio_clip", "visual_clip", "window_index", "window_audio", "window_visual",
)  # fmt: skip


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
    arrays: Mapping[str, NDArray[Any]], records: Sequence[VideoRecord], config: Mapping[str, Any], where: str
) -> None:
    """Raises: DataError where arrays of a shard do not have the shape and type that its videos and the configuration
    say, or windows lie outside of their videos."""
    counts = [r.segments for r in records if r.has_data]
    dims = config["dims"]
    widths = {"audio": (dims["audio"],), "visual": (dims["visual"],)}
    rows = {"segments": sum(counts), "clip": len(counts), "window": None}
    for name, array in arrays.items():
        modality, kind = ("audio" if "audio" in name else "visual"), name.split("_")
        of = "window" if kind[0] == "window" else kind[1]
        several = modality == "visual" and of != "segments"
        tail = (dims["visual_rows"], *widths[modality]) if several else widths[modality]
        index = name == "window_index"
        want = (len(array) if rows[of] is None else rows[of], *((3,) if index else tail))
        dtype = "int32" if index else config["dtype"]
        if array.shape != want or array.dtype != dtype:
            raise DataError(
                f"{where}/{name} has the shape {array.shape} of {array.dtype}, and its videos and the store's "
                f"configuration need {want} of {dtype}; delete that folder and run the extraction again"
            )
        if index and len(array):
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
    audio, visual, rows = (config["dims"][k] for k in ("audio", "visual", "visual_rows"))
    shapes = {
        "audio_segments": (audio,), "visual_segments": (visual,), "audio_clip": (audio,),
        "visual_clip": (rows, visual), "window_audio": (audio,), "window_visual": (rows, visual),
    }  # fmt: skip
    out: dict[str, NDArray[Any]] = {}
    for name, tail in shapes.items():
        parts: list[NDArray[Any]] = [np.zeros((0, *tail), dtype)]
        for record, e in data:
            counts = {"segments": record.segments, "clip": 1, "window": len(e.windows)}
            count = counts["window" if name.startswith("window") else name.split("_")[1]]
            present = record.has_audio if "audio" in name else record.has_visual
            parts.append(_rows(getattr(e, name), name, record, present, (count, *tail), dtype))
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
