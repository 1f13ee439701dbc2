"""The shards of a store that are committed, as they are read: their markers, records and arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from .join_shards import join_arrays
from .layout.fingerprint import canonical
from .layout.ledger import refuse_exchanged
from .layout.location import Location
from .layout.schema import STAGING_SUFFIX, VideoRecord, shard_name
from .layout.shards import SHARD_ARRAYS, refuse_unfitting, shard_content, shard_group


class CommittedShards:
    """The shards of the store at a place with these root attributes. They are looked for once, when first asked for."""

    def __init__(self, place: Location, root: Mapping[str, Any]) -> None:
        self._place = place
        self._root = root

    @cached_property
    def groups(self) -> dict[int, tuple[str, dict[str, Any]]]:
        """The groups of the shards and their markers, by index; none in a store of scores.

        Raises: DataError where one is damaged, or not the one that the ledger of the store names.
        """
        if self._root["kind"] == "scores":
            return {}
        planned: Iterable[int] = range(len(self._root["plan"]))
        if self._place.is_local:  # a damaged plan may speak of millions
            begun = {name.removesuffix(STAGING_SUFFIX) for name, _ in self._place.entries("shards")}
            planned = [i for i in planned if shard_name(i).rpartition("/")[2] in begun]
        self._place.fetch(shard_name(i) for i in planned)
        found = {i: shard_group(self._place, i) for i in planned}
        groups = {i: group for i, group in found.items() if group is not None}
        for group, marker in groups.values():
            refuse_exchanged(self._place, self._root, group, marker)
        return groups

    @property
    def indices(self) -> list[int]:
        """Their indices in the plan, sorted."""
        return sorted(self.groups)

    def records(self, shard: int) -> list[VideoRecord]:
        """The records of the videos of a shard, in plan order."""
        return [VideoRecord.from_dict(r) for r in self.groups[shard][1]["videos"]]

    def digest(self) -> str:
        """A hash of the hashes of all their files."""
        parts = {str(i): self.groups[i][1]["sha256"] for i in self.indices}
        return hashlib.sha256(canonical(parts).encode()).hexdigest()

    def content_hash(self) -> str:
        """sha256 of the ids and embeddings; in version 1 all arrays are read for it."""
        parts = {}
        for i, (_, marker) in sorted(self.groups.items()):
            ids = [record["id"] for record in marker["videos"]]
            parts[str(i)] = marker.get("content") or shard_content(ids, self.arrays(i))
        return hashlib.sha256(canonical(parts).encode()).hexdigest()

    def arrays(self, shard: int, names: Sequence[str] = SHARD_ARRAYS) -> dict[str, NDArray[Any]]:
        """The embeddings of one shard as they are stored, by name: all arrays, or those of ``names``.

        Raises: DataError where an array is missing or damaged.
        """
        out: dict[str, NDArray[Any]] = {}
        group, url = self.groups[shard][0], self._place.url
        found = self._place.read_arrays([f"{group}/{name}" for name in names])
        for name in names:
            array = found[f"{group}/{name}"]
            if array is None:
                raise DataError(
                    f"{url}/{shard_name(shard)} has lost {name}; delete that folder and run the extraction again"
                )
            out[name] = array
        refuse_unfitting(out, self.records(shard), self._root["config"], f"{url}/{group}")
        return out

    def embeddings(self) -> dict[str, NDArray[Any]]:
        """All embeddings in bulk, see :meth:`.store.Store.embeddings`."""
        records = [self.records(i) for i in self.indices]
        out = join_arrays([self.arrays(i) for i in self.indices], records)
        out["segments_per_video"] = np.array([r.segments for rs in records for r in rs if r.has_data], np.int64)
        return out

    def segment_embeddings(self, modality: str) -> tuple[list[VideoRecord], NDArray[Any]]:
        """The videos with data and the embeddings of their segments, see :meth:`.store.Store.segment_embeddings`."""
        name = f"{modality}_segments"
        parts = [self.arrays(i, (name,))[name] for i in self.indices]
        records = [r for i in self.indices for r in self.records(i) if r.has_data]
        width = self._root["config"]["dims"][modality]
        return records, np.concatenate(parts) if parts else np.zeros((0, width), np.float32)
