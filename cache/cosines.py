"""Cosines of cached segments and texts, which OV-AVEL's decoders compare (AV²A's scores are plain products)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.bundle import ScoreBundle
from ..core.errors import DataError
from .store import Store


def store_cosines(store: Store, *, fused: bool = False) -> ScoreBundle:
    """Cosines of every segment with every text, as a score bundle of the segment arrays alone (Eq. 1 of OV-AVEL).

    A store of imported scores is taken as it is.

    Parameters
    ----------
    fused : also ``audio_visual_segments``, the cosine of the mean of the audio and the visual embedding, as they are
        stored (ImageBind's audio has norm 20 and its pictures norm 1); needs one text embedding for both

    Raises
    ------
    DataError
        no vocabulary, damaged arrays, ``fused`` where audio and pictures do not share an embedding space
    """
    if store.kind == "scores":
        return store.bundle()
    vocabulary = store.vocabulary
    if vocabulary is None:
        raise DataError(f"{store.url} has no labels yet; give some with `avreplay embed-text`")
    audio_text, visual_text = vocabulary.audio_text, vocabulary.visual_text
    if fused and not np.array_equal(audio_text, visual_text):
        raise DataError(
            f"{store.url} embeds the labels differently for sound and for pictures, so their features have no mean, "
            "which fusion=fea_avg needs; choose another fusion"
        )
    videos = [r for i in store.committed for r in store.records_of(i) if r.has_data]
    rows: dict[str, list[NDArray[np.float32]]] = {
        name: [np.zeros((0, len(store.labels)), np.float32)]
        for name in ("audio_segments", "visual_segments", *(["audio_visual_segments"] if fused else []))
    }
    for shard in store.committed:
        arrays = store.shard_arrays(shard, ("audio_segments", "visual_segments"))
        audio, visual = (a.astype(np.float64) for a in arrays.values())
        rows["audio_segments"].append(cosines(audio, audio_text))
        rows["visual_segments"].append(cosines(visual, visual_text))
        if fused:
            rows["audio_visual_segments"].append(cosines((audio + visual) / 2, audio_text))
    scores: dict[str, NDArray] = {name: np.concatenate(parts) for name, parts in rows.items()}
    return ScoreBundle.create(
        video_ids=[r.id for r in videos],
        labels=store.labels,
        segments_per_video=np.array([r.segments for r in videos], np.int64),
        segment_seconds=float(store.config["segment_seconds"]),
        has_audio=np.array([r.has_audio for r in videos], np.bool_),
        has_visual=np.array([r.has_visual for r in videos], np.bool_),
        **scores,  # type: ignore[arg-type]
    )


def cosines(x: NDArray, text: NDArray) -> NDArray[np.float32]:
    """Cosines of rows (S, D) and texts (C, D), (S, C) float32.

    Norms below 1e-8 are raised to 1e-8, as torch does; rows of NaN, which stand for an absent stream, give 0.
    """
    x, text = np.asarray(x, np.float64), np.asarray(text, np.float64)
    unit_text = text / np.maximum(np.linalg.norm(text, axis=1, keepdims=True), 1e-8)
    # dividing the products costs C/D of dividing the rows
    out = (x @ unit_text.T) / np.maximum(np.sqrt(np.einsum("sd,sd->s", x, x)), 1e-8)[:, None]
    return np.nan_to_num(out, nan=0.0).astype(np.float32)
