"""Whether the arrays of scores fit each other, seen from their shapes and types before any value is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from ...core.bundle_checks import check_shape
from ...core.errors import DataError
from .score_arrays import SEGMENT_ROWS

_SEVERAL_ROWS = ("visual_clip", "window_visual")
"""Scores of which each has as many rows as a visual embedding."""


class Shaped(Protocol):
    """An array of which only this is known."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    row_bytes: int


def rows_of(name: str) -> str:
    """What the rows of an array of scores, or of the embeddings that it is made from, stand for: ``segments``,
    ``clip`` (videos) or ``windows``."""
    segments = name in SEGMENT_ROWS or name == "visual_features"
    return "segments" if segments else "windows" if name.startswith("window") else "clip"


def refuse_unfitting(arrays: Mapping[str, Shaped], videos: int, labels: int, segments: int, windows: int) -> None:
    """Compare shapes and types of arrays, as :meth:`ScoreBundle.create` does of whole ones.

    Raises: DataError naming the array.
    """
    if not labels:
        raise DataError("the score bundle has no labels; give at least one in `labels`")
    length = {"segments": segments, "clip": videos, "windows": windows}
    several: dict[str, int] = {}
    for name, array in arrays.items():
        if array.dtype.kind not in "fiu":
            expected = "float64" if name == "visual_cosine" else "float32"
            raise DataError(f"{name} has dtype {array.dtype}; expected {expected}")
        tail: tuple[int | None, ...] = (labels,)
        if name in (*_SEVERAL_ROWS, "audio_frames"):
            tail = (None, labels)
        elif name in ("visual_cosine", "visual_features"):
            tail = () if name == "visual_cosine" else (None,)
        check_shape(array.shape, name, (length[rows_of(name)], *tail))
        if None in tail and array.shape[1] == 0:
            raise DataError(f"{name} has shape {array.shape}; every score needs at least one row or feature")
        if name in _SEVERAL_ROWS:
            several[name] = array.shape[1]
    if len(set(several.values())) > 1 and windows:
        raise DataError(
            f"visual_clip has {several['visual_clip']} rows a score and window_visual {several['window_visual']}; "
            "they must agree"
        )
