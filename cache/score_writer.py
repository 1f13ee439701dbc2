"""Writing scores: a bundle as a group of arrays, and stores that hold nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.bundle import ScoreBundle
from ..core.errors import DataError
from .layout.fingerprint import canonical, fingerprint
from .layout.location import Location, root_attributes
from .layout.locks import release_lock, take_lock
from .layout.schema import FORMAT, SCHEMA_VERSION, SHARD_VIDEOS
from .similarity import SCORE_ARRAYS


def write_scores(place: Location, name: str, bundle: ScoreBundle, extra: Mapping[str, Any]) -> None:
    """Write a score bundle as a group of arrays, its marker last."""
    place.remove(name)
    videos = max(1, bundle.num_videos)
    for array in (*SCORE_ARRAYS, "segments_per_video", "has_audio", "has_visual"):
        rows = getattr(bundle, array)
        if rows is not None:
            place.write(f"{name}/{array}", np.asarray(rows), -(-len(rows) // videos) * SHARD_VIDEOS)
    index = np.stack([bundle.window_video, bundle.window_start, bundle.window_end], axis=1)
    place.write(f"{name}/window_index", index, -(-len(index) // videos) * SHARD_VIDEOS)
    marker = {
        "committed": True,
        "kind": bundle.kind,
        "segment_seconds": bundle.segment_seconds,
        "video_ids": list(bundle.video_ids),
        **extra,
        "sha256": place.hashes(name),
    }
    place.set_attributes(name, marker)


def import_bundle(bundle: ScoreBundle, url: str | os.PathLike[str], source: Mapping[str, Any] | None = None) -> None:
    """Make a store that holds only scores, from a bundle (spec: score bundle).

    ``source`` is declared as its configuration. Importing the same again changes nothing.

    Raises
    ------
    DataError
        the place holds something else, or a store of other scores
    """
    config = {"kind": "scores", "segment_seconds": bundle.segment_seconds, **(source or {})}
    place = Location(url)
    prepare_empty_or_store(place)
    lock = take_lock(place)
    try:
        place.clear_unfinished()
        if place.attributes() is not None:
            root = root_attributes(place)
            if root["fingerprint"] != fingerprint(config):
                raise DataError(
                    f"{place.url} is a store of something else ({canonical(root['config'])[:200]}); "
                    "import into another path"
                )
            if is_committed(place, "vocabularies/imported/scores"):
                return
        root = {
            "format": FORMAT, "schema_version": SCHEMA_VERSION, "kind": "scores",
            "fingerprint": fingerprint(config), "config": config, "plan": [list(bundle.video_ids)],
            "vocabulary": "imported",
        }  # fmt: skip
        place.set_attributes("", root)
        place.remove("vocabularies")
        write_scores(place, "vocabularies/imported/scores", bundle, {"shards": "none"})
        marker = {"committed": True, "labels": list(bundle.labels), "audio_prompts": [], "visual_prompts": [],
                  "sha256": {}}  # fmt: skip
        place.set_attributes("vocabularies/imported", marker)
    finally:
        release_lock(lock)


def prepare_empty_or_store(place: Location) -> None:
    """Refuse a place that holds anything but a store or an interrupted beginning of one."""
    if place.attributes() is not None:
        root_attributes(place)
        return
    if place.is_local and os.path.isfile(place.path):
        raise DataError(f"{place.url} is a file; give a new folder for the store")
    others = [f for f in place.files() if not f.endswith(".partial")]
    if others:
        raise DataError(
            f"{place.url} is not an avreplay store and not empty (it holds {others[0]}); give another folder"
        )
    if place.is_local:
        os.makedirs(place.path, exist_ok=True)


def is_committed(place: Location, name: str) -> bool:
    """Whether a group is there as a whole: its marker is written last."""
    return bool((place.attributes(name) or {}).get("committed"))
