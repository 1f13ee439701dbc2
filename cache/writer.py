"""Writing a store: each shard is committed by a marker written last, so that any interruption can be resumed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from numpy.typing import NDArray

from ..core.errors import UsageError
from .layout.fingerprint import fingerprint, vocabulary_id
from .layout.ledger import bind, unbind
from .layout.leftovers import clear_leftovers
from .layout.location import Location
from .layout.new_store import check_root, prepare_root
from .layout.root import root_attributes
from .layout.root_writer import write_root
from .layout.schema import (
    CHUNK_VIDEOS,
    SHARD_VIDEOS,
    STAGING_SUFFIX,
    VideoEmbeddings,
    VideoRecord,
    Vocabulary,
    shard_name,
)
from .layout.shards import flatten, shard_content, shard_group
from .layout.vocabulary import refuse_unfit_texts, same_prompts, write_vocabulary
from .places import output_folder
from .plan import check_ids, plan_videos, stored_root
from .reference import refuse_other_rows, write_reference
from .storage.locks import Lock, release_lock, take_lock
from .store import Store
from .write_rows import ReadEach, write_rows

DTYPES = ("float16", "float32")
Part: TypeAlias = tuple[int, int]


class StoreWriter:
    """Creates or resumes a store of embeddings: open it with :meth:`open`, use it as a context manager.

    It holds the store's lock until it is closed. Several processes, on any machines that share the store's folder, can
    write a store at once, each a part of it: the shards whose index is i - 1 modulo n belong to part (i, n). All of
    them must be given the same video ids.
    """

    def __init__(self, place: Location, root: dict[str, Any], lock: Lock | None, part: Part | None) -> None:
        self._place = place
        self._root = root
        self._lock = lock
        self._part = part
        self.config: dict[str, Any] = root["config"]
        """The declared configuration of the store."""

    def __repr__(self) -> str:
        part = "" if self._part is None else f", part {self._part[0]} of {self._part[1]}"
        url = self._place.url
        return f"<StoreWriter {url if len(url) <= 50 else '…' + url[-49:]}: {len(self._root['plan'])} shards{part}>"

    @classmethod
    def open(
        cls,
        url: str | os.PathLike[str],
        config: Mapping[str, Any],
        video_ids: Sequence[str],
        *,
        shard_videos: int = SHARD_VIDEOS,
        part: Part | None = None,
        may_differ: Sequence[str] = (),
        backbone_class: str | None = None,
    ) -> StoreWriter:
        """Create a store, or resume or extend one of the same configuration.

        Parameters
        ----------
        url : a local path or any fsspec URL
        config : the declared configuration; it holds ``dtype``, ``segment_seconds`` (in seconds) and ``dims``
            (``audio``, ``visual``, ``visual_rows``)
        video_ids : new ones are planned into new shards; those already planned keep their place
        shard_videos : number of videos of a new shard
        part : (i, n), to write the i-th of n parts, see the class
        may_differ : settings in which the store may differ from ``config``; the store keeps its own until
            :meth:`declare`
        backbone_class : ``module:Class`` of a backbone from elsewhere, which the store remembers outside of its
            configuration: where the code lies changes no embedding

        Raises
        ------
        DataError
            the place holds something else, a store of another configuration (the message lists the differences), or a
            store that another process is writing
        UsageError
            an unknown dtype, an invalid or duplicated video id
        """
        if config.get("dtype") not in DTYPES:
            raise UsageError(f"dtype is {config.get('dtype')!r}; it must be one of {', '.join(DTYPES)}")
        check_ids(video_ids)
        place = Location(url)
        place.address.check_writable()
        beginning = prepare_root(place)
        lock = take_lock(place, part, lambda: clear_leftovers(place))
        try:
            with lock.changing_shared():
                if part is None:
                    clear_leftovers(place)
                if part is not None or not place.is_local:
                    check_root(place)
                    place.check_plain()
                root = plan_videos(place, config, video_ids, shard_videos, may_differ, backbone_class)
            if place.is_local and any(shard_group(place, k) is None for k in range(len(root["plan"]))):
                output_folder(place.path, "a store", of_store=True)  # before the first shard is encoded, not after
        except BaseException:
            if part is None:
                beginning.undo()
            release_lock(lock)
            raise
        return cls(place, root, lock, part)

    @staticmethod
    def check(url: str | os.PathLike[str], config: Mapping[str, Any], may_differ: Sequence[str] = ()) -> None:
        """Raise what :meth:`open` would raise for the place and its configuration; nothing is made there."""
        place = Location(url)
        check_root(place)
        if place.attributes(any_version=True) is not None:
            stored_root(place, config, may_differ)

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the store's lock."""
        release_lock(self._lock)
        self._lock = None

    def shards(self) -> list[tuple[int, list[str]]]:
        """The planned shards of this writer's part: index and video ids."""
        i, n = self._part or (1, 1)
        return [(k, list(ids)) for k, ids in enumerate(self._root["plan"]) if k % n == i - 1]

    def pending(self) -> list[tuple[int, list[str]]]:
        """Those of :meth:`shards` that are not yet committed."""
        self._place.look_up("shards", [shard_name(k) for k, _ in self.shards()])
        return [(k, ids) for k, ids in self.shards() if shard_group(self._place, k) is None]

    @contextmanager
    def _changing_root(self) -> Iterator[None]:
        """Held while changing the root or what belongs to all shards: no other writer changes it at the same time."""
        assert self._lock is not None
        with self._lock.changing_shared():
            self._root = root_attributes(self._place)
            yield

    def _unbind(self) -> None:
        """Called before a group is changed or added: from now on the store is not finished."""
        if self._root["ledger"] is not None:
            with self._changing_root():
                unbind(self._place, self._root)

    def write_shard(self, index: int, videos: Sequence[tuple[VideoRecord, VideoEmbeddings | None]]) -> None:
        """Write a shard and commit it.

        ``videos`` are those planned for it, in order, each with its embeddings (None where there are none).

        Raises
        ------
        UsageError
            other videos than those planned, or a shard that is committed already
        DataError
            embeddings of a wrong shape, NaN or infinity
        """
        planned = self._root["plan"][index]
        if [r.id for r, _ in videos] != planned:
            raise UsageError(f"the videos given are not those planned for shard {index}; give those, in their order")
        name = shard_name(index)
        if shard_group(self._place, index) is not None:
            raise UsageError(f"shard {index} is committed already; replace it with replace_shard")
        self._unbind()
        self._write_group(name, videos)

    def replace_shard(self, index: int, videos: Sequence[tuple[VideoRecord, VideoEmbeddings | None]]) -> None:
        """Replace a committed shard; at every moment the store holds the old content or the new one.

        The new shard is written and committed under a staging name, then the old one is removed and the new one moved;
        readers find it under either name. Raises: DataError as :meth:`write_shard`.
        """
        name, staged = shard_name(index), f"{shard_name(index)}{STAGING_SUFFIX}"
        self._unbind()
        self._write_group(staged, videos)
        with self._changing_root():
            unbind(self._place, self._root)
            self._take_place(name, staged)

    def finish_replacements(self) -> None:
        """Move the shards to their places that a killed writer had committed under their staging names."""
        for index, _ in self.shards():
            name, staged = shard_name(index), f"{shard_name(index)}{STAGING_SUFFIX}"
            if self._place.marker(staged) is not None:
                with self._changing_root():
                    self._take_place(name, staged)
            else:
                self._place.remove(staged)

    def _take_place(self, name: str, staged: str) -> None:
        self._place.uncommit(name)
        self._place.remove(name)
        self._place.move(staged, name)

    def _write_group(self, name: str, videos: Sequence[tuple[VideoRecord, VideoEmbeddings | None]]) -> None:
        data = [(r, e) for r, e in videos if r.has_data and e is not None]
        arrays = flatten(data, self.config)
        with self._place.replacing(name):
            for array, rows in arrays.items():
                count = max(1, len(data))
                self._place.write(f"{name}/{array}", rows, -(-len(rows) // count) * CHUNK_VIDEOS)
            marker = {
                "committed": True,
                "videos": [r.as_dict() for r, _ in videos],
                "content": shard_content([r.id for r, _ in videos], arrays),
                "sha256": self._place.hashes(name),
            }
            self._place.set_attributes(name, marker)

    def keep_reference(
        self,
        prompts: Sequence[str],
        rows: Mapping[str, NDArray[Any]],
        tolerances: Mapping[str, float] | None = None,
        made_with: Mapping[str, str] | None = None,
    ) -> None:
        """Keep the encoder's rows of fixed inputs in a store that has no shard yet, or compare them with those kept.

        Parameters
        ----------
        prompts : the texts among the inputs
        rows : by array, see :data:`.reference.REFERENCE_ARRAYS`
        tolerances : by array, see :data:`.reference.TOLERANCE`
        made_with : versions of packages and the device; kept beside the rows and named where they differ

        Raises: DataError where they differ by more: the encoder has other weights, or its packages compute something
        else.
        """
        with self._changing_root():
            if not self.check_reference(rows, tolerances, made_with) and not Store(self._place).committed:
                unbind(self._place, self._root)
                write_reference(self._place, prompts, rows, made_with)

    def check_reference(
        self,
        rows: Mapping[str, NDArray[Any]],
        tolerances: Mapping[str, float] | None = None,
        made_with: Mapping[str, str] | None = None,
    ) -> bool:
        """Compare the encoder's rows with those kept; returns whether there are any. Raises: as keep_reference."""
        return refuse_other_rows(self._place, rows, tolerances, made_with)

    def set_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Make a vocabulary the active one; earlier ones are kept. Call :meth:`finish` afterwards.

        Raises: DataError for text embeddings of a wrong shape, NaN or infinity.
        """
        refuse_unfit_texts(vocabulary, self.config["dims"])
        with self._changing_root():
            current = Store(self._place).vocabulary if self._part else None
            if current is not None and same_prompts(current, vocabulary):
                return  # set by another part's writer, perhaps on a device that rounds differently
            self._set_vocabulary(vocabulary)

    def has_vocabulary(self, vocabulary: Vocabulary) -> bool:
        """Whether a vocabulary was the active one when the store was opened."""
        return bool(self._root["vocabulary"] == vocabulary_id(vocabulary))

    def _set_vocabulary(self, vocabulary: Vocabulary) -> None:
        name = f"vocabularies/{vocabulary_id(vocabulary)}"
        if self._place.marker(name) is None:
            unbind(self._place, self._root)
            write_vocabulary(self._place, name, vocabulary)
        if self._root["vocabulary"] != vocabulary_id(vocabulary):
            self._root.update(vocabulary=vocabulary_id(vocabulary), ledger=None)
            write_root(self._place, self._root)

    def declare(self, config: Mapping[str, Any], when: Callable[[Store], bool]) -> bool:
        """Change the declared configuration, if ``when`` says that the store holds what the new one would produce.

        The shards do not change while ``when`` is called. Returns whether the store has the new configuration.
        """
        with self._changing_root():
            if not when(Store(self._place)):
                return False
            if self._root["fingerprint"] != fingerprint(config):
                self._root.update(config=dict(config), fingerprint=fingerprint(config))
                write_root(self._place, self._root)
        self.config = self._root["config"]
        return True

    def finish(self, read_each: ReadEach | None = None) -> None:
        """Write the scores of the active vocabulary for all committed shards, unless they are current, and the ledger.

        ``read_each`` : what computes blocks of these scores, as other machines do; None: this process.

        Both belong to the whole store: of several writers of parts, the one that completes the store writes them.
        """
        with self._changing_root():
            store = Store(self._place)
            if self._part and not store.complete:
                return
            if self._root["vocabulary"] is not None and not store.scores_are_current():
                unbind(self._place, self._root)
                name = f"vocabularies/{self._root['vocabulary']}/scores"
                write_rows(
                    self._place, name, store.computed_rows(), {"shards": store.shard_digest()}, read_each=read_each
                )
            bind(self._place, self._root, store.shard_markers())
