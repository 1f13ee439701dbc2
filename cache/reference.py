"""Reference rows: embeddings of a few fixed inputs, kept in a store so that another encoder is noticed later.

They lie in the group ``reference``, outside of the fingerprint: the same encoder on another device gives them up to
rounding, and an encoder that declares the same but has other weights, or packages that compute something else, does
not. Stores of earlier versions have those of texts only.
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

REFERENCE_ARRAYS = (
    "audio_text", "visual_text", "pictures", "clips", "sounds", "audio_visual_text", "frames", "audio_visual"
)  # fmt: skip
"""Rows (n, D) float32 of fixed inputs, one array a tower; others are absent."""

TOLERANCE = 0.05
"""The most by which two rows may differ, in parts of the longer one's norm: devices differ by less than 0.001, bfloat16
and float32 by about 0.02, other weights by about 1. Encoders may declare less, see `Backbone.reference_tolerances`."""


def write_reference(
    place: Location,
    prompts: Sequence[str],
    rows: Mapping[str, NDArray[Any]],
    made_with: Mapping[str, str] | None = None,
) -> None:
    """Write reference rows, the marker last.

    Parameters
    ----------
    prompts : the texts of which they are
    made_with : versions of packages and the device that computed them
    """
    with place.replacing(REFERENCE_GROUP):
        for name in REFERENCE_ARRAYS:
            if name in rows:
                place.write(f"{REFERENCE_GROUP}/{name}", np.asarray(rows[name], np.float32), 1 << 20)
        marker = {"committed": True, "prompts": list(prompts), "sha256": place.hashes(REFERENCE_GROUP)}
        if made_with:
            marker["made_with"] = dict(made_with)
        place.set_attributes(REFERENCE_GROUP, marker)


def refuse_other_rows(
    place: Location,
    rows: Mapping[str, NDArray[Any]],
    tolerances: Mapping[str, float] | None = None,
    made_with: Mapping[str, str] | None = None,
) -> bool:
    """Compare the rows of an encoder with those of a store; returns whether the store has any.

    Parameters
    ----------
    tolerances : by array, see :data:`TOLERANCE`, which is that of the others
    made_with : versions of packages and the device here, for the message

    Raises: DataError where they differ by more.
    """
    marker = typed_marker(place, REFERENCE_GROUP, ReferenceMarker)
    if marker is None:
        return False
    for name in REFERENCE_ARRAYS:
        kept = place.read(f"{REFERENCE_GROUP}/{name}")
        if kept is None or name not in rows:
            continue
        apart, most = row_distance(kept, rows[name]), (tolerances or {}).get(name, TOLERANCE)
        if apart > most:
            what = "reference prompts" if name.endswith("_text") else "reference inputs"
            raise DataError(
                f"the encoder here is not the one that {place.url} was made with: its {name} of the {what} "
                f"is {_share(apart)} off, and devices make less than {_share(most)}"
                f"{_versions(marker.get('made_with') or {}, made_with)}; use the same weights and packages, or another "
                "store"
            )
    return True


def other_rows(one: Location, another: Location) -> str | None:
    """The name of reference rows in which two stores differ by more than :data:`TOLERANCE`; None for none."""
    if any(typed_marker(place, REFERENCE_GROUP, ReferenceMarker) is None for place in (one, another)):
        return None
    for name in REFERENCE_ARRAYS:
        rows = [place.read(f"{REFERENCE_GROUP}/{name}") for place in (one, another)]
        if rows[0] is not None and rows[1] is not None and row_distance(rows[0], rows[1]) > TOLERANCE:
            return name
    return None


def _share(value: float) -> str:
    """A share in per cent; small ones with their first digits."""
    return f"{value:.0%}" if value >= 0.05 else f"{100 * value:.2g}%"


def _versions(before: Mapping[str, str], here: Mapping[str, str] | None) -> str:
    """What the rows of a store were made with and what is here, as far as they differ; empty where neither is known."""
    if not before or not here:
        return ""
    differ = [key for key in sorted({*before, *here}) if before.get(key) != here.get(key)]
    if not differ:
        return f" (with the same packages: {_listed(here, sorted(here))})"
    return f" (made with {_listed(before, differ)}; here are {_listed(here, differ)})"


def _listed(versions: Mapping[str, str], keys: Sequence[str]) -> str:
    return ", ".join(f"{key} {versions.get(key, 'unknown')}" for key in keys)


def row_distance(kept: NDArray[Any], now: NDArray[Any]) -> float:
    """The largest distance of two rows, in parts of the longer one's norm; infinity for other shapes."""
    if kept.shape != np.shape(now):
        return float("inf")
    a, b = np.asarray(kept, np.float64), np.asarray(now, np.float64)
    longer = np.maximum(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))
    return float((np.linalg.norm(a - b, axis=1) / np.maximum(longer, 1e-12)).max(initial=0.0))
