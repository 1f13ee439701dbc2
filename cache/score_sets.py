"""Score sets: further scores of a store's videos under a name, say those of a fine-tuned model (derived data).

Layout: ``score_sets/NAME/`` has one attribute, ``current``, the name of the group below it that holds the scores, with
its own commit marker last. A new set is written beside the current one and takes its place in one atomic write, so
that a set is always whole, the old or the new. Readers that do not know score sets do not look there.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.bundle import ScoreBundle
from ..core.errors import DataError, UsageError
from .layout.fingerprint import canonical, fingerprint
from .layout.location import Location
from .layout.locks import release_lock, take_lock
from .layout.schema import FOLDER_NAME
from .similarity import SCORE_ARRAYS

FOLDER = "score_sets"


def check_name(name: str) -> str:
    """The name, if it can be that of a score set. Raises: UsageError."""
    if not FOLDER_NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of a score set; use up to 64 letters, digits, - and _, not - or _ first"
        )
    return name


def score_set_names(place: Location) -> list[str]:
    """Names of the score sets that are there, finished or not, sorted."""
    found = {f.split("/")[1] for f in place.files(FOLDER) if f.count("/") > 1}
    return sorted(n for n in found if FOLDER_NAME.fullmatch(n))


def current_group(place: Location, name: str) -> str | None:
    """The group that holds a set's scores; None where no such set was finished."""
    current = (place.attributes(f"{FOLDER}/{name}") or {}).get("current")
    return f"{FOLDER}/{name}/{current}" if isinstance(current, str) and FOLDER_NAME.fullmatch(current) else None


def score_set_marker(place: Location, name: str) -> dict[str, Any]:
    """What is declared about a set: config, labels, video_ids and more.

    Raises: UsageError for a name that is not there; DataError for a set that is damaged.
    """
    group = current_group(place, check_name(name))
    if group is None:
        known = [n for n in score_set_names(place) if current_group(place, n)]
        offer = f"it has {', '.join(known)}" if known else "it has none; `avreplay finetune` makes one"
        raise UsageError(f"{place.url} has no score set {name!r}; {offer}")
    marker = place.attributes(group)
    if not marker or not marker.get("committed"):
        raise DataError(f"the score set {name!r} of {place.url} is damaged; write it again with --overwrite")
    return marker


def read_scores(place: Location, group: str, marker: Mapping[str, Any], labels: tuple[str, ...]) -> ScoreBundle:
    """The score bundle that :func:`.writer.write_scores` wrote into a group. Raises: DataError where it is damaged."""
    arrays = {a: place.read(f"{group}/{a}") for a in SCORE_ARRAYS}
    rest = {a: place.read(f"{group}/{a}") for a in ("segments_per_video", "has_audio", "has_visual")}
    index = place.read(f"{group}/window_index")
    if index is None or any(v is None for v in rest.values()):
        raise DataError(
            f"the scores of {place.url} are incomplete; `avreplay verify {place.url}` tells what is missing"
        )
    windows = arrays["window_audio"] is not None or arrays["window_visual"] is not None
    return ScoreBundle.create(
        video_ids=marker["video_ids"],
        labels=labels,
        kind=marker["kind"],
        segment_seconds=marker["segment_seconds"],
        window_video=index[:, 0] if windows else None,
        window_start=index[:, 1] if windows else None,
        window_end=index[:, 2] if windows else None,
        **{**rest, **arrays},  # type: ignore[arg-type]
    )


def write_score_set(
    url: str | os.PathLike[str],
    name: str,
    bundle: ScoreBundle,
    config: Mapping[str, Any],
    *,
    overwrite: bool = False,
) -> None:
    """Add scores to a store under a name; the store's own scores stay as they are.

    Parameters
    ----------
    bundle : the scores; its videos must be in the store, its labels may be others than the store's
    config : what the scores depend on, as JSON values; its fingerprint is stored beside it
    overwrite : replace a set of this name; without it another one is refused, and the same one again changes nothing

    Raises
    ------
    UsageError
        an unusable name, or a name that is taken
    DataError
        no store there, videos that it does not have, a store that another process is writing
    """
    # the writer needs the reader, and the reader this module
    from .score_writer import write_scores
    from .store import Store

    check_name(name)
    place = Location(url)
    store = Store(place)
    has = {r.id for r in store.videos}
    foreign = [v for v in bundle.video_ids if v not in has]
    if foreign:
        raise DataError(f"{place.url} has no video {foreign[0]!r}; a score set holds scores of the store's own videos")
    key = _key(bundle, config)
    lock = take_lock(place)
    try:
        place.clear_unfinished()
        current = current_group(place, name)
        group = f"{FOLDER}/{name}/{key}"
        if current == group and (place.attributes(group) or {}).get("committed"):
            return
        if current is not None and not overwrite:
            raise UsageError(f"{place.url} has a score set {name!r} already; give another name, or --overwrite")
        extra = {
            "labels": list(bundle.labels),
            "config": dict(config),
            "fingerprint": fingerprint(config),
            "shards": store.shard_digest() if store.kind == "embeddings" else "none",
        }
        write_scores(place, group, bundle, extra)
        place.set_attributes(f"{FOLDER}/{name}", {"current": key})
        # what an earlier set, or a writer that was killed, left beside it
        for other in {f.split("/")[2] for f in place.files(f"{FOLDER}/{name}") if f.count("/") > 2} - {key}:
            place.remove(f"{FOLDER}/{name}/{other}")
    finally:
        release_lock(lock)


def _key(bundle: ScoreBundle, config: Mapping[str, Any]) -> str:
    """A name for these scores of this configuration, from their bytes."""
    digest = hashlib.sha256(canonical(config).encode())
    names = {"labels": list(bundle.labels), "video_ids": list(bundle.video_ids), "kind": bundle.kind}
    digest.update(canonical({**names, "segment_seconds": bundle.segment_seconds}).encode())
    for array in (*SCORE_ARRAYS, "segments_per_video", "has_audio", "has_visual", "window_start", "window_end"):
        values = getattr(bundle, array)
        digest.update(array.encode() if values is None else np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()[:16]
