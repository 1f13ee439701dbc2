"""Making a store of the present schema version of an older one, in place, as ``avreplay upgrade`` does.

The arrays stay as they are. The markers of all groups are written anew, one by one, each readable in both versions; the
root comes last and makes the store one of the new version. Killed at any moment, the store is one of the old version or
the new one, and the same command finishes it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.errors import DataError
from .layout.ledger import bind, files_by_group
from .layout.leftovers import clear_leftovers
from .layout.location import Location
from .layout.root import root_attributes
from .layout.root_writer import write_root
from .layout.schema import PARENTS, RATES, SCHEMA_VERSION, VideoRecord
from .layout.score_arrays import stored_content
from .layout.shards import SHARD_ARRAYS, shard_content
from .several import one_place
from .storage.locks import release_lock, take_lock
from .store import Store
from .verify import check_store


@dataclass(frozen=True)
class Upgrade:
    """What an upgrade did.

    stores : URLs of the store and of those inside it that were of an older version, or lacked a list of inner stores
    schema_version : the version that they have now
    """

    url: str
    stores: tuple[str, ...]
    schema_version: int = SCHEMA_VERSION

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {"store": self.url, "upgraded": list(self.stores), "schema_version": self.schema_version}

    def text(self) -> str:
        """What ``avreplay upgrade`` prints."""
        if not self.stores:
            return f"{self.url} has schema version {self.schema_version} already"
        return "\n".join(f"{url} has schema version {self.schema_version} now" for url in self.stores)


def upgrade_store(url: str | os.PathLike[str]) -> Upgrade:
    """Make a store of the present schema version of an older one, in place, and of the stores inside it.

    The embeddings, scores and the declared configuration stay as they are: an extraction under another rule of decoding
    is refused afterwards as before.

    Raises
    ------
    DataError
        no store there, a damaged one (the message names a file), or one that another process is writing
    UsageError
        a pattern or list of stores
    """
    place = one_place(url)
    done = [inner for inner in Store(place).backbones.values() if _upgrade(Location(inner))]
    if _upgrade(place):
        done.append(place.url)
    return Upgrade(place.url, tuple(done))


def _is_current(root: Mapping[str, Any]) -> bool:
    """Whether a root is as it is written now: the first stores of version 2 had no list of their inner stores."""
    return bool(root["schema_version"] == SCHEMA_VERSION) and root.get("inner") is not None


def _upgrade(place: Location) -> bool:
    """Upgrade one store; returns whether there was anything to do."""
    if _is_current(root_attributes(place)):
        return False
    lock = take_lock(place)
    try:
        root = root_attributes(place)
        if _is_current(root):
            return False
        clear_leftovers(place)
        problems = [p for p in check_store(place.url).problems if not p.path.startswith("backbones/")]
        if problems:
            p = problems[0]
            raise DataError(f"{place.url} cannot be upgraded: {p.path} {p.problem}; {p.fix}")
        store = Store(place)
        if root["schema_version"] == SCHEMA_VERSION:
            write_root(place, {**root, "inner": _inner_seals(store)})
            return True
        markers: dict[str, dict[str, Any]] = {}
        for group, files in files_by_group(place.own_files()).items():
            if not group or group in PARENTS or f"{group}/zarr.json" not in files:
                continue
            attributes = place.attributes(group)
            if attributes:
                markers[group] = _renewed(place, store, group, attributes)
                place.set_attributes(group, markers[group])
        root = {**root, "schema_version": SCHEMA_VERSION, "rates": RATES, "ledger": None, "inner": _inner_seals(store)}
        if "backbone_class" in root:  # it comes last, as where it is written
            root["backbone_class"] = root.pop("backbone_class")
        bind(place, root)
        if root["ledger"] is None:  # a killed writer has left something: the next one removes it
            write_root(place, root)
    finally:
        release_lock(lock)
    return True


def _inner_seals(store: Store) -> dict[str, str | None]:
    """The list of the stores inside a store, as they are now: the seals of their roots, null of unfinished ones."""
    roots = {name: root_attributes(Location(url)) for name, url in store.backbones.items()}
    return {name: None if root["ledger"] is None else root["seal"] for name, root in roots.items()}


def _renewed(place: Location, store: Store, group: str, old: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a group as version 2 has them, without the seal."""
    others = {key: value for key, value in old.items() if key not in ("seal", "sha256", "content")}
    if "videos" in old:
        arrays = {}
        for name in SHARD_ARRAYS:
            array = place.read(f"{group}/{name}")
            if array is None:
                raise DataError(f"{place.url}/{group} has lost {name}; delete that folder and extract it again first")
            arrays[name] = array
        records = [VideoRecord.from_dict(record).as_dict() for record in old["videos"]]
        others.update(videos=records, content=shard_content([record["id"] for record in records], arrays))
    elif "video_ids" in old:
        labels = old["labels"] if "labels" in old else _labels_around(place, store, group)
        others["content"] = stored_content(place, group, old["video_ids"], labels)
    return others if "sha256" not in old else {**others, "sha256": old["sha256"]}


def _labels_around(place: Location, store: Store, group: str) -> list[str]:
    """The labels of the vocabulary that a group of scores lies in."""
    marker = place.marker(group.rpartition("/")[0])
    return list(marker["labels"]) if marker is not None else list(store.labels)
