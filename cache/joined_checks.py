"""What keeps stores from being read as one: each refusal names both of them and the mend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..core.bundle import ScoreBundle
from ..core.errors import DataError, shown
from .imports.imported_videos import interrupted_import
from .inner_stores import backbone_name
from .layout.attributes import ScoresMarker, typed_marker
from .layout.fingerprint import differences
from .layout.location import Location
from .layout.score_arrays import SCORE_ARRAYS, Head
from .reference import other_rows
from .store import Store


def refuse_different(a: Store, b: Store) -> None:
    """Raises: DataError where the second of two stores was not made as the first, or has other labels."""
    if a.kind != b.kind:
        raise DataError(
            f"{a.url} holds {a.kind} and {b.url} holds {b.kind}, which are no one store; give stores of one kind"
        )
    encoders = backbone_name(a.config), backbone_name(b.config)
    if encoders[0] != encoders[1]:
        raise DataError(
            f"{a.url} is of the encoder {encoders[0] or 'none that is known'} and {b.url} of "
            f"{encoders[1] or 'none that is known'}; give stores of one encoder"
        )
    mine, theirs = _declared(a), _declared(b)
    if mine != theirs:
        how = "; ".join(differences(mine, theirs, a.url)).replace(" in this run", f" in {b.url}")
        raise DataError(f"{a.url} and {b.url} were not made in the same way: {how}; give stores that were")
    _refuse_other_weights(a, b)
    _refuse_other_labels(a, b)
    if a.kind == "scores":
        _refuse_other_scores(a, b)


def _declared(store: Store) -> dict[str, Any]:
    """What two stores must have in common: all that embeddings depend on; of imported scores the length of segments,
    since the rest says which file they are from."""
    return store.config if store.kind == "embeddings" else {"segment_seconds": store.config.get("segment_seconds")}


def _refuse_other_weights(a: Store, b: Store) -> None:
    name = other_rows(Location(a.url), Location(b.url))
    if name is not None:
        raise DataError(
            f"{a.url} and {b.url} were made with other weights of one encoder: they embed the reference prompts "
            f"differently ({name}); extract both with the same weights"
        )


def _refuse_other_labels(a: Store, b: Store) -> None:
    mine, theirs = a.labels, b.labels
    embeds = a.kind == "embeddings"
    mend = "give both one list with `avreplay embed-text`" if embeds else "import both with one list of labels"
    if mine != theirs:
        for having, lacking in ((a, b), (b, a)):
            other = [label for label in having.labels if label not in lacking.labels]
            if other and not lacking.labels:
                raise DataError(f"{lacking.url} has no labels, and {having.url} has {len(other)}; {mend}")
            if other:
                raise DataError(
                    f"{having.url} has the label {shown(other[0])}, which {lacking.url} does not have; {mend}"
                )
        at = next(i for i, (x, y) in enumerate(zip(mine, theirs, strict=True)) if x != y)
        raise DataError(
            f"{a.url} and {b.url} have the same labels in another order: number {at + 1} is {shown(mine[at])} in the "
            f"first and {shown(theirs[at])} in the second; {mend}"
        )
    if not embeds or a.vocabulary_id == b.vocabulary_id:
        return
    first, second = a.vocabulary, b.vocabulary
    if first is None or second is None:
        return
    for modality in first.modalities:
        prompts = [getattr(v, f"{modality}_prompts") for v in (first, second)]
        for label, x, y in zip(mine, *prompts, strict=True):
            if x != y:
                raise DataError(
                    f"the {modality} prompt of {shown(label)} is {shown(x)} in {a.url} and {shown(y)} in {b.url}; "
                    f"{mend}"
                )
    for modality in first.modalities:
        texts = [v.text(modality) for v in (first, second)]
        if not np.array_equal(texts[0], texts[1]):
            raise DataError(
                f"{a.url} and {b.url} have other {modality} text embeddings of the same labels, up to "
                f"{np.abs(texts[0] - texts[1]).max():.2g} apart; {mend} on one machine"
            )


def _refuse_other_scores(a: Store, b: Store) -> None:
    """Raises: DataError where imported scores are of another kind or of other things."""
    kinds, arrays = [], []
    for store in (a, b):
        place, group = Location(store.url), f"vocabularies/{store.vocabulary_id}/scores"
        marker = typed_marker(place, group, ScoresMarker)
        if marker is None:
            raise interrupted_import(store.url)
        kinds.append(marker["kind"])
        arrays.append({name for name, is_folder in place.entries(group) if is_folder})
    if kinds[0] != kinds[1]:
        raise DataError(
            f"{a.url} has scores of the kind {kinds[0]} and {b.url} of the kind {kinds[1]}; give stores of one kind"
        )
    for having, lacking, names in ((a, b, arrays[0] - arrays[1]), (b, a, arrays[1] - arrays[0])):
        if names:
            raise DataError(
                f"{having.url} has scores {min(names)} and {lacking.url} has none; give stores whose scores are of the "
                "same things"
            )


def refuse_common_videos(stores: Sequence[Store]) -> None:
    """Raises: DataError where two stores have, or plan, a video of the same id."""
    of: dict[str, Store] = {}
    for store in stores:
        for shard in store.plan:
            for id in shard:
                if id in of:
                    raise DataError(
                        f"the video {shown(id)} is in {of[id].url} and in {store.url}; leave it out of one of them "
                        "with `avreplay subset`"
                    )
                of[id] = store


def joined_bundle(parts: Sequence[tuple[str, ScoreBundle]]) -> ScoreBundle:
    """One bundle of the videos of several, with their URLs, in order.

    Raises: DataError where they are of other labels, another kind or length of segments, or have other arrays.
    """
    url, first = parts[0]
    for other, b in parts[1:]:
        refuse_unlike(url, first, other, b)
    held = [(url, b) for url, b in parts if b.num_videos] or list(parts[:1])
    if len(held) == 1:
        return held[0][1]
    url, first = held[0]
    arrays: dict[str, Any] = {}
    for name in (*SCORE_ARRAYS, "visual_features"):
        found = [getattr(b, name) for _, b in held]
        known = next((array for array in found if array is not None), None)
        if known is None:
            continue
        for (other, b), array in zip(held, found, strict=True):
            if array is None and not (name.startswith("window_") and len(b.window_video) == 0):
                having = next(u for (u, _), array in zip(held, found, strict=True) if array is not None)
                raise DataError(
                    f"{having} has scores {name} and {other} has none; give stores whose scores are of the same things"
                )
            if array is not None and array.shape[1:] != known.shape[1:]:
                raise DataError(
                    f"{name} has rows of the shape {known.shape[1:]} in {url} and {array.shape[1:]} in {other}; give "
                    "stores of the same shape"
                )
        arrays[name] = np.concatenate([known[:0] if array is None else array for array in found])
    counts = [b.num_videos for _, b in held]
    begin = np.cumsum([0, *counts[:-1]])
    return ScoreBundle.create(
        video_ids=[id for _, b in held for id in b.video_ids],
        labels=first.labels,
        kind=first.kind,
        segment_seconds=first.segment_seconds,
        segments_per_video=np.concatenate([b.segments_per_video for _, b in held]),
        has_audio=np.concatenate([b.has_audio for _, b in held]),
        has_visual=np.concatenate([b.has_visual for _, b in held]),
        window_video=np.concatenate([b.window_video + k for k, (_, b) in zip(begin, held, strict=True)]),
        window_start=np.concatenate([b.window_start for _, b in held]),
        window_end=np.concatenate([b.window_end for _, b in held]),
        **arrays,
    )


def refuse_unlike(url: str, a: Head, other: str, b: Head) -> None:
    """Raises: DataError where the scores of two stores are of other labels, another kind or length of segments."""
    same: Mapping[str, tuple[Any, Any]] = {
        "labels": (a.labels, b.labels), "kind of scores": (a.kind, b.kind),
        "length of a segment": (a.segment_seconds, b.segment_seconds),
    }  # fmt: skip
    for what, (mine, theirs) in same.items():
        if mine != theirs:
            raise DataError(
                f"the {what} of the scores differ: {shown(mine)} in {url} and {shown(theirs)} in {other}; give stores "
                "of the same"
            )
