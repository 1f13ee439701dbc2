"""Similarities of embeddings and text: plain products, which AV²A standardises, and cosines, which OV-AVEL compares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.bundle import adjacent_cosine
from .layout.schema import Vocabulary
from .layout.shards import modality_of

PRODUCTS = (
    "audio_segments", "audio_clip", "window_audio", "visual_segments", "visual_clip", "window_visual", "audio_frames",
    "audio_visual_segments",
)  # fmt: skip
"""The arrays of embeddings that have products with texts, as far as a store has them."""

_FRAMES_AT_ONCE = 8192
"""Frames whose products are computed together: those of a shard would take gigabytes in float64."""


def shard_products(
    arrays: Mapping[str, NDArray[Any]], vocabulary: Vocabulary, segments: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    """The score arrays of one shard: embeddings times text, accumulated in float64, kept in float32; for a vocabulary
    with ``logits``, scale times product plus bias.

    Computed per shard, so that the values do not depend on which other shards are committed. Absent streams (NaN
    embeddings) score 0.

    Parameters
    ----------
    arrays : the shard's embeddings by name, as :mod:`.layout.schema` lists them
    segments : (n,) segments of each of its videos with data

    Returns
    -------
    the arrays of the same names with D replaced by C, and ``visual_cosine`` (S,) float64
    """
    out = {name: products(arrays[name], vocabulary, name) for name in PRODUCTS if name in arrays}
    return {**out, "visual_cosine": shard_visual_cosine(arrays["visual_segments"], segments)}


def products(embeddings: NDArray[Any], vocabulary: Vocabulary, name: str) -> NDArray[np.float32]:
    """The products of the embeddings of one array of a shard, ``name``, with the texts, see :func:`shard_products`."""
    if name == "audio_frames" and embeddings.shape[0] * embeddings.shape[1] > _FRAMES_AT_ONCE:
        step = max(1, _FRAMES_AT_ONCE // embeddings.shape[1])
        parts = [products(embeddings[i : i + step], vocabulary, name) for i in range(0, len(embeddings), step)]
        return np.concatenate(parts)
    modality = modality_of(name)
    text = vocabulary.text(modality)
    embedding = np.nan_to_num(embeddings.astype(np.float64), nan=0.0)
    found = embedding @ text.T.astype(np.float64)
    if modality in vocabulary.logits:
        scale, bias = vocabulary.logits[modality]
        found = scale * found + bias
        found[np.isnan(embeddings).any(axis=-1)] = 0.0
    out: NDArray[np.float32] = found.astype(np.float32)
    return out


def shard_visual_cosine(visual_segments: NDArray[Any], segments: NDArray[np.int64]) -> NDArray[np.float64]:
    """``visual_cosine`` (S,) of the embeddings of a shard's segments, see :func:`shard_products`."""
    return adjacent_cosine(np.nan_to_num(visual_segments.astype(np.float64)), segments)


def shard_cosines(
    audio: NDArray[Any], visual: NDArray[Any], vocabulary: Vocabulary, *, fused: bool = False
) -> dict[str, NDArray[np.float32]]:
    """Cosines of one shard's segments with every text (Eq. 1 of OV-AVEL), by the name of the score array.

    Shapes: audio (S, Da), visual (S, Dv); results (S, C) float32. ``fused`` adds ``audio_visual_segments``, the cosine
    of the mean of both embeddings as they are stored.
    """
    audio, visual = audio.astype(np.float64), visual.astype(np.float64)
    out = {
        "audio_segments": cosines(audio, vocabulary.audio_text),
        "visual_segments": cosines(visual, vocabulary.visual_text),
    }
    if fused:
        out["audio_visual_segments"] = cosines((audio + visual) / 2, vocabulary.audio_text)
    return out


def cosines(embeddings: NDArray[Any], text: NDArray[Any]) -> NDArray[np.float32]:
    """Cosines of S embeddings (S, D) and C texts (C, D), (S, C) float32.

    Norms below 1e-8 are raised to 1e-8, as torch does; rows of NaN, an absent stream, give 0.
    """
    x, y = np.asarray(embeddings, np.float64), np.asarray(text, np.float64)
    unit_text = y / np.maximum(np.linalg.norm(y, axis=1, keepdims=True), 1e-8)
    # dividing the products costs C/D of dividing the rows
    out = (x @ unit_text.T) / np.maximum(np.sqrt(np.einsum("sd,sd->s", x, x)), 1e-8)[:, None]
    found: NDArray[np.float32] = np.nan_to_num(out, nan=0.0).astype(np.float32)
    return found
