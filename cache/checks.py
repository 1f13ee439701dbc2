"""Looking at a store as a whole: what it holds, and whether every byte is still what was written."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import Any

from ..core.errors import DataError
from .location import Location
from .schema import shard_name
from .store import Store


@dataclass(frozen=True)
class Problem:
    """One damaged, missing or foreign file: the group it belongs to, its path in the store, and what is wrong."""

    group: str
    path: str
    problem: str
    mend: str


def verify_store(url: str | os.PathLike[str]) -> list[Problem]:
    """Hash every file of a store again; an empty list means that all of them are what was written.

    Raises: DataError where there is no store that can be opened.
    """
    place = Location(url)
    store = Store(place)
    problems: list[Problem] = []
    again = "delete that folder and run the extraction again"
    seen = {"zarr.json"}
    groups = [(shard_name(i), again) for i in range(len(store.plan))] if store.kind == "embeddings" else []
    anew = "run `avreplay embed-text` again" if store.kind == "embeddings" else "import the bundle into a new path"
    for name in store.vocabulary_ids:
        groups += [(f"vocabularies/{name}", anew), (f"vocabularies/{name}/scores", anew)]
    for name, mend in groups:
        try:
            marker = place.attributes(name)
        except DataError as error:
            problems.append(Problem(name, f"{name}/zarr.json", str(error), mend))
            seen.update(place.files(name))
            continue
        inside = () if name.endswith("scores") or name.startswith("shards") else ("scores/",)
        files = {f for f in place.files(name) if not f[len(name) + 1 :].startswith(inside or ("\0",))}
        seen.update(files)
        if not (marker or {}).get("committed"):
            continue  # not finished: the next run of its writer replaces it
        seen.add(f"{name}/zarr.json")
        hashes = (marker or {})["sha256"]
        for path, digest in sorted(hashes.items()):
            full = f"{name}/{path}"
            if full not in files:
                problems.append(Problem(name, full, "is missing", mend))
            elif place.sha256(full) != digest:
                problems.append(Problem(name, full, "has other bytes than were written", mend))
        for full in sorted(files - {f"{name}/{p}" for p in hashes} - {f"{name}/zarr.json"}):
            problems.append(Problem(name, full, "does not belong to the store", "remove that file"))
    groupings = {"shards/zarr.json", "vocabularies/zarr.json"}
    for full in place.files():
        if full not in seen and full not in groupings:
            problems.append(Problem("", full, "does not belong to the store", "remove that file"))
    return problems


def store_info(url: str | os.PathLike[str]) -> dict[str, Any]:
    """What a store holds, as JSON values.

    Raises: DataError where there is no store that can be opened.
    """
    place = Location(url)
    store = Store(place)
    records = store.videos
    return {
        "url": store.url,
        "kind": store.kind,
        "schema_version": store.schema_version,
        "fingerprint": store.fingerprint,
        "complete": store.complete,
        "videos_planned": store.expected,
        "videos": len(records),
        "status": dict(sorted(Counter(r.status for r in records).items())),
        "segments": sum(r.segments for r in records if r.has_data),
        "shards_planned": len(store.plan),
        "shards_committed": len(store.committed),
        "labels": list(store.labels),
        "vocabularies": store.vocabulary_ids,
        "scores_current": store.scores_are_current(),
        "bytes": sum(place.size(f) for f in place.files()),
        "failures": [r.as_dict() for r in records if r.status != "ok"],
        "config": store.config,
    }
