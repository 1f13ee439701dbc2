"""Reference rows: embeddings of a few fixed texts, kept in a store so that other weights are noticed later.

They lie in the group ``reference``, outside of the fingerprint: the same encoder on another device or in another
precision gives them up to rounding, and an encoder that declares the same but has other weights does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from .layout.attributes import ReferenceMarker, typed_marker
from .layout.location import Location
from .layout.schema import REFERENCE_GROUP

REFERENCE_ARRAYS = ("audio_text", "visual_text")
"""Rows of fixed texts, (n, Da) and (n, Dv) float32; those that an encoder does not give are left out."""

TOLERANCE = 0.05
"""The most by which two rows may differ, in parts of the longer one's norm: devices differ by less than 0.001, bfloat16
and float32 by about 0.02, other weights by about 1."""


def write_reference(place: Location, prompts: Sequence[str], rows: Mapping[str, NDArray[Any]]) -> None:
    """Write reference rows, the marker last. ``prompts``: the texts of which they are."""
    with place.replacing(REFERENCE_GROUP):
        for name in REFERENCE_ARRAYS:
            if name in rows:
                place.write(f"{REFERENCE_GROUP}/{name}", np.asarray(rows[name], np.float32), 1 << 20)
        marker = {"committed": True, "prompts": list(prompts), "sha256": place.hashes(REFERENCE_GROUP)}
        place.set_attributes(REFERENCE_GROUP, marker)


def refuse_other_rows(place: Location, rows: Mapping[str, NDArray[Any]]) -> bool:
    """Compare the rows of an encoder with those of a store; returns whether the store has any.

    Raises: DataError where they differ by more than :data:`TOLERANCE`.
    """
    if typed_marker(place, REFERENCE_GROUP, ReferenceMarker) is None:
        return False
    for name in REFERENCE_ARRAYS:
        kept = place.read(f"{REFERENCE_GROUP}/{name}")
        if kept is None or name not in rows:
            continue
        apart = _distance(kept, rows[name])
        if apart > TOLERANCE:
            raise DataError(
                f"the encoder here is not the one that {place.url} was made with: its {name} of the reference prompts "
                f"is {apart:.0%} off, and devices and precisions make less than {TOLERANCE:.0%}; use the same weights, "
                "or another store"
            )
    return True


def _distance(kept: NDArray[Any], now: NDArray[Any]) -> float:
    """The largest distance of two rows, in parts of the longer one's norm; infinity for other shapes."""
    if kept.shape != np.shape(now):
        return float("inf")
    a, b = np.asarray(kept, np.float64), np.asarray(now, np.float64)
    longer = np.maximum(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))
    return float((np.linalg.norm(a - b, axis=1) / np.maximum(longer, 1e-12)).max(initial=0.0))
