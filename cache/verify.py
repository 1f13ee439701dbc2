"""Looking at a store as a whole: what it holds, and whether every byte is still what was written."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import Any

from ..core.errors import DataError
from .layout.fingerprint import fingerprint
from .layout.location import Location
from .layout.schema import BACKBONES, BESIDE, shard_name
from .score_sets import FOLDER, current_group, score_set_names
from .store import Store


@dataclass(frozen=True)
class Problem:
    """One damaged, missing or foreign file: the group it belongs to, its path in the store, and what is wrong."""

    group: str
    path: str
    problem: str
    mend: str


def verify_store(url: str | os.PathLike[str]) -> list[Problem]:
    """Hash every file of a store, and of the stores inside it, again; an empty list means that all of them are what was
    written.

    Raises: DataError where there is no store that can be opened.
    """
    place = Location(url)
    store = Store(place)
    problems: list[Problem] = []
    again = "delete that folder and run the extraction again"
    seen = {"zarr.json"}
    groups = []
    if store.kind == "embeddings":
        # beside a shard lies the one that a writer was putting in its place: the next run of that writer finishes it
        groups = [(f"{shard_name(i)}{end}", again) for i in range(len(store.plan)) for end in ("", BESIDE)]
    anew = "run `avreplay embed-text` again" if store.kind == "embeddings" else "import the bundle into a new path"
    for name in store.vocabulary_ids:
        groups += [(f"vocabularies/{name}", anew), (f"vocabularies/{name}/scores", anew)]
    sets = _score_sets(place, problems)
    groups += [(group, "write that score set again with --overwrite") for group in sets.values() if group]
    for name, mend in groups:
        try:
            marker = place.attributes(name)
        except DataError as error:
            problems.append(Problem(name, f"{name}/zarr.json", str(error), mend))
            seen.update(place.files(name))
            continue
        inside = ("scores/",) if name.startswith("vocabularies/") and not name.endswith("/scores") else ()
        files = {f for f in place.files(name) if not f[len(name) + 1 :].startswith(inside or ("\0",))}
        seen.update(files)
        if not (marker or {}).get("committed"):
            if name in sets.values():
                problems.append(Problem(name, f"{name}/zarr.json", "is missing", mend))
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
        if name in sets.values() and fingerprint((marker or {})["config"]) != (marker or {})["fingerprint"]:
            problems.append(Problem(name, f"{name}/zarr.json", "has another configuration than was written", mend))
    for name, group in sets.items():
        # an unfinished set, or one that was about to be replaced: the next writer of that set removes it
        beside = {f for f in place.files(f"{FOLDER}/{name}") if f.count("/") > 2 and not f.startswith(f"{group}/")}
        seen.update({f"{FOLDER}/{name}/zarr.json", *beside})
    groupings = {"shards/zarr.json", "vocabularies/zarr.json", f"{FOLDER}/zarr.json"}
    for full in place.own_files():
        if full not in seen and full not in groupings:
            problems.append(Problem("", full, "does not belong to the store", "remove that file"))
    return problems + _inner_problems(store)


def _inner_problems(store: Store) -> list[Problem]:
    """What is wrong in the stores inside a store, and what lies among them without belonging there."""
    problems = []
    inner, foreign = store.inner()
    for path, problem in foreign.items():
        problems.append(Problem(path, path, problem, "move it elsewhere"))
    for name, url in inner.items():
        path = f"{BACKBONES}/{name}"
        for p in verify_store(url):
            problems.append(Problem(f"{path}/{p.group}".rstrip("/"), f"{path}/{p.path}", p.problem, p.mend))
    return problems


def _score_sets(place: Location, problems: list[Problem]) -> dict[str, str]:
    """The group of every score set by its name, empty for a set never finished; damage is added to the problems."""
    sets = {}
    for name in score_set_names(place):
        try:
            group = current_group(place, name)
        except DataError as error:
            path = f"{FOLDER}/{name}/zarr.json"
            problems.append(Problem(f"{FOLDER}/{name}", path, str(error), "remove that folder"))
            group = None
        sets[name] = group or ""
    return sets


def store_info(url: str | os.PathLike[str]) -> dict[str, Any]:
    """What a store holds, as JSON values.

    Raises: DataError where there is no store that can be opened.
    """
    place = Location(url)
    store = Store(place)
    records = store.videos
    inner, foreign = _inner_info(store)
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
        "score_sets": store.score_sets,
        "backbones": inner,
        "foreign": foreign,
        "bytes": _bytes(place),
        "failures": [r.as_dict() for r in records if r.status != "ok"],
        "config": store.config,
    }


def _inner_info(store: Store) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """What is told of the stores inside a store, by backbone; and what else lies among them, or cannot be read."""
    urls, foreign = store.inner()
    inner = {}
    for name, url in urls.items():
        place = Location(url)
        try:
            one = Store(place)
            inner[name] = {
                "url": one.url,
                "fingerprint": one.fingerprint,
                "complete": one.complete and one.expected == store.expected,
                "videos_planned": store.expected,
                "videos": len(one.videos),
                "bytes": _bytes(place),
            }
        except DataError as error:
            foreign[f"{BACKBONES}/{name}"] = f"cannot be read: {error}"
    return inner, foreign


def _bytes(place: Location) -> int:
    return sum(place.size(f) for f in place.own_files())
