"""A vocabulary of a store: its labels, prompts and text embeddings as a group of arrays, written and read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...core.errors import DataError
from .location import Location
from .schema import Vocabulary


def read_vocabulary(
    place: Location, group: str, marker: Mapping[str, Any] | None, dims: Mapping[str, int]
) -> Vocabulary:
    """The vocabulary in a group with this marker; ``dims`` are the widths of the embeddings, by modality.

    Raises: DataError where it is damaged, or does not fit its labels or the widths.
    """
    audio, visual = place.read_arrays([f"{group}/{text}" for text in ("audio_text", "visual_text")]).values()
    if marker is None or audio is None or visual is None:
        raise DataError(f"the vocabulary of {place.url} is damaged; write it again with `avreplay embed-text`")
    labels, audio_prompts, visual_prompts = (tuple(marker[k]) for k in ("labels", "audio_prompts", "visual_prompts"))
    wanted = [(len(labels), dims["audio"]), (len(labels), dims["visual"])]
    if [audio.shape, visual.shape] != wanted or {audio.dtype, visual.dtype} != {np.dtype(np.float32)}:
        raise DataError(
            f"the text embeddings of {place.url} have the shapes {audio.shape} and {visual.shape}, and its labels "
            f"need {wanted[0]} and {wanted[1]} of float32; write them again with `avreplay embed-text`"
        )
    return Vocabulary(labels, audio_prompts, visual_prompts, audio, visual)


def write_vocabulary(place: Location, group: str, vocabulary: Vocabulary) -> None:
    """Write a vocabulary into a group, its commit marker last."""
    with place.replacing(group):
        place.write(f"{group}/audio_text", vocabulary.audio_text.astype(np.float32), 1 << 20)
        place.write(f"{group}/visual_text", vocabulary.visual_text.astype(np.float32), 1 << 20)
        marker = {
            "committed": True,
            "labels": list(vocabulary.labels),
            "audio_prompts": list(vocabulary.audio_prompts),
            "visual_prompts": list(vocabulary.visual_prompts),
            "sha256": place.hashes(group),
        }
        place.set_attributes(group, marker)


def refuse_unfit_texts(vocabulary: Vocabulary, dims: Mapping[str, int]) -> None:
    """Raises: DataError for text embeddings of a wrong shape, NaN or infinity."""
    for text, modality in ((vocabulary.audio_text, "audio"), (vocabulary.visual_text, "visual")):
        wanted = (len(vocabulary.labels), dims[modality])
        if text.shape != wanted or not np.isfinite(text).all():
            raise DataError(
                f"the {modality} text embeddings have shape {text.shape} or are not finite; expected {wanted} finite "
                "numbers"
            )


def same_prompts(a: Vocabulary, b: Vocabulary) -> bool:
    """Whether two vocabularies have the same labels and prompts, whatever their embeddings are."""
    return (a.labels, a.audio_prompts, a.visual_prompts) == (b.labels, b.audio_prompts, b.visual_prompts)
