"""The plan of a store: which videos lie in which shard, kept in the root with the declared configuration."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ..core.errors import DataError, UsageError
from .layout.fingerprint import differences, fingerprint
from .layout.location import Location
from .layout.root import writable_root
from .layout.root_writer import write_root
from .layout.schema import FORMAT, SCHEMA_VERSION, rates_of

_UNFIT = re.compile("[\0\ud800-\udfff]")


def check_ids(ids: Sequence[str]) -> None:
    """Raises: UsageError for video ids that a store cannot have, or one that is given twice."""
    for video in ids:
        if not video or _UNFIT.search(video) or video.startswith("/") or ".." in video.split("/"):
            raise UsageError(f"{video!r} cannot be a video id; ids are plain names without leading / or ..")
    if len(set(ids)) != len(ids):
        duplicate = next(v for v, count in Counter(ids).items() if count > 1)
        raise UsageError(f"the video id {duplicate!r} is duplicated; give each id once")


def stored_root(place: Location, config: Mapping[str, Any], may_differ: Sequence[str]) -> dict[str, Any]:
    """The root attributes of a store. Raises: DataError where its configuration is another one."""
    stored = writable_root(place)
    kept = {key: stored["config"][key] for key in may_differ if key in stored["config"]}
    if stored["fingerprint"] not in (fingerprint(config), fingerprint({**config, **kept})):
        how = "; ".join(differences(stored["config"], config)) or "its fingerprint differs"
        raise DataError(
            f"{place.url} was made with another configuration: {how}. Use the same options, or another store"
        )
    return stored


def plan_videos(
    place: Location,
    config: Mapping[str, Any],
    video_ids: Sequence[str],
    shard_videos: int,
    may_differ: Sequence[str],
    backbone_class: str | None,
) -> dict[str, Any]:
    """The root attributes of a store with every id planned, written if they changed; see :meth:`.StoreWriter.open`."""
    before = place.attributes(any_version=True)
    root: dict[str, Any] = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "kind": "embeddings",
        "fingerprint": fingerprint(config),
        "config": dict(config),
        "plan": [],
        "vocabulary": None,
        "rates": rates_of(config),
        "ledger": None,
        "inner": {},
    }
    if before is not None:
        root = stored_root(place, config, may_differ)
    planned = {v for shard in root["plan"] for v in shard}
    fresh = [v for v in video_ids if v not in planned]
    root["plan"] = [*root["plan"], *(fresh[i : i + shard_videos] for i in range(0, len(fresh), shard_videos))]
    moved = backbone_class is not None and root.get("backbone_class") != backbone_class
    if moved:
        root["backbone_class"] = backbone_class
    if fresh:
        root["ledger"] = None
        root.pop("subset", None)  # it has more than what it was a subset of
    if fresh or moved or before is None:
        write_root(place, root)
    return root
