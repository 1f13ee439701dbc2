"""The shards of a store that are committed, as they are read: their markers, records and arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.threads import Pool
from .layout.array_file import Layout
from .layout.array_rows import ArrayRows
from .layout.fingerprint import canonical
from .layout.ledger import refuse_exchanged
from .layout.location import Location
from .layout.schema import STAGING_SUFFIX, VideoRecord, shard_name
from .layout.shards import refuse_unfitting, shard_arrays, shard_content, shard_group

_AT_ONCE = 4
"""Shards that are read at the same time."""


class CommittedShards:
    """The shards of the store at a place with these root attributes. They are looked for once, when first asked for."""

    def __init__(self, place: Location, root: Mapping[str, Any]) -> None:
        self._place = place
        self._root = root
        self._records: dict[int, tuple[VideoRecord, ...]] = {}
        """Of the shards in :attr:`groups`: a tenth of the memory that their JSON takes as objects."""
        self._counts: dict[int, list[int]] = {}

    @cached_property
    def groups(self) -> dict[int, tuple[str, dict[str, Any]]]:
        """The groups of the shards and their markers without the videos, by index; none in a store of scores.

        Raises: DataError where one is damaged, or not the one that the ledger of the store names.
        """
        if self._root["kind"] == "scores":
            return {}
        planned: Iterable[int] = range(len(self._root["plan"]))
        if self._place.is_local:  # a damaged plan may speak of millions
            begun = {name.removesuffix(STAGING_SUFFIX) for name, _ in self._place.entries("shards")}
            planned = [i for i in planned if shard_name(i).rpartition("/")[2] in begun]
        self._place.fetch(shard_name(i) for i in planned)
        groups = {}
        for i in planned:
            found = shard_group(self._place, i)
            if found is not None:
                group, marker = found
                refuse_exchanged(self._place, self._root, group, marker)
                self._records[i] = tuple(VideoRecord.from_dict(record) for record in marker.pop("videos"))
                groups[i] = (group, marker)
        return groups

    @property
    def indices(self) -> list[int]:
        """Their indices in the plan, sorted."""
        return sorted(self.groups)

    def records(self, shard: int) -> list[VideoRecord]:
        """The records of the videos of a shard, in plan order."""
        return list(self._of(shard))

    def _of(self, shard: int) -> tuple[VideoRecord, ...]:
        if shard not in self.groups:
            raise KeyError(shard)
        return self._records[shard]

    def segment_counts(self, shard: int) -> list[int]:
        """The segments of the videos with data of a shard."""
        if shard not in self._counts:
            self._counts[shard] = [r.segments for r in self._of(shard) if r.has_data]
        return self._counts[shard]

    def digest(self) -> str:
        """A hash of the hashes of all their files."""
        parts = {str(i): self.groups[i][1]["sha256"] for i in self.indices}
        return hashlib.sha256(canonical(parts).encode()).hexdigest()

    def content_hash(self) -> str:
        """sha256 of the ids and embeddings; in version 1 all arrays are read for it."""
        parts = {}
        for i, (_, marker) in sorted(self.groups.items()):
            ids = [record.id for record in self._of(i)]
            parts[str(i)] = marker.get("content") or shard_content(ids, self.arrays(i))
        return hashlib.sha256(canonical(parts).encode()).hexdigest()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all arrays of a shard."""
        return shard_arrays(self._root["config"]["dims"])

    def arrays(self, shard: int, names: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
        """The embeddings of one shard as they are stored, by name: all arrays, or those of ``names``.

        Raises: DataError where an array is missing or damaged.
        """
        out: dict[str, NDArray[Any]] = {}
        names = self.names if names is None else names
        group, url = self.groups[shard][0], self._place.url
        found = self._place.read_arrays([f"{group}/{name}" for name in names])
        for name in names:
            array = found[f"{group}/{name}"]
            if array is None:
                raise self._lost(shard, name)
            out[name] = array
        refuse_unfitting(out, self.segment_counts(shard), self._root["config"], f"{url}/{group}")
        return out

    def _lost(self, shard: int, name: str) -> DataError:
        return DataError(
            f"{self._place.url}/{shard_name(shard)} has lost {name}; delete that folder and run the extraction again"
        )

    def _joined(self, names: Sequence[str]) -> tuple[dict[str, NDArray[Any]], list[dict[str, NDArray[Any]]]]:
        """Arrays of all shards, each read into its place in memory by a few threads; and the rows of each shard there.

        Raises: DataError where an array is missing or damaged.
        """
        shards: list[dict[str, Layout]] = []
        for i in self.indices:
            group = self.groups[i][0]
            found = self._place.layouts([f"{group}/{name}" for name in names])
            for name in names:
                if f"{group}/{name}" not in found:
                    raise self._lost(i, name)
            shapes = {name: ArrayRows(found[f"{group}/{name}"], None, group) for name in names}
            refuse_unfitting(shapes, self.segment_counts(i), self._root["config"], f"{self._place.url}/{group}")
            shards.append(found)
        out: dict[str, NDArray[Any]] = {}
        parts: list[dict[str, NDArray[Any]]] = [{} for _ in shards]
        for k, name in enumerate(names):
            layouts = [list(shard.values())[k] for shard in shards]
            ends = list(accumulate((layout.shape[0] for layout in layouts), initial=0))
            out[name] = np.empty((ends[-1], *layouts[0].shape[1:]), layouts[0].dtype)
            for part, (first, last) in zip(parts, pairwise(ends), strict=True):
                part[name] = out[name][first:last]

        def read(pair: tuple[dict[str, Layout], dict[str, NDArray[Any]]]) -> None:
            shard, targets = pair
            for rows, target in zip(self._place.open_layouts(shard).values(), targets.values(), strict=True):
                rows.read_all(target)

        with Pool(_AT_ONCE) as pool:
            list(pool.map(read, zip(shards, parts, strict=True)))
        return out, parts

    @property
    def visual_rows(self) -> int:
        """Rows of a visual embedding of a clip or a window."""
        return int(self._root["config"]["dims"]["visual_rows"])

    @property
    def audio_frames(self) -> int:
        """Frames of a segment's sound; 1 where there are none but the segment itself."""
        return int(self._root["config"]["dims"].get("audio_frames", 1))

    def window_counts(self) -> list[int]:
        """The number of windows of each shard, in order; 0 where their array is missing."""
        names = [f"{self.groups[i][0]}/window_index" for i in self.indices]
        layouts = self._place.layouts(names)
        return [layouts[name].shape[0] if name in layouts else 0 for name in names]

    def embeddings(self) -> dict[str, NDArray[Any]]:
        """All embeddings in bulk, see :meth:`.store.Store.embeddings`."""
        if not self.indices:
            return {"segments_per_video": np.zeros(0, np.int64)}
        out, parts = self._joined(self.names)
        counts: list[int] = []
        for i, part in zip(self.indices, parts, strict=True):
            own, index = self.segment_counts(i), part["window_index"]
            where = f"{self._place.url}/{self.groups[i][0]}"
            refuse_unfitting({"window_index": index}, own, self._root["config"], where)
            index[:, 0] += len(counts)
            counts += own
        return {**out, "segments_per_video": np.array(counts, np.int64)}

    def segment_embeddings(self, modality: str) -> tuple[list[VideoRecord], NDArray[Any]]:
        """The videos with data and the embeddings of their segments, see :meth:`.store.Store.segment_embeddings`."""
        name = f"{modality}_segments"
        records = [r for i in self.indices for r in self._of(i) if r.has_data]
        width = self._root["config"]["dims"][modality]
        return records, self._joined([name])[0][name] if self.indices else np.zeros((0, width), np.float32)
