"""Reading a store."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.bundle import ScoreBundle
from ..core.errors import DataError
from .inner_stores import inner_stores
from .layout.fingerprint import canonical
from .layout.location import Location, root_attributes
from .layout.schema import BESIDE, VideoRecord, Vocabulary, shard_name
from .score_sets import current_group, read_scores, score_set_marker, score_set_names
from .similarity import join_shards, shard_scores

SHARD_ARRAYS = (
    "audio_segments", "visual_segments", "audio_clip", "visual_clip", "window_index", "window_audio", "window_visual",
)  # fmt: skip


class Store:
    """A store opened for reading; it holds every committed shard, however its writer ended."""

    def __init__(self, place: Location) -> None:
        self._place = place
        self._root = root_attributes(place)

    @property
    def url(self) -> str:
        return self._place.url

    @property
    def kind(self) -> str:
        """``embeddings`` (an extraction) or ``scores`` (an imported bundle)."""
        return str(self._root["kind"])

    @property
    def config(self) -> dict[str, Any]:
        """The declared configuration of the extraction."""
        return dict(self._root["config"])

    @property
    def backbone_class(self) -> str | None:
        """``module:Class`` of the backbone that made the embeddings, where that is not one of this package."""
        found = self._root.get("backbone_class")
        return found if isinstance(found, str) else None

    @property
    def fingerprint(self) -> str:
        return str(self._root["fingerprint"])

    @property
    def schema_version(self) -> int:
        return int(self._root["schema_version"])

    @property
    def backbones(self) -> dict[str, str]:
        """The URLs of the stores inside this one, which hold its videos' embeddings by other backbones, by backbone."""
        return self.inner()[0]

    def inner(self) -> tuple[dict[str, str], dict[str, str]]:
        """`backbones`, and what lies in their folder without belonging there: what is wrong, by path."""
        return inner_stores(self._place, self._root)

    @property
    def plan(self) -> list[list[str]]:
        """Video ids of each planned shard."""
        return [list(ids) for ids in self._root["plan"]]

    @property
    def expected(self) -> int:
        """How many videos are planned."""
        return sum(map(len, self._root["plan"]))

    @cached_property
    def _markers(self) -> dict[int, dict[str, Any]]:
        if self.kind == "scores":
            return {}
        return {i: marker for i, (_, marker) in self._groups.items()}

    @cached_property
    def _groups(self) -> dict[int, tuple[str, dict[str, Any]]]:
        """The groups of the committed shards and their markers, by index."""
        found = {i: shard_group(self._place, i) for i in range(len(self._root["plan"]))}
        return {i: group for i, group in found.items() if group is not None}

    @property
    def committed(self) -> list[int]:
        """Indices of the shards that are complete."""
        return sorted(self._markers)

    @property
    def complete(self) -> bool:
        """Whether everything planned is there."""
        if self.kind == "scores":
            return self._scores_marker() is not None
        return len(self._markers) == len(self._root["plan"])

    def records_of(self, shard: int) -> list[VideoRecord]:
        return [VideoRecord(**r) for r in self._markers[shard]["videos"]]

    @property
    def videos(self) -> list[VideoRecord]:
        """What became of every video of the committed shards, in plan order."""
        if self.kind == "scores":
            return self._imported_records()
        return [r for i in self.committed for r in self.records_of(i)]

    def shard_digest(self) -> str:
        """A hash over the committed shards, by which derived scores know that they are current."""
        parts = {str(i): self._markers[i]["sha256"] for i in self.committed}
        return hashlib.sha256(canonical(parts).encode()).hexdigest()

    @property
    def vocabulary_ids(self) -> list[str]:
        names = {f.split("/")[1] for f in self._place.files("vocabularies") if f.count("/") > 1}
        return sorted(names)

    @cached_property
    def vocabulary(self) -> Vocabulary | None:
        """The active vocabulary; None in a store of scores or before any was set."""
        name = self._root["vocabulary"]
        if name is None or self.kind == "scores":
            return None
        marker = self._place.attributes(f"vocabularies/{name}") or {}
        audio = self._place.read(f"vocabularies/{name}/audio_text")
        visual = self._place.read(f"vocabularies/{name}/visual_text")
        if not marker.get("committed") or audio is None or visual is None:
            raise DataError(f"the vocabulary of {self.url} is damaged; write it anew with `avreplay embed-text`")
        labels, heard, seen = (tuple(marker[k]) for k in ("labels", "audio_prompts", "visual_prompts"))
        return Vocabulary(labels, heard, seen, audio, visual)

    @property
    def labels(self) -> tuple[str, ...]:
        if self.kind == "scores":
            marker = self._place.attributes(f"vocabularies/{self._root['vocabulary']}") or {}
            return tuple(marker.get("labels", ()))
        return () if self.vocabulary is None else self.vocabulary.labels

    def _scores_marker(self) -> dict[str, Any] | None:
        marker = self._place.attributes(f"vocabularies/{self._root['vocabulary']}/scores")
        return marker if marker and marker.get("committed") else None

    def scores_are_current(self) -> bool:
        """Whether stored scores are there and belong to the shards that are there now."""
        marker = self._scores_marker()
        return marker is not None and (self.kind == "scores" or marker["shards"] == self.shard_digest())

    def shard_arrays(self, shard: int, names: Sequence[str] = SHARD_ARRAYS) -> dict[str, NDArray]:
        """The embeddings of one shard, as stored: all, or only those named."""
        out = {}
        for name in names:
            array = self._place.read(f"{self._groups[shard][0]}/{name}")
            if array is None:
                raise DataError(
                    f"{self.url}/{shard_name(shard)} has lost {name}; delete that folder and run the extraction again"
                )
            out[name] = array
        return out

    def embeddings(self) -> dict[str, NDArray]:
        """All embeddings in bulk, flat over the videos with data, in plan order.

        Keys: those of a shard (:mod:`.schema`), ``window_index`` counting videos over the whole store, and
        ``segments_per_video`` (N,). Raises DataError for a store of scores.
        """
        if self.kind == "scores":
            raise DataError(f"{self.url} holds imported scores and no embeddings")
        shards = [self.shard_arrays(i) for i in self.committed]
        kept = [[r for r in self.records_of(i) if r.has_data] for i in self.committed]
        first = np.cumsum([0, *map(len, kept)])
        out = {k: np.concatenate([s[k] for s in shards]) for k in SHARD_ARRAYS if shards}
        if shards:
            moved = [s["window_index"] + np.array([first[i], 0, 0], np.int32) for i, s in enumerate(shards)]
            out["window_index"] = np.concatenate(moved)
        out["segments_per_video"] = np.array([r.segments for rs in kept for r in rs], np.int64)
        return out

    @property
    def score_sets(self) -> dict[str, dict[str, Any]]:
        """What is declared about each finished score set, by name: ``config``, ``labels``, ``videos`` (how many), and
        ``current``, whether it was made from the shards that are there now."""
        out = {}
        for name in score_set_names(self._place):
            if current_group(self._place, name) is None:
                continue
            marker = score_set_marker(self._place, name)
            digest = "none" if self.kind == "scores" else self.shard_digest()
            out[name] = {
                "config": marker["config"],
                "labels": marker["labels"],
                "videos": len(marker["video_ids"]),
                "current": marker["shards"] == digest,
            }
        return out

    def segment_embeddings(self, modality: str) -> tuple[list[VideoRecord], NDArray]:
        """The videos with data, in plan order, and their segments' embeddings (S, D) of ``audio`` or ``visual``.

        Nothing else is read. Raises DataError for a store of scores, and where an array is lost.
        """
        if self.kind == "scores":
            raise DataError(f"{self.url} holds imported scores and no embeddings")
        records = [r for i in self.committed for r in self.records_of(i) if r.has_data]
        parts = []
        for i in self.committed:
            array = self._place.read(f"{self._groups[i][0]}/{modality}_segments")
            if array is None:
                raise DataError(f"{self.url} has lost the {modality} segments of shard {i}; run the extraction again")
            parts.append(array)
        return records, np.concatenate(parts) if parts else np.zeros((0, self.config["dims"][modality]), np.float32)

    def bundle(self, scores: str | None = None) -> ScoreBundle:
        """The scores of every video with data, for replay: read, or made from the embeddings where none are stored.

        ``scores`` names a score set to read instead.

        Raises
        ------
        DataError
            no vocabulary, damaged arrays
        UsageError
            no score set of this name
        """
        if scores is not None:
            marker = score_set_marker(self._place, scores)
            group = current_group(self._place, scores) or ""
            return read_scores(self._place, group, marker, tuple(marker["labels"]))
        if self.scores_are_current():
            return self._read_scores()
        if self.kind == "scores":
            raise DataError(f"the import into {self.url} was interrupted; run `avreplay import` again")
        if self.vocabulary is None:
            raise DataError(f"{self.url} has no labels yet; give some with `avreplay embed-text`")
        records = [self.records_of(i) for i in self.committed]
        shards = [
            shard_scores(
                self.shard_arrays(i),
                self.vocabulary,
                np.array([r.segments for r in rs if r.has_data], np.int64),
            )
            for i, rs in zip(self.committed, records, strict=True)
        ]
        return join_shards(shards, records, self.vocabulary.labels, float(self.config["segment_seconds"]))

    def _read_scores(self) -> ScoreBundle:
        name = f"vocabularies/{self._root['vocabulary']}/scores"
        return read_scores(self._place, name, self._scores_marker() or {}, self.labels)

    def _imported_records(self) -> list[VideoRecord]:
        marker = self._scores_marker()
        if marker is None:
            return []
        name = f"vocabularies/{self._root['vocabulary']}/scores"
        segments, audio, visual = (
            self._place.read(f"{name}/{a}") for a in ("segments_per_video", "has_audio", "has_visual")
        )
        if segments is None or audio is None or visual is None:
            raise DataError(f"the scores of {self.url} are incomplete; run `avreplay import` again into a new path")
        status = {(True, True): "ok", (False, True): "no_audio", (True, False): "no_video"}
        seconds = marker["segment_seconds"]
        return [
            VideoRecord(v, status.get((bool(a), bool(s)), "failed"), "", int(n), float(n) * seconds)
            for v, n, a, s in zip(marker["video_ids"], segments, audio, visual, strict=True)
        ]


def shard_group(place: Location, index: int) -> tuple[str, dict[str, Any]] | None:
    """Where a shard lies, and its marker: in its place, or beside it if it was about to take it; None if it is not
    committed."""
    name = shard_name(index)
    for group in (name, f"{name}{BESIDE}", name):  # it may move to its place between two looks
        marker = place.attributes(group) or {}
        if marker.get("committed"):
            return group, marker
    return None


def vocabulary_id(vocabulary: Vocabulary) -> str:
    """A name for a vocabulary, from its labels, prompts and text embeddings."""
    digest = hashlib.sha256()
    names = [list(vocabulary.labels), list(vocabulary.audio_prompts), list(vocabulary.visual_prompts)]
    digest.update(canonical({"names": names}).encode())
    for text in (vocabulary.audio_text, vocabulary.visual_text):
        digest.update(np.ascontiguousarray(text, np.float32).tobytes())
    return digest.hexdigest()[:16]


def open_store(url: str | os.PathLike[str]) -> Store:
    """Open a store at a local path or any fsspec URL.

    Raises
    ------
    DataError
        no store there, something else there, a damaged or a newer store
    UsageError
        a URL whose filesystem is unknown or not installed
    """
    return Store(Location(url))
