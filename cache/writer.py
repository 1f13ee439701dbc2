"""Writing a store: whole shards only, each committed by a marker written last; resumable after any interruption."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.bundle import ScoreBundle
from ..core.errors import DataError, UsageError
from .derive import SCORE_ARRAYS, join_shards, shard_scores
from .fingerprint import canonical, differences, fingerprint
from .location import Location, root_attributes
from .schema import (
    CHUNK_VIDEOS,
    FORMAT,
    SCHEMA_VERSION,
    SHARD_VIDEOS,
    VideoEmbeddings,
    VideoRecord,
    Vocabulary,
    shard_name,
)
from .store import Store, vocabulary_id

DTYPES = ("float16", "float32")


class StoreWriter:
    """Creates or resumes a store of embeddings. Use as a context manager: it holds the store's lock.

    Raises
    ------
    DataError
        the place holds something else, a store of another configuration (both are printed, key by key), or a store
        that another process is writing
    UsageError
        an unknown dtype, an unusable video id
    """

    def __init__(self, place: Location, root: dict[str, Any], lock: int | None) -> None:
        self._place = place
        self._root = root
        self._lock = lock
        self.config: dict[str, Any] = root["config"]

    @classmethod
    def open(
        cls,
        url: str | os.PathLike[str],
        config: Mapping[str, Any],
        video_ids: Sequence[str],
        *,
        shard_videos: int = SHARD_VIDEOS,
    ) -> StoreWriter:
        """``config`` is the declared configuration; it holds ``dtype``, ``segment_seconds`` and ``dims`` (audio,
        visual, visual_rows). New video ids are planned into new shards; those already planned keep their place."""
        if config.get("dtype") not in DTYPES:
            raise UsageError(f"dtype is {config.get('dtype')!r}; it must be one of {', '.join(DTYPES)}")
        _check_ids(video_ids)
        place = Location(url)
        prepare_empty_or_store(place)
        lock = take_lock(place)
        try:
            root = cls._plan(place, config, video_ids, shard_videos)
        except BaseException:
            release_lock(lock)
            raise
        return cls(place, root, lock)

    @staticmethod
    def _plan(
        place: Location, config: Mapping[str, Any], video_ids: Sequence[str], shard_videos: int
    ) -> dict[str, Any]:
        """The root attributes, with every id planned; written where they changed."""
        place.clear_unfinished()
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
            stored = root_attributes(place)
            if stored["fingerprint"] != root["fingerprint"]:
                how = "; ".join(differences(stored["config"], config)) or "its fingerprint differs"
                raise DataError(
                    f"{place.url} was made with another configuration: {how}. Use the same options, or another store"
                )
            root = stored
        planned = {v for shard in root["plan"] for v in shard}
        fresh = [v for v in video_ids if v not in planned]
        root["plan"] = [*root["plan"], *(fresh[i : i + shard_videos] for i in range(0, len(fresh), shard_videos))]
        if fresh or before is None:
            place.set_attributes("", root)
        return root

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the store's lock."""
        release_lock(self._lock)
        self._lock = None

    def pending(self) -> list[tuple[int, list[str]]]:
        """Shards not yet committed: index and video ids."""
        return [
            (i, list(ids)) for i, ids in enumerate(self._root["plan"]) if not _committed(self._place, shard_name(i))
        ]

    def write_shard(self, index: int, videos: Sequence[tuple[VideoRecord, VideoEmbeddings | None]]) -> None:
        """Write a whole shard and commit it. ``videos`` are those planned for it, in order."""
        planned = self._root["plan"][index]
        if [r.id for r, _ in videos] != planned:
            raise UsageError(f"shard {index} is planned for other videos than those given")
        name = shard_name(index)
        if _committed(self._place, name):
            raise UsageError(f"shard {index} is committed already")
        self._place.remove(name)
        data = [(r, e) for r, e in videos if r.has_data and e is not None]
        for array, rows in _flatten(data, self.config).items():
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
        name = f"vocabularies/{vocabulary_id(vocabulary)}"
        if not _committed(self._place, name):
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

    def finish(self) -> None:
        """Write the scores of the active vocabulary for all committed shards."""
        store = Store(self._place)
        if store.vocabulary is None or store.scores_are_current():
            return
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


def write_scores(place: Location, name: str, bundle: ScoreBundle, extra: Mapping[str, Any]) -> None:
    """Write a score bundle as a group of arrays, its marker last."""
    place.remove(name)
    videos = max(1, bundle.num_videos)
    for array in (*SCORE_ARRAYS, "segments_per_video", "has_audio", "has_visual"):
        rows = getattr(bundle, array)
        if rows is not None:
            place.write(f"{name}/{array}", np.asarray(rows), -(-len(rows) // videos) * SHARD_VIDEOS)
    index = np.stack([bundle.window_video, bundle.window_start, bundle.window_end], axis=1)
    place.write(f"{name}/window_index", index, -(-len(index) // videos) * SHARD_VIDEOS)
    marker = {
        "committed": True,
        "kind": bundle.kind,
        "segment_seconds": bundle.segment_seconds,
        "video_ids": list(bundle.video_ids),
        **extra,
        "sha256": place.hashes(name),
    }
    place.set_attributes(name, marker)


def import_bundle(bundle: ScoreBundle, url: str | os.PathLike[str], source: Mapping[str, Any] | None = None) -> None:
    """Make a store that holds only scores, from a bundle (spec: score bundle).

    ``source`` is declared as its configuration. Importing the same again changes nothing.

    Raises
    ------
    DataError
        the place holds something else, or a store of other scores
    """
    config = {"kind": "scores", "segment_seconds": bundle.segment_seconds, **(source or {})}
    place = Location(url)
    prepare_empty_or_store(place)
    lock = take_lock(place)
    try:
        place.clear_unfinished()
        if place.attributes() is not None:
            root = root_attributes(place)
            if root["fingerprint"] != fingerprint(config):
                raise DataError(
                    f"{place.url} is a store of something else ({canonical(root['config'])[:200]}); "
                    "import into another path"
                )
            if _committed(place, "vocabularies/imported/scores"):
                return
        root = {
            "format": FORMAT, "schema_version": SCHEMA_VERSION, "kind": "scores",
            "fingerprint": fingerprint(config), "config": config, "plan": [list(bundle.video_ids)],
            "vocabulary": "imported",
        }  # fmt: skip
        place.set_attributes("", root)
        place.remove("vocabularies")
        write_scores(place, "vocabularies/imported/scores", bundle, {"shards": "none"})
        marker = {"committed": True, "labels": list(bundle.labels), "audio_prompts": [], "visual_prompts": [],
                  "sha256": {}}  # fmt: skip
        place.set_attributes("vocabularies/imported", marker)
    finally:
        release_lock(lock)


def prepare_empty_or_store(place: Location) -> None:
    """Refuse a place that holds anything but a store or an interrupted beginning of one."""
    if place.attributes() is not None:
        root_attributes(place)
        return
    if place.is_local and os.path.isfile(place.path):
        raise DataError(f"{place.url} is a file; give a new folder for the store")
    others = [f for f in place.files() if not f.endswith(".partial")]
    if others:
        raise DataError(
            f"{place.url} is not an avreplay store and not empty (it holds {others[0]}); give another folder"
        )
    if place.is_local:
        os.makedirs(place.path, exist_ok=True)


def take_lock(place: Location) -> int | None:
    """An exclusive lock on the store's folder, given back by the system whenever the process ends."""
    if not place.is_local:
        return None
    handle = os.open(place.path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise DataError(f"another process is writing {place.url}; wait until it has finished") from None
    except OSError:
        os.close(handle)  # a filesystem without locks
        return None
    return handle


def release_lock(lock: int | None) -> None:
    """Give back what :func:`take_lock` gave."""
    if lock is not None:
        os.close(lock)


def _committed(place: Location, name: str) -> bool:
    return bool((place.attributes(name) or {}).get("committed"))


def _check_ids(ids: Sequence[str]) -> None:
    for video in ids:
        if not video or "\0" in video or video.startswith("/") or ".." in video.split("/"):
            raise UsageError(f"{video!r} cannot be a video id; ids are plain names without leading / or ..")
    if len(set(ids)) != len(ids):
        twice = next(v for v in ids if list(ids).count(v) > 1)
        raise UsageError(f"the video id {twice!r} is given twice")


def _segments(records: Sequence[VideoRecord]) -> NDArray[np.int64]:
    return np.array([r.segments for r in records if r.has_data], np.int64)


def _flatten(data: Sequence[tuple[VideoRecord, VideoEmbeddings]], config: Mapping[str, Any]) -> dict[str, NDArray]:
    """A shard's arrays: every video's rows one after the other, NaN where a stream is absent."""
    dtype = np.dtype(config["dtype"])
    audio, visual, rows = (config["dims"][k] for k in ("audio", "visual", "visual_rows"))
    shapes = {
        "audio_segments": (audio,), "visual_segments": (visual,), "audio_clip": (audio,),
        "visual_clip": (rows, visual), "window_audio": (audio,), "window_visual": (rows, visual),
    }  # fmt: skip
    out: dict[str, NDArray] = {}
    for name, tail in shapes.items():
        parts = [np.zeros((0, *tail), dtype)]
        for record, e in data:
            count = {"a": record.segments, "v": record.segments, "w": len(e.windows)}[name[0]]
            count = 1 if name.endswith("clip") else count
            there = record.has_audio if "audio" in name else record.has_visual
            parts.append(_rows(getattr(e, name), name, record, there, (count, *tail), dtype))
        out[name] = np.concatenate(parts)
    index = [
        np.column_stack([np.full(len(e.windows), i), np.reshape(e.windows, (-1, 2))]) for i, (_, e) in enumerate(data)
    ]
    out["window_index"] = np.concatenate([np.zeros((0, 3), np.int64), *index]).astype(np.int32)
    return out


def _rows(
    values: NDArray | None, name: str, record: VideoRecord, there: bool, shape: tuple[int, ...], dtype: np.dtype
) -> NDArray:
    if not there:
        return np.full(shape, np.nan, dtype)
    array = np.zeros(0) if values is None else np.asarray(values)
    if name.endswith("clip") and array.shape == shape[1:]:
        array = array[None]
    if array.shape != shape:
        raise DataError(f"{name} of video {record.id!r} has shape {array.shape}; expected {shape}")
    if not np.isfinite(array).all():
        raise DataError(f"{name} of video {record.id!r} holds NaN or infinity; the encoder's output must be finite")
    if array.size and np.abs(array).max() > np.finfo(dtype).max:
        raise DataError(f"{name} of video {record.id!r} exceeds {dtype}; extract with --dtype float32")
    return array.astype(dtype)
