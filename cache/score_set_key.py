"""The name of a score set's group, by which changed scores and settings are told apart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.bundle import ScoreBundle
from .layout.fingerprint import canonical
from .layout.score_arrays import SCORE_ARRAYS, VIDEO_ARRAYS, Head
from .write_rows import Columns, row_blocks

_WINDOWS = ("window_start", "window_end")

_LATER = ("audio_frames",)
"""Arrays that earlier keys know nothing of: where they are absent, the key is the one that it was."""


def score_set_key(bundle: ScoreBundle, config: Mapping[str, Any]) -> str:
    """A hash of scores and their configuration, 16 hex digits."""

    def blocks(array: str) -> Iterable[NDArray[Any]] | None:
        values = getattr(bundle, array)
        return None if values is None else (values,)

    return _key(bundle, config, blocks)


def score_rows_key(rows: Columns, config: Mapping[str, Any], memory: int) -> str:
    """As :func:`score_set_key` of the whole bundle; the scores are read block by block."""

    def blocks(array: str) -> Iterable[NDArray[Any]] | None:
        if array in _WINDOWS:
            column = 1 + _WINDOWS.index(array)
            return (index[:, column] for index in row_blocks(rows, memory, "window_index"))
        there = array in rows.columns or array in VIDEO_ARRAYS
        return row_blocks(rows, memory, array) if there else None

    return _key(rows, config, blocks)


def _key(head: Head, config: Mapping[str, Any], blocks: Callable[[str], Iterable[NDArray[Any]] | None]) -> str:
    digest = hashlib.sha256(canonical(config).encode())
    names = {"labels": list(head.labels), "video_ids": list(head.video_ids), "kind": head.kind}
    digest.update(canonical({**names, "segment_seconds": head.segment_seconds}).encode())
    for array in (*SCORE_ARRAYS, *VIDEO_ARRAYS, *_WINDOWS):
        found = blocks(array)
        if found is None and array in _LATER:
            continue
        for values in (array.encode(),) if found is None else found:
            digest.update(values if isinstance(values, bytes) else np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()[:16]
