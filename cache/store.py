"""Reading a store."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.bundle import ScoreBundle
from ..core.errors import DataError
from .inner_stores import backbone_name, inner_stores
from .join_shards import join_arrays, join_scores
from .layout.attributes import Marker, ScoresMarker, VocabularyMarker, typed_marker
from .layout.fingerprint import canonical
from .layout.ledger import refuse_exchanged
from .layout.location import Location
from .layout.root import root_attributes
from .layout.schema import STAGING_SUFFIX, VideoRecord, Vocabulary, shard_name
from .layout.score_arrays import VIDEO_ARRAYS, read_score_arrays, read_scores, scores_content
from .layout.shards import SHARD_ARRAYS, refuse_unfitting, shard_content, shard_group
from .score_sets import declared_score_sets, read_score_set
from .similarity import shard_cosines, shard_products


class Store:
    """A store opened for reading; it shows every shard that is committed, even if its writer was interrupted.

    Open it with :func:`open_store`.
    """

    def __init__(self, place: Location) -> None:
        self._place = place
        self._root = root_attributes(place)

    def __repr__(self) -> str:
        url = self.url if len(self.url) <= 50 else f"…{self.url[-49:]}"
        by = "" if self.kind == "scores" else f" by {str(backbone_name(self.config))[:20]}"
        shards = "" if self.kind == "scores" else f" in {len(self._root['plan'])} shards"
        return f"<Store {url}: {self.kind}{by}, {self.expected} videos{shards}>"  # of the root only: nothing is read

    @property
    def url(self) -> str:
        """The path or URL of the store, as it was given."""
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
        """sha256 of the declared configuration, in hex."""
        return str(self._root["fingerprint"])

    @property
    def schema_version(self) -> int:
        """The version of the layout that the store was written in."""
        return int(self._root["schema_version"])

    # --- videos ------------------------------------------------------------------------------------------------

    @property
    def plan(self) -> list[list[str]]:
        """Video ids of each planned shard."""
        return [list(ids) for ids in self._root["plan"]]

    @property
    def expected(self) -> int:
        """The number of planned videos."""
        return sum(map(len, self._root["plan"]))

    @cached_property
    def _groups(self) -> dict[int, tuple[str, dict[str, Any]]]:
        """The groups of the committed shards and their markers, by index."""
        if self.kind == "scores":
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

    def _marker(self, group: str, schema: type[Marker]) -> dict[str, Any] | None:
        """The marker of a committed group other than a shard, None where there is none."""
        marker = typed_marker(self._place, group, schema)
        if marker is not None:
            refuse_exchanged(self._place, self._root, group, marker)
        return marker

    @cached_property
    def content_hash(self) -> str | None:
        """sha256 of the values of the store, in hex: of the ids and embeddings of the committed shards, or of imported
        scores with their labels; None in a store of scores whose import was interrupted.

        It does not depend on how the values are chunked or which version of zarr wrote them. A store of version 1 has
        none, so that all its arrays are read.

        Raises: DataError where a group or, in version 1, an array is damaged.
        """
        if self.kind == "scores":
            marker = self._scores_marker()
            if marker is None:
                return None
            ids, group = marker["video_ids"], self._scores_group
            return marker.get("content") or scores_content(ids, self.labels, read_score_arrays(self._place, group))
        parts = {}
        for i, (_, marker) in sorted(self._groups.items()):
            ids = [record["id"] for record in marker["videos"]]
            parts[str(i)] = marker.get("content") or shard_content(ids, self.shard_arrays(i))
        return hashlib.sha256(canonical(parts).encode()).hexdigest()

    @property
    def committed(self) -> list[int]:
        """Indices of the shards that are complete, sorted."""
        return sorted(self._groups)

    @property
    def complete(self) -> bool:
        """Whether every planned shard is committed."""
        if self.kind == "scores":
            return self._scores_marker() is not None
        return len(self._groups) == len(self._root["plan"])

    def records_of(self, shard: int) -> list[VideoRecord]:
        """The records of the videos of a committed shard, in plan order."""
        return [VideoRecord.from_dict(r) for r in self._groups[shard][1]["videos"]]

    @property
    def videos(self) -> list[VideoRecord]:
        """The records of all videos of the committed shards, in plan order."""
        if self.kind == "scores":
            return self._imported_records()
        return [r for i in self.committed for r in self.records_of(i)]

    def shard_markers(self) -> dict[str, dict[str, Any]]:
        """The markers of the committed shards, by group."""
        return dict(self._groups.values())

    def shard_digest(self) -> str:
        """A hash of the committed shards, by which scores derived from them are known to be current."""
        parts = {str(i): self._groups[i][1]["sha256"] for i in self.committed}
        return hashlib.sha256(canonical(parts).encode()).hexdigest()

    # --- labels ------------------------------------------------------------------------------------------------

    @property
    def vocabulary_ids(self) -> list[str]:
        """The ids of all vocabularies in the store, sorted; one of them is active."""
        names = {f.split("/")[1] for f in self._place.files("vocabularies") if f.count("/") > 1}
        return sorted(names)

    @property
    def vocabulary_id(self) -> str | None:
        """The id of the active vocabulary; None before one is set."""
        found = self._root["vocabulary"]
        return None if found is None else str(found)

    @cached_property
    def vocabulary(self) -> Vocabulary | None:
        """The active vocabulary; None in a store of scores, or before one is set. Raises DataError if it is damaged."""
        name = self._root["vocabulary"]
        if name is None or self.kind == "scores":
            return None
        marker = self._marker(f"vocabularies/{name}", VocabularyMarker)
        texts = self._place.read_arrays([f"vocabularies/{name}/{text}" for text in ("audio_text", "visual_text")])
        audio, visual = texts.values()
        if marker is None or audio is None or visual is None:
            raise DataError(f"the vocabulary of {self.url} is damaged; write it again with `avreplay embed-text`")
        labels, audio_prompts, visual_prompts = (
            tuple(marker[k]) for k in ("labels", "audio_prompts", "visual_prompts")
        )
        dims = self.config["dims"]
        wanted = [(len(labels), dims["audio"]), (len(labels), dims["visual"])]
        if [audio.shape, visual.shape] != wanted or {audio.dtype, visual.dtype} != {np.dtype(np.float32)}:
            raise DataError(
                f"the text embeddings of {self.url} have the shapes {audio.shape} and {visual.shape}, and its labels "
                f"need {wanted[0]} and {wanted[1]} of float32; write them again with `avreplay embed-text`"
            )
        return Vocabulary(labels, audio_prompts, visual_prompts, audio, visual)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the active vocabulary or of the imported scores; empty before any are set."""
        if self.kind == "scores":
            marker = self._marker(f"vocabularies/{self._root['vocabulary']}", VocabularyMarker)
            return () if marker is None else tuple(marker["labels"])
        return () if self.vocabulary is None else self.vocabulary.labels

    def _needed_vocabulary(self) -> Vocabulary:
        if self.vocabulary is None:
            raise DataError(f"{self.url} has no labels yet; give some with `avreplay embed-text`")
        return self.vocabulary

    # --- embeddings --------------------------------------------------------------------------------------------

    def shard_arrays(self, shard: int, names: Sequence[str] = SHARD_ARRAYS) -> dict[str, NDArray[Any]]:
        """The embeddings of one shard as they are stored, by name: all arrays, or those of ``names``.

        Raises: DataError where an array is missing or damaged.
        """
        out: dict[str, NDArray[Any]] = {}
        group = self._groups[shard][0]
        found = self._place.read_arrays([f"{group}/{name}" for name in names])
        for name in names:
            array = found[f"{group}/{name}"]
            if array is None:
                raise DataError(
                    f"{self.url}/{shard_name(shard)} has lost {name}; delete that folder and run the extraction again"
                )
            out[name] = array
        refuse_unfitting(out, self.records_of(shard), self.config, f"{self.url}/{self._groups[shard][0]}")
        return out

    def embeddings(self) -> dict[str, NDArray[Any]]:
        """All embeddings in bulk, flat over the videos with data, in plan order.

        Keys: the arrays of a shard (:mod:`.layout.schema`), with ``window_index`` counting videos over the whole store,
        and ``segments_per_video`` (N,) int64.

        Raises: DataError for a store of scores, and where an array is missing or damaged.
        """
        self._refuse_scores()
        records = [self.records_of(i) for i in self.committed]
        out = join_arrays([self.shard_arrays(i) for i in self.committed], records)
        out["segments_per_video"] = np.array([r.segments for rs in records for r in rs if r.has_data], np.int64)
        return out

    def segment_embeddings(self, modality: str) -> tuple[list[VideoRecord], NDArray[Any]]:
        """The videos with data, in plan order, and the embeddings (S, D) of their segments; nothing else is read.

        ``modality`` is ``audio`` or ``visual``.

        Raises: DataError for a store of scores, and where an array is missing or damaged.
        """
        self._refuse_scores()
        name = f"{modality}_segments"
        parts = [self.shard_arrays(i, (name,))[name] for i in self.committed]
        records = [r for i in self.committed for r in self.records_of(i) if r.has_data]
        return records, np.concatenate(parts) if parts else np.zeros((0, self.config["dims"][modality]), np.float32)

    def _refuse_scores(self) -> None:
        if self.kind == "scores":
            raise DataError(f"{self.url} holds imported scores and no embeddings; give the store of an extraction")

    # --- scores ------------------------------------------------------------------------------------------------

    def bundle(self, scores: str | None = None) -> ScoreBundle:
        """The scores of every video with data, for replay: read, or computed from the embeddings if none are stored.

        ``scores`` names a score set to read instead.

        Raises
        ------
        DataError
            no vocabulary, damaged arrays
        UsageError
            no score set of this name
        """
        if scores is not None:
            return read_score_set(self._place, scores)
        marker = self._scores_marker()
        if marker is not None and self.scores_are_current():
            return read_scores(self._place, self._scores_group, marker, self.labels)
        if self.kind == "scores":
            raise DataError(f"the import into {self.url} was interrupted; run `avreplay import` again")
        return self.computed_bundle()

    def computed_bundle(self) -> ScoreBundle:
        """The scores of every video with data, computed from the embeddings and the active vocabulary.

        Raises: DataError for a store without a vocabulary, or with damaged arrays.
        """
        vocabulary = self._needed_vocabulary()
        records = [self.records_of(i) for i in self.committed]
        shards: list[dict[str, NDArray[Any]]] = []
        for i, rs in zip(self.committed, records, strict=True):
            arrays = self.shard_arrays(i)
            segments = np.array([r.segments for r in rs if r.has_data], np.int64)
            shards.append({**shard_products(arrays, vocabulary, segments), "window_index": arrays["window_index"]})
        return join_scores(shards, records, vocabulary.labels, float(self.config["segment_seconds"]))

    def cosines(self, *, fused: bool = False) -> ScoreBundle:
        """Cosines of every segment with every text, as a score bundle of segment arrays only (Eq. 1 of OV-AVEL).

        A store of imported scores gives those scores as they are.

        Parameters
        ----------
        fused : also ``audio_visual_segments``, the cosine of the mean of the audio and the visual embedding, as they
            are stored (ImageBind's audio has norm 20 and its pictures norm 1); needs one text embedding for both

        Raises
        ------
        DataError
            no vocabulary, damaged arrays, ``fused`` where audio and pictures do not share an embedding space
        """
        if self.kind == "scores":
            return self.bundle()
        vocabulary = self._needed_vocabulary()
        if fused and not np.array_equal(vocabulary.audio_text, vocabulary.visual_text):
            raise DataError(
                f"{self.url} embeds the labels differently for sound and for pictures, so their features have no mean, "
                "which fusion=fea_avg needs; choose another fusion"
            )
        names = ("audio_segments", "visual_segments")
        rows = [[np.zeros((0, self.config["dims"][k])) for k in ("audio", "visual")]]  # arrays even without any shard
        rows += [list(self.shard_arrays(i, names).values()) for i in self.committed]
        shards = [shard_cosines(audio, visual, vocabulary, fused=fused) for audio, visual in rows]
        records = [[], *(self.records_of(i) for i in self.committed)]
        return join_scores(shards, records, vocabulary.labels, float(self.config["segment_seconds"]))

    @property
    def _scores_group(self) -> str:
        return f"vocabularies/{self._root['vocabulary']}/scores"

    def _scores_marker(self) -> dict[str, Any] | None:
        return self._marker(self._scores_group, ScoresMarker)

    def scores_are_current(self) -> bool:
        """Whether scores are stored, and were computed from the shards that are committed now."""
        marker = self._scores_marker()
        return marker is not None and (self.kind == "scores" or marker["shards"] == self.shard_digest())

    @property
    def score_sets(self) -> dict[str, dict[str, Any]]:
        """The declaration of each finished score set, by name.

        ``config`` and ``labels`` as they were given, ``videos`` (their number), and ``current``: whether it was made
        from the shards that are committed now.
        """
        return declared_score_sets(self._place, "none" if self.kind == "scores" else self.shard_digest())

    def _imported_records(self) -> list[VideoRecord]:
        marker = self._scores_marker()
        if marker is None:
            return []
        segments, audio, visual = self._place.read_arrays([f"{self._scores_group}/{a}" for a in VIDEO_ARRAYS]).values()
        if segments is None or audio is None or visual is None:
            raise DataError(f"the scores of {self.url} are incomplete; run `avreplay import` again into a new path")
        status = {(True, True): "ok", (False, True): "no_audio", (True, False): "no_video"}
        seconds = marker["segment_seconds"]
        count = (len(marker["video_ids"]),)
        if any(a.shape != count for a in (segments, audio, visual)) or (count[0] and segments.min() < 0):
            raise DataError(
                f"the scores of {self.url} are damaged: {' and '.join(VIDEO_ARRAYS)} do not fit its {count[0]} videos; "
                "import them again into a new path"
            )
        return [
            VideoRecord(v, status.get((bool(a), bool(s)), "failed"), "", int(n), float(n) * seconds)
            for v, n, a, s in zip(marker["video_ids"], segments, audio, visual, strict=True)
        ]

    # --- inner stores ------------------------------------------------------------------------------------------

    @property
    def backbones(self) -> dict[str, str]:
        """The URLs of the stores inside this one, which hold its videos' embeddings by other backbones, by backbone."""
        return self.inner()[0]

    def inner(self) -> tuple[dict[str, str], dict[str, str]]:
        """:attr:`backbones`, and the problem of everything else in their folder, by path."""
        return inner_stores(self._place, self._root)


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
