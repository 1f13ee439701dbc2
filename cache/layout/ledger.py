"""The ledger in a store's root: the seal of every group, so that a removed or exchanged group is noticed.

A writer removes it before it changes or adds a group, and writes it anew when it has finished. So a ledger always names
exactly the groups that are there, whenever writers are killed; without one the store is not finished, and says so.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...core.errors import DataError
from .group_file import MOST
from .location import Location
from .root import root_attributes
from .root_writer import store_around, write_root
from .schema import FOLDER_NAME, PARENTS, REFERENCE_GROUP, STAGING_SUFFIX

_SHARD = re.compile(r"[0-9]{5,}" + f"({re.escape(STAGING_SUFFIX)})?")


def group_of(path: str) -> str | None:
    """The group that a file belongs to by its path in the store, "" for the root; None where it can belong to none."""
    top, *rest = path.split("/")
    named = all(FOLDER_NAME.fullmatch(part) for part in rest[:1])
    match [top, *rest]:
        case ["zarr.json"]:
            return ""
        case [parent, "zarr.json"] if parent in PARENTS:
            return parent
        case ["reference", _, *_]:
            return REFERENCE_GROUP
        case ["shards", name, _, *_] if _SHARD.fullmatch(name):
            return f"shards/{name}"
        case ["vocabularies", name, "scores", _, *_] if named:
            return f"vocabularies/{name}/scores"
        case ["vocabularies", name, _, *_] if named:
            return f"vocabularies/{name}"
        case ["score_sets", name, "zarr.json"] if named:
            return f"score_sets/{name}"
        case ["score_sets", name, key, _, *_] if named and FOLDER_NAME.fullmatch(key):
            return f"score_sets/{name}/{key}"
    return None


def may_be_begun(folder: str) -> bool:
    """Whether a folder may be one that a writer has made and not yet written into, by its path in the store."""
    return folder in PARENTS or any(group_of(f"{folder}/{inside}") is not None for inside in ("zarr.json", "k/x"))


def files_by_group(paths: Iterable[str]) -> dict[str | None, list[str]]:
    """The files of each group, sorted by group and path; under None those of no group."""
    found: dict[str | None, list[str]] = {}
    for path in sorted(paths):
        found.setdefault(group_of(path), []).append(path)
    return dict(sorted(found.items(), key=lambda item: item[0] or ""))


def unbind(place: Location, root: dict[str, Any]) -> None:
    """Remove the ledger, if there is one, before a group is changed or added. The caller holds the lock of the root."""
    if root["ledger"] is not None:
        root["ledger"] = None
        write_root(place, root)


def bind(place: Location, root: dict[str, Any], known: Mapping[str, Mapping[str, Any]] | None = None) -> None:
    """Write the ledger, unless it is there; nothing happens where another writer has left a group unfinished.

    An inner store is then bound to the store around it, too.

    The caller holds the lock of the root. ``known`` : attributes of groups that it has read, by group.
    """
    if root["ledger"] is not None:
        around = store_around(place)
        if around is not None:  # a writer may have been killed between the two
            around.finish(root)
        return
    ledger: dict[str, str] = {}
    groups = files_by_group(place.own_files())
    place.fetch(group for group in groups if group and group not in (known or {}))
    for group in groups:
        if group in PARENTS:
            ledger[group] = hashlib.sha256(place.content(f"{group}/zarr.json", MOST) or b"").hexdigest()
        elif group:
            attributes = (known or {}).get(group) or place.attributes(group) or {}
            if "seal" not in attributes or group.endswith(STAGING_SUFFIX):
                return
            ledger[group] = attributes["seal"]
    root["ledger"] = ledger
    write_root(place, root)


def refuse_exchanged(place: Location, root: Mapping[str, Any], group: str, marker: Mapping[str, Any]) -> None:
    """Raises: DataError where a committed group is another one than the ledger of the store's root names."""
    if root["schema_version"] > 1 and "seal" not in marker:
        raise DataError(
            f"{place.url}/{group}/zarr.json has lost its seal; `avreplay verify {place.url}` says what to do"
        )
    if _names(root, group, marker):
        return
    place.refresh()
    now = root_attributes(place)  # a writer may have replaced the group since the root was read
    if now.get("ledger") == root.get("ledger") or not _names(now, group, marker):
        raise DataError(
            f"{place.url}/{group}/zarr.json is not the one that the ledger of the store names; "
            f"`avreplay verify {place.url}` says what to do"
        )


def _names(root: Mapping[str, Any], group: str, marker: Mapping[str, Any]) -> bool:
    ledger = root.get("ledger")
    return ledger is None or bool(ledger.get(group.removesuffix(STAGING_SUFFIX)) == marker["seal"])
