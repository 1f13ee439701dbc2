"""A store of some of the videos of another one, as ``avreplay subset`` makes it.

Everything of these videos comes along: records with notes, embeddings, vocabularies, scores, score sets, reference
rows, and the stores inside the store. Embeddings and scores are copied, not computed again, so that a replay of the
subset is that of its source restricted to these videos. The videos stand in the order of the source.

Shards are written one after the other, and the root last says that the subset is finished: after any interruption the
same call goes on, to the same bytes. The root keeps what it is a subset of.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import DataError
from ..core.names import ids_sha256
from ..core.text import printable
from .imports.imported_videos import interrupted_import
from .inner_stores import inner_url, outer_store
from .layout.ledger import bind, unbind
from .layout.leftovers import clear_leftovers
from .layout.location import Location
from .layout.new_store import check_root, prepare_root
from .layout.root import root_attributes, writable_root
from .layout.root_writer import write_root
from .layout.schema import FORMAT, RATES, SCHEMA_VERSION, VideoRecord, rates_of
from .score_blocks import BLOCK_MEMORY
from .storage.locks import release_lock, take_lock
from .store import Store
from .subset_groups import Groups


@dataclass(frozen=True)
class SubsetSummary:
    """What a subset holds, and of what it is one.

    Attributes
    ----------
    videos, ids_sha256 : number of its videos, and the hash of their ids by which two places can tell that they have the
        same (`core/names.py`)
    of_videos : number of videos of the source
    status : number of its videos by status
    missing : ids that were asked for and that the source does not have
    notes : what else is worth knowing, a sentence each
    already : whether it was there before
    """

    url: str
    source: str
    videos: int
    of_videos: int
    ids_sha256: str
    status: dict[str, int]
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    already: bool = False
    criteria: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {
            "store": self.url, "source": self.source, "videos": self.videos, "of_videos": self.of_videos,
            "ids_sha256": self.ids_sha256, "status": self.status, "missing": list(self.missing),
            "notes": list(self.notes), "already": self.already, "criteria": self.criteria,
        }  # fmt: skip

    def text(self) -> str:
        """What ``avreplay subset`` prints."""
        status = ", ".join(f"{count} {name}" for name, count in self.status.items())
        lines = [
            f"{self.url}: {self.videos} of {self.of_videos} videos of {self.source} ({status})"
            + (", there already" if self.already else ""),
            f"ids_sha256 {self.ids_sha256}",
        ]
        if self.missing:
            shown = ", ".join(printable(id) for id in self.missing[:3])
            more = ", ..." if len(self.missing) > 3 else ""
            lines.append(f"asked for and not in {self.source}: {len(self.missing)} ({shown}{more})")
        return "\n".join([*lines, *self.notes])


def write_subset(
    source: Store,
    url: str | os.PathLike[str],
    ids: Collection[str],
    criteria: Mapping[str, Any],
    *,
    memory: int = BLOCK_MEMORY,
) -> SubsetSummary:
    """Write the videos of a store whose ids are among ``ids`` into a new store, or finish one that was begun.

    Parameters
    ----------
    source : an opened store; of an unfinished one, the videos of the shards that are committed
    url : a local path or any fsspec URL
    ids : others than the store's do not matter
    criteria : how they were chosen, as JSON values, for the root of the new store
    memory : scores of more bytes are written block by block

    Raises
    ------
    DataError
        none of the videos is there; the place holds something else, lies in a store, or is the subset of something
        else; a damaged source; a store that another process is writing
    UsageError
        a place that only reads
    """
    place = Location(url)
    outer = outer_store(place)
    if outer is not None:
        raise DataError(f"cannot write {place.url}: it lies in the store {outer}; choose a place outside of it")
    return _write(source, place, set(ids), dict(criteria), memory)


def _write(
    source: Store, place: Location, ids: Collection[str], criteria: dict[str, Any], memory: int
) -> SubsetSummary:
    if source.content_hash is None:
        raise interrupted_import(source.url)
    every = source.videos
    records = [record for record in every if record.id in ids]
    if not records:
        raise DataError(f"{source.url} has none of these videos, and a store of none is of no use; check the criteria")
    about = {
        "of": source.content_hash, "criteria": criteria, "videos": len(records),
        "ids_sha256": ids_sha256(record.id for record in records), "finished": False,
    }  # fmt: skip
    place.address.check_writable()
    beginning = prepare_root(place)
    lock = take_lock(place)
    begun = False
    try:
        clear_leftovers(place)
        check_root(place)
        root = _root(source, place, records, about)
        begun = True
        already = bool(root["subset"]["finished"])
        notes = () if already else tuple(_fill(source, place, root, records, criteria, memory))
    except BaseException:
        if not begun:
            beginning.undo()
        raise
    finally:
        release_lock(lock)
    if not source.complete:
        has = f"{len(source.committed)} of {len(source.plan)} shards"
        notes += (f"{source.url} is not finished: the subset is of the videos in its {has}",)
    status = dict(sorted(Counter(record.status for record in records).items()))
    return SubsetSummary(
        place.url, source.url, len(records), len(every), str(about["ids_sha256"]), status, (), notes, already, criteria
    )


def _root(source: Store, place: Location, records: Sequence[VideoRecord], about: dict[str, Any]) -> dict[str, Any]:
    """The root of the subset, written if there is none. Raises: DataError for that of something else."""
    if place.attributes(any_version=True) is not None:
        root = writable_root(place)
        there = root.get("subset")
        if not isinstance(there, dict):
            raise DataError(f"{place.url} is a store already, and not the subset asked for; give another place")
        if {**there, "finished": False} != about:
            raise DataError(
                f"{place.url} is a subset already, {_in_words(there)}, and not {_in_words(about)}"
                f"{_other_criteria(there, about)}; give another place"
            )
        return root
    ids = [record.id for record in records]
    size = max(1, *map(len, source.plan)) if source.kind == "embeddings" else len(ids)
    root = {
        "format": FORMAT, "schema_version": SCHEMA_VERSION, "kind": source.kind, "fingerprint": source.fingerprint,
        "config": source.config, "plan": [ids[i : i + size] for i in range(0, len(ids), size)],
        "vocabulary": source.vocabulary_id if source.kind == "scores" else None, "ledger": None,
        "rates": rates_of(source.config) if source.kind == "embeddings" else RATES, "inner": {}, "subset": about,
    }  # fmt: skip
    if source.backbone_class is not None:
        root["backbone_class"] = source.backbone_class
    write_root(place, root)
    return root


def _in_words(about: Mapping[str, Any]) -> str:
    ids = f"ids {str(about.get('ids_sha256'))[:12]}"
    return f"videos: {about.get('videos')} ({ids}) of content {str(about.get('of'))[:12]}"


def _other_criteria(there: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """Which criteria of two subsets differ."""
    old, new = (made.get("criteria") or {} for made in (there, about))
    differ = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    return f" (chosen by other {', '.join(differ)})" if differ else ""


def _fill(
    source: Store,
    place: Location,
    root: dict[str, Any],
    records: Sequence[VideoRecord],
    criteria: dict[str, Any],
    memory: int,
) -> Iterator[str]:
    """Write what is not there yet, then the root; sentences on what was left out."""
    unbind(place, root)  # another command may have finished what it wrote into an unfinished subset
    groups = Groups(source, place, root, records, memory)
    if source.kind == "embeddings":
        groups.shards()
        groups.reference()
    groups.vocabularies()
    yield from groups.score_sets()
    yield from _inner(source, place, {record.id for record in records}, criteria, memory)
    place.refresh()
    now = root_attributes(place)  # the stores inside have come into its list
    now.update(vocabulary=source.vocabulary_id, subset={**now["subset"], "finished": True}, ledger=None)
    bind(place, now)
    if now["ledger"] is None:
        raise DataError(f"{place.url} holds a group that is not finished; run the same command again")


def _inner(
    source: Store, place: Location, ids: Collection[str], criteria: dict[str, Any], memory: int
) -> Iterator[str]:
    """Write the subsets of the stores inside the source; sentences on those that were left out."""
    inner, foreign = source.inner()
    for path, problem in foreign.items():
        yield f"left out: {source.url}/{path} {problem}"
    for name, url in inner.items():
        store = Store(Location(url))
        if not any(record.id in ids for record in store.videos):
            yield f"left out: {url} has none of these videos"
            continue
        yield from _write(store, Location(inner_url(place.url, name)), ids, criteria, memory).notes
