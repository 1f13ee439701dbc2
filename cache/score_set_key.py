"""The name of a score set's group, by which changed scores and settings are told apart."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.bundle import ScoreBundle
from .layout.fingerprint import canonical
from .layout.score_arrays import SCORE_ARRAYS, VIDEO_ARRAYS


def score_set_key(bundle: ScoreBundle, config: Mapping[str, Any]) -> str:
    """A hash of scores and their configuration, 16 hex digits."""
    digest = hashlib.sha256(canonical(config).encode())
    names = {"labels": list(bundle.labels), "video_ids": list(bundle.video_ids), "kind": bundle.kind}
    digest.update(canonical({**names, "segment_seconds": bundle.segment_seconds}).encode())
    for array in (*SCORE_ARRAYS, *VIDEO_ARRAYS, "window_start", "window_end"):
        values = getattr(bundle, array)
        digest.update(array.encode() if values is None else np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()[:16]
