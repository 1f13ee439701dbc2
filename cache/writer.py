"""Writing a store: whole shards only, each committed by a marker written last; resumable after any interruption."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, UsageError
from .layout.fingerprint import differences, fingerprint
from .layout.location import Location, root_attributes
from .layout.locks import PartLock, release_lock, take_lock
from .layout.schema import (
    BESIDE,
    CHUNK_VIDEOS,
    FORMAT,
    SCHEMA_VERSION,
    SHARD_VIDEOS,
    VideoEmbeddings,
    VideoRecord,
    Vocabulary,
    shard_name,
)
from .layout.shard_arrays import flatten
from .score_writer import is_committed, prepare_empty_or_store, write_scores
from .similarity import join_shards, shard_scores
from .store import Store, shard_group, vocabulary_id

DTYPES = ("float16", "float32")
Part: TypeAlias = tuple[int, int]


class StoreWriter:
    """Creates or resumes a store of embeddings. Use as a context manager: it holds the store's lock.

    Several processes, on as many machines as see the store's folder, can write a store at once, each a part of it:
    the shards whose index is i - 1 modulo n belong to part (i, n). All of them must be given the same video ids.

    Raises
    ------
    DataError
        the place holds something else, a store of another configuration (both are printed, key by key), or a store
        that another process is writing
    UsageError
        an unknown dtype, an unusable video id
    """

    def __init__(self, place: Location, root: dict[str, Any], lock: int | PartLock | None, part: Part | None) -> None:
        self._place = place
        self._root = root
        self._lock = lock
        self._part = part
        self.config: dict[str, Any] = root["config"]

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
        """``config`` is the declared configuration; it holds ``dtype``, ``segment_seconds`` and ``dims`` (audio,
        visual, visual_rows). New video ids are planned into new shards; those already planned keep their place.

        ``part`` : (i, n), see the class. ``may_differ`` : settings in which the store may differ from ``config``;
        the store's own then stay in force until `declare`. ``backbone_class`` : ``module:Class`` of a backbone from
        elsewhere, which the store remembers outside of its configuration: where the code lies changes no embedding.
        """
        if config.get("dtype") not in DTYPES:
            raise UsageError(f"dtype is {config.get('dtype')!r}; it must be one of {', '.join(DTYPES)}")
        _check_ids(video_ids)
        place = Location(url)
        if part is None or not place.is_local:
            prepare_empty_or_store(place)
        else:
            os.makedirs(place.path, exist_ok=True)  # looked through when no other part's writer is at it
        lock = take_lock(place) if part is None else PartLock(place, part)
        try:
            with _alone(lock):
                if part is None:
                    place.clear_unfinished()
                else:
                    prepare_empty_or_store(place)
                root = cls._plan(place, config, video_ids, shard_videos, may_differ, backbone_class)
        except BaseException:
            _give_back(lock)
            raise
        return cls(place, root, lock, part)

    @staticmethod
    def check(url: str | os.PathLike[str], config: Mapping[str, Any], may_differ: Sequence[str] = ()) -> None:
        """Raise what :meth:`open` would raise for the place and its configuration; nothing is made there."""
        place = Location(url)
        if place.exists():
            prepare_empty_or_store(place)
        if place.attributes() is not None:
            _stored_root(place, config, may_differ)

    @staticmethod
    def _plan(
        place: Location,
        config: Mapping[str, Any],
        video_ids: Sequence[str],
        shard_videos: int,
        may_differ: Sequence[str],
        backbone_class: str | None,
    ) -> dict[str, Any]:
        """The root attributes, with every id planned; written where they changed."""
        before = place.attributes()
        root: dict[str, Any] = {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "kind": "embeddings",
            "fingerprint": fingerprint(config),
            "config": dict(config),
            "plan": [],
            "vocabulary": None,
        }
        if before is not None:
            root = _stored_root(place, config, may_differ)
        planned = {v for shard in root["plan"] for v in shard}
        fresh = [v for v in video_ids if v not in planned]
        root["plan"] = [*root["plan"], *(fresh[i : i + shard_videos] for i in range(0, len(fresh), shard_videos))]
        moved = backbone_class is not None and root.get("backbone_class") != backbone_class
        if moved:
            root["backbone_class"] = backbone_class
        if fresh or moved or before is None:
            place.set_attributes("", root)
        return root

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the store's lock."""
        _give_back(self._lock)
        self._lock = None

    def shards(self) -> list[tuple[int, list[str]]]:
        """The planned shards of this writer's part: index and video ids."""
        i, n = self._part or (1, 1)
        return [(k, list(ids)) for k, ids in enumerate(self._root["plan"]) if k % n == i - 1]

    def pending(self) -> list[tuple[int, list[str]]]:
        """Those of them that are not yet committed."""
        return [(k, ids) for k, ids in self.shards() if shard_group(self._place, k) is None]

    @contextmanager
    def _sharing(self) -> Iterator[None]:
        """Around a change of the root, or of what belongs to all shards: nobody else changes it meanwhile."""
        with _alone(self._lock):
            self._root = root_attributes(self._place)
            yield

    def write_shard(self, index: int, videos: Sequence[tuple[VideoRecord, VideoEmbeddings | None]]) -> None:
        """Write a whole shard and commit it. ``videos`` are those planned for it, in order."""
        planned = self._root["plan"][index]
        if [r.id for r, _ in videos] != planned:
            raise UsageError(f"shard {index} is planned for other videos than those given")
        name = shard_name(index)
        if shard_group(self._place, index) is not None:
            raise UsageError(f"shard {index} is committed already")
        self._write_group(name, videos)

    def replace_shard(self, index: int, videos: Sequence[tuple[VideoRecord, VideoEmbeddings | None]]) -> None:
        """Put another content in the place of a committed shard; at every moment the store has the one or the other.

        The new shard is written and committed beside the old one, which is then removed; readers take the new one
        where the old one is gone.
        """
        name, beside = shard_name(index), f"{shard_name(index)}{BESIDE}"
        self._write_group(beside, videos)
        with self._sharing():
            self._take_place(name, beside)

    def finish_replacements(self) -> None:
        """Put new shards in their places that a killed writer had committed beside the old ones."""
        for index, _ in self.shards():
            name, beside = shard_name(index), f"{shard_name(index)}{BESIDE}"
            if is_committed(self._place, beside):
                with self._sharing():
                    self._take_place(name, beside)
            else:
                self._place.remove(beside)

    def _take_place(self, name: str, beside: str) -> None:
        self._place.uncommit(name)
        self._place.remove(name)
        self._place.move(beside, name)

    def _write_group(self, name: str, videos: Sequence[tuple[VideoRecord, VideoEmbeddings | None]]) -> None:
        self._place.remove(name)
        data = [(r, e) for r, e in videos if r.has_data and e is not None]
        for array, rows in flatten(data, self.config).items():
            count = max(1, len(data))
            self._place.write(f"{name}/{array}", rows, -(-len(rows) // count) * CHUNK_VIDEOS)
        marker = {
            "committed": True,
            "videos": [r.as_dict() for r, _ in videos],
            "sha256": self._place.hashes(name),
        }
        self._place.set_attributes(name, marker)

    def set_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Make a vocabulary the store's own; an earlier one stays beside it. Call :meth:`finish` afterwards."""
        dims = self.config["dims"]
        for text, width, modality in (
            (vocabulary.audio_text, dims["audio"], "audio"),
            (vocabulary.visual_text, dims["visual"], "visual"),
        ):
            if text.shape != (len(vocabulary.labels), width) or not np.isfinite(text).all():
                raise DataError(
                    f"the {modality} text embeddings have shape {text.shape} or are not finite; expected "
                    f"{(len(vocabulary.labels), width)} finite numbers"
                )
        with self._sharing():
            current = Store(self._place).vocabulary if self._part else None
            if current is not None and _same_prompts(current, vocabulary):
                return  # another part's writer has set it, perhaps on a device that rounds in another way
            self._set_vocabulary(vocabulary)

    def _set_vocabulary(self, vocabulary: Vocabulary) -> None:
        name = f"vocabularies/{vocabulary_id(vocabulary)}"
        if not is_committed(self._place, name):
            self._place.remove(name)
            self._place.write(f"{name}/audio_text", vocabulary.audio_text.astype(np.float32), 1 << 20)
            self._place.write(f"{name}/visual_text", vocabulary.visual_text.astype(np.float32), 1 << 20)
            marker = {
                "committed": True,
                "labels": list(vocabulary.labels),
                "audio_prompts": list(vocabulary.audio_prompts),
                "visual_prompts": list(vocabulary.visual_prompts),
                "sha256": self._place.hashes(name),
            }
            self._place.set_attributes(name, marker)
        if self._root["vocabulary"] != vocabulary_id(vocabulary):
            self._root["vocabulary"] = vocabulary_id(vocabulary)
            self._place.set_attributes("", self._root)

    def declare(self, config: Mapping[str, Any], when: Callable[[Store], bool]) -> bool:
        """Give the store another configuration if what it holds now is what that one makes, which ``when`` tells.

        Shards stay in their places meanwhile. Returns whether the store has that configuration.
        """
        with self._sharing():
            if not when(Store(self._place)):
                return False
            if self._root["fingerprint"] != fingerprint(config):
                self._root.update(config=dict(config), fingerprint=fingerprint(config))
                self._place.set_attributes("", self._root)
        self.config = self._root["config"]
        return True

    def finish(self) -> None:
        """Write the scores of the active vocabulary for all committed shards; writers of parts leave that to the one
        that finishes last, since scores belong to the whole store."""
        with self._sharing():
            store = Store(self._place)
            if store.vocabulary is None or store.scores_are_current() or (self._part and not store.complete):
                return
            self._write_scores(store)

    def _write_scores(self, store: Store) -> None:
        assert store.vocabulary is not None
        shards = [
            shard_scores(store.shard_arrays(i), store.vocabulary, _segments(store.records_of(i)))
            for i in store.committed
        ]
        bundle = join_shards(
            shards,
            [store.records_of(i) for i in store.committed],
            store.vocabulary.labels,
            float(self.config["segment_seconds"]),
        )
        name = f"vocabularies/{self._root['vocabulary']}/scores"
        write_scores(self._place, name, bundle, {"shards": store.shard_digest()})


def _stored_root(place: Location, config: Mapping[str, Any], may_differ: Sequence[str]) -> dict[str, Any]:
    """The root attributes of a store. Raises: DataError where its configuration is another one."""
    stored = root_attributes(place)
    kept = {key: stored["config"][key] for key in may_differ if key in stored["config"]}
    if stored["fingerprint"] not in (fingerprint(config), fingerprint({**config, **kept})):
        how = "; ".join(differences(stored["config"], config)) or "its fingerprint differs"
        raise DataError(
            f"{place.url} was made with another configuration: {how}. Use the same options, or another store"
        )
    return stored


@contextmanager
def _alone(lock: int | PartLock | None) -> Iterator[None]:
    if isinstance(lock, PartLock):
        with lock.changing_what_is_shared():
            yield
    else:
        yield


def _give_back(lock: int | PartLock | None) -> None:
    if isinstance(lock, PartLock):
        lock.close()
    else:
        release_lock(lock)


def _same_prompts(a: Vocabulary, b: Vocabulary) -> bool:
    return (a.labels, a.audio_prompts, a.visual_prompts) == (b.labels, b.audio_prompts, b.visual_prompts)


def _check_ids(ids: Sequence[str]) -> None:
    for video in ids:
        if not video or "\0" in video or video.startswith("/") or ".." in video.split("/"):
            raise UsageError(f"{video!r} cannot be a video id; ids are plain names without leading / or ..")
    if len(set(ids)) != len(ids):
        twice = next(v for v in ids if list(ids).count(v) > 1)
        raise UsageError(f"the video id {twice!r} is given twice")


def _segments(records: Sequence[VideoRecord]) -> NDArray[np.int64]:
    return np.array([r.segments for r in records if r.has_data], np.int64)
