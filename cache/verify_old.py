"""What can be checked of groups without a seal, those of version 1: whether attributes and values fit each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.errors import DataError
from .layout.fingerprint import fingerprint, vocabulary_id
from .layout.location import Location
from .layout.schema import STATUSES, VideoRecord, Vocabulary
from .layout.score_arrays import read_scores
from .layout.score_rows import ScoreRows
from .layout.shards import SHARD_ARRAYS, refuse_unfitting
from .score_blocks import block_slices
from .score_set_key import score_set_key
from .store import Store

_BLOCK = 64 << 20
"""Bytes of scores that are looked at at once."""


def unsealed_problem(place: Location, store: Store, group: str, marker: Mapping[str, Any]) -> str | None:
    """What does not fit in a group whose files are those that its marker has the hashes of; None if nothing is found.

    The words are the end of a sentence that begins with the path of the group's zarr.json.
    """
    top, *rest = group.split("/")
    try:
        if top == "shards":
            return _shard_problem(place, store, group, marker)
        if top == "vocabularies" and len(rest) == 1 and store.kind == "embeddings":
            return _vocabulary_problem(place, group, marker)
        if rest[-1] == "scores" and rest[0] == store.vocabulary_id:
            return _scores_problem(place, store, group, marker)
        if top == "score_sets" and len(rest) == 2:
            return _score_set_problem(place, group, marker)
    except DataError as error:
        return f"does not fit its arrays: {error}"
    return None


def _shard_problem(place: Location, store: Store, group: str, marker: Mapping[str, Any]) -> str | None:
    records = [VideoRecord.from_dict(record) for record in marker["videos"]]
    arrays = {}
    for name in SHARD_ARRAYS:
        array = place.read(f"{group}/{name}")
        if array is None:
            return f"has no array {name}"
        arrays[name] = array
    counts = [r.segments for r in records if r.has_data]
    refuse_unfitting(arrays, counts, store.config, f"{place.url}/{group}")
    unknown = next((r for r in records if r.status not in STATUSES), None)
    if unknown is not None:
        return f"has the unknown status {unknown.status!r} of {unknown.id!r}"
    for row, record in enumerate(r for r in records if r.has_data):
        for modality, present in (("audio", record.has_audio), ("visual", record.has_visual)):
            if bool(np.isnan(arrays[f"{modality}_clip"][row]).any()) is present:
                return f"has the status {record.status} of {record.id!r}, and its {modality} embeddings say otherwise"
    return None


def _vocabulary_problem(place: Location, group: str, marker: Mapping[str, Any]) -> str | None:
    audio, visual = place.read(f"{group}/audio_text"), place.read(f"{group}/visual_text")
    if audio is None or visual is None:
        return "has lost a text embedding"
    labels, heard, seen = (tuple(marker[key]) for key in ("labels", "audio_prompts", "visual_prompts"))
    if vocabulary_id(Vocabulary(labels, heard, seen, audio, visual)) != group.rpartition("/")[2]:
        return "has other labels, prompts or text embeddings than the name of its folder says"
    return None


def _scores_problem(place: Location, store: Store, group: str, marker: Mapping[str, Any]) -> str | None:
    rows = ScoreRows(place, group, marker, store.labels)
    for part in block_slices(rows.bytes_per_video, rows.cuts, _BLOCK):
        rows.read([(part.start, part.stop)])  # which refuses damaged values
    if store.kind == "scores":
        ids, seconds = [id for shard in store.plan for id in shard], store.config.get("segment_seconds")
    elif marker["shards"] == store.shard_digest():
        records = [r for r in store.videos if r.has_data]
        ids, seconds = [r.id for r in records], store.config["segment_seconds"]
        if rows.segments_per_video.tolist() != [r.segments for r in records]:
            return "has other segments than the shards"
        if rows.kind != "similarity":
            return f"has the kind {rows.kind!r}"
    else:
        return None
    if list(rows.video_ids) != ids:
        return "has other videos, or others in their order, than the store"
    return None if rows.segment_seconds == seconds else "has other segment_seconds than the store"


def _score_set_problem(place: Location, group: str, marker: Mapping[str, Any]) -> str | None:
    if fingerprint(marker["config"]) != marker["fingerprint"]:
        return "has another configuration than was written"
    bundle = read_scores(place, group, marker, marker["labels"])
    if score_set_key(bundle, marker["config"]) != group.rpartition("/")[2]:
        return "has other labels, videos or scores than the name of its folder says"
    return None
