"""A shard's arrays from its videos' embeddings: every video's rows one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from .schema import VideoEmbeddings, VideoRecord


def flatten(data: Sequence[tuple[VideoRecord, VideoEmbeddings]], config: Mapping[str, Any]) -> dict[str, NDArray]:
    """A shard's arrays: every video's rows one after the other, NaN where a stream is absent."""
    dtype = np.dtype(config["dtype"])
    audio, visual, rows = (config["dims"][k] for k in ("audio", "visual", "visual_rows"))
    shapes = {
        "audio_segments": (audio,), "visual_segments": (visual,), "audio_clip": (audio,),
        "visual_clip": (rows, visual), "window_audio": (audio,), "window_visual": (rows, visual),
    }  # fmt: skip
    out: dict[str, NDArray] = {}
    for name, tail in shapes.items():
        parts = [np.zeros((0, *tail), dtype)]
        for record, e in data:
            count = {"a": record.segments, "v": record.segments, "w": len(e.windows)}[name[0]]
            count = 1 if name.endswith("clip") else count
            there = record.has_audio if "audio" in name else record.has_visual
            parts.append(_rows(getattr(e, name), name, record, there, (count, *tail), dtype))
        out[name] = np.concatenate(parts)
    index = [
        np.column_stack([np.full(len(e.windows), i), np.reshape(e.windows, (-1, 2))]) for i, (_, e) in enumerate(data)
    ]
    out["window_index"] = np.concatenate([np.zeros((0, 3), np.int64), *index]).astype(np.int32)
    return out


def _rows(
    values: NDArray | None, name: str, record: VideoRecord, there: bool, shape: tuple[int, ...], dtype: np.dtype
) -> NDArray:
    if not there:
        return np.full(shape, np.nan, dtype)
    array = np.zeros(0) if values is None else np.asarray(values)
    if name.endswith("clip") and array.shape == shape[1:]:
        array = array[None]
    if array.shape != shape:
        raise DataError(f"{name} of video {record.id!r} has shape {array.shape}; expected {shape}")
    if not np.isfinite(array).all():
        raise DataError(f"{name} of video {record.id!r} holds NaN or infinity; the encoder's output must be finite")
    if array.size and np.abs(array).max() > np.finfo(dtype).max:
        raise DataError(f"{name} of video {record.id!r} exceeds {dtype}; extract with --dtype float32")
    return array.astype(dtype)
