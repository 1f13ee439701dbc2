"""A vocabulary of a store: its labels, prompts and text embeddings as a group of arrays, written and read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...core.errors import DataError
from ...core.logits import checked_logits
from .location import Location
from .schema import Vocabulary


def read_vocabulary(
    place: Location, group: str, marker: Mapping[str, Any] | None, dims: Mapping[str, int]
) -> Vocabulary:
    """The vocabulary in a group with this marker; ``dims`` are the widths of the embeddings, by modality.

    Raises: DataError where it is damaged, or does not fit its labels or the widths.
    """
    modalities = text_modalities(dims)
    found = place.read_arrays([f"{group}/{modality}_text" for modality in modalities])
    texts = [text for text in found.values() if text is not None]
    prompts = {m: tuple((marker or {}).get(f"{m}_prompts", ())) for m in modalities}
    if marker is None or len(texts) < len(modalities) or any(len(p) != len(marker["labels"]) for p in prompts.values()):
        raise DataError(f"the vocabulary of {place.url} is damaged; write it again with `avreplay embed-text`")
    labels = tuple(marker["labels"])
    wanted = [(len(labels), dims[modality]) for modality in modalities]
    if [text.shape for text in texts] != wanted or {text.dtype for text in texts} != {np.dtype(np.float32)}:
        shapes = " and ".join(str(text.shape) for text in texts)
        raise DataError(
            f"the text embeddings of {place.url} have the shapes {shapes}, and its labels need "
            f"{' and '.join(map(str, wanted))} of float32; write them again with `avreplay embed-text`"
        )
    logits = checked_logits(marker.get("logits", {}))
    joint = (prompts["audio_visual"], texts[2]) if len(modalities) > 2 else ()
    return Vocabulary(labels, prompts["audio"], prompts["visual"], texts[0], texts[1], logits, *joint)


def text_modalities(dims: Mapping[str, int]) -> tuple[str, ...]:
    """The modalities that a store with embeddings of these widths has texts for."""
    return tuple(modality for modality in ("audio", "visual", "audio_visual") if modality in dims)


def write_vocabulary(place: Location, group: str, vocabulary: Vocabulary) -> None:
    """Write a vocabulary into a group, its commit marker last."""
    with place.replacing(group):
        for modality in vocabulary.modalities:
            place.write(f"{group}/{modality}_text", vocabulary.text(modality).astype(np.float32), 1 << 20)
        marker = {
            "committed": True,
            "labels": list(vocabulary.labels),
            **{f"{m}_prompts": list(getattr(vocabulary, f"{m}_prompts")) for m in vocabulary.modalities},
            **({"logits": {key: list(pair) for key, pair in vocabulary.logits.items()}} if vocabulary.logits else {}),
            "sha256": place.hashes(group),
        }
        place.set_attributes(group, marker)


def refuse_unfit_texts(vocabulary: Vocabulary, dims: Mapping[str, int]) -> None:
    """Raises: DataError for text embeddings of a wrong shape, NaN or infinity, also of the logits."""
    wanted_texts = text_modalities(dims)
    if vocabulary.modalities != wanted_texts:
        raise DataError(
            f"the vocabulary has texts for {', '.join(vocabulary.modalities)}, and the store's embeddings need "
            f"{', '.join(wanted_texts)}; encode the labels with the store's encoder"
        )
    for modality in wanted_texts:
        text, wanted = vocabulary.text(modality), (len(vocabulary.labels), dims[modality])
        if text.shape != wanted or not np.isfinite(text).all():
            raise DataError(
                f"the {modality} text embeddings have shape {text.shape} or are not finite; expected {wanted} finite "
                "numbers"
            )
    checked_logits(vocabulary.logits)


def same_prompts(a: Vocabulary, b: Vocabulary) -> bool:
    """Whether two vocabularies have the same labels, prompts and logits, whatever their embeddings are."""
    said = ((v.labels, v.audio_prompts, v.visual_prompts, v.audio_visual_prompts, dict(v.logits)) for v in (a, b))
    return next(said) == next(said)
