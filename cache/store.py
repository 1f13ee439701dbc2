"""Reading a store."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

from numpy.typing import NDArray

from ..core.arguments import typed_arguments
from ..core.bundle import ScoreBundle
from ..core.errors import DataError, UsageError
from ..core.pooling import pool_frames, pool_of
from .committed_shards import CommittedShards
from .computed_rows import ComputedRows, cosine_rows, product_rows
from .computed_scores import computed_scores, refuse_two_texts, segment_cosines
from .imports.imported_videos import imported_videos, interrupted_import
from .inner_stores import backbone_name, inner_stores
from .layout.attributes import Marker, ScoresMarker, VocabularyMarker, typed_marker
from .layout.ledger import refuse_exchanged
from .layout.location import Location
from .layout.root import root_attributes
from .layout.schema import VideoRecord, Vocabulary
from .layout.score_arrays import read_scores, stored_content
from .layout.score_rows import ScoreRows
from .layout.vocabulary import read_vocabulary
from .pooled_rows import PooledRows
from .score_blocks import Rows, ScoreBlocks
from .score_sets import declared_score_sets, read_score_set, score_set_rows
from .several import one_place
from .tabular import Tabular


class Store(Tabular):
    """A store opened for reading; it shows every shard that is committed, even if its writer was interrupted.

    Open it with :func:`open_store`.
    """

    @typed_arguments
    def __init__(self, place: Location) -> None:
        self._place = place
        self._root = root_attributes(place)
        self._shards = CommittedShards(place, self._root)

    def __repr__(self) -> str:
        url = self.url if len(self.url) <= 50 else f"…{self.url[-49:]}"
        made_by = backbone_name(self.config) or ("import" if "imported" in self.config else None)
        by = "" if self.kind == "scores" else f" by {str(made_by)[:20]}"
        shards = "" if self.kind == "scores" else f" in {len(self._root['plan'])} shards"
        return f"<Store {url}: {self.kind}{by}, {self.expected} videos{shards}>"  # of the root only: nothing is read

    def columns(self) -> dict[str, list[Any]]:
        """The committed videos: ``video_id``, ``status``, ``segments``, ``seconds``, ``reason``, ``notes``."""
        records = self.videos
        return {
            "video_id": [r.id for r in records],
            "status": [r.status for r in records],
            "segments": [r.segments for r in records],
            "seconds": [r.duration for r in records],
            "reason": [r.reason for r in records],
            "notes": ["; ".join(note.text for note in r.notes) for r in records],
        }

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

    @property
    def subset(self) -> dict[str, Any] | None:
        """What a store that ``avreplay subset`` made is a subset of, and by which criteria; None for any other."""
        found = self._root.get("subset")
        return dict(found) if isinstance(found, dict) else None

    # --- videos ------------------------------------------------------------------------------------------------

    @property
    def plan(self) -> list[list[str]]:
        """Video ids of each planned shard."""
        return [list(ids) for ids in self._root["plan"]]

    @property
    def expected(self) -> int:
        """The number of planned videos."""
        return sum(map(len, self._root["plan"]))

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
            return marker.get("content") or stored_content(self._place, group, ids, self.labels)
        return self._shards.content_hash()

    @property
    def committed(self) -> list[int]:
        """Indices of the shards that are complete, sorted."""
        return self._shards.indices

    @property
    def complete(self) -> bool:
        """Whether every planned shard is committed."""
        if self.kind == "scores":
            return self._scores_marker() is not None
        return len(self._shards.groups) == len(self._root["plan"])

    def records_of(self, shard: int) -> list[VideoRecord]:
        """The records of the videos of a committed shard, in plan order."""
        return self._shards.records(shard)

    @property
    def videos(self) -> list[VideoRecord]:
        """The records of all videos of the committed shards, in plan order."""
        if self.kind == "scores":
            marker = self._scores_marker()
            return [] if marker is None else imported_videos(self._place, self._scores_group, marker)
        return [r for i in self.committed for r in self.records_of(i)]

    def shard_group(self, shard: int) -> tuple[str, dict[str, Any]]:
        """The group of a committed shard, and its marker."""
        return self._shards.groups[shard]

    def shard_markers(self) -> dict[str, dict[str, Any]]:
        """The markers of the committed shards, by group."""
        return dict(self._shards.groups.values())

    def shard_digest(self) -> str:
        """A hash of the committed shards, by which scores derived from them are known to be current."""
        return self._shards.digest()

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
        group = f"vocabularies/{name}"
        return read_vocabulary(self._place, group, self._marker(group, VocabularyMarker), self.config["dims"])

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the active vocabulary or of the imported scores; empty before any are set."""
        if self.kind == "scores":
            marker = self._marker(f"vocabularies/{self._root['vocabulary']}", VocabularyMarker)
            return () if marker is None else tuple(marker["labels"])
        return () if self.vocabulary is None else self.vocabulary.labels

    def text_mend(self) -> str:
        """What gives the store text embeddings of labels, in words."""
        if "imported" in self.config and backbone_name(self.config) is None:
            return (
                "its embeddings were imported without their encoder: name text in [embeddings.text] of the mapping "
                "(backbone, or path and labels) and import again"
            )
        return "give some with `avreplay embed-text`"

    def _needed_vocabulary(self) -> Vocabulary:
        if self.vocabulary is None:
            raise DataError(f"{self.url} has no labels yet; {self.text_mend()}")
        return self.vocabulary

    # --- embeddings --------------------------------------------------------------------------------------------

    def shard_arrays(self, shard: int, names: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
        """The embeddings of one shard as they are stored, by name: all arrays, or those of ``names``.

        Raises: DataError where an array is missing or damaged.
        """
        return self._shards.arrays(shard, names)

    def embeddings(self) -> dict[str, NDArray[Any]]:
        """All embeddings in bulk, flat over the videos with data, in plan order.

        Keys: the arrays of a shard (:mod:`.layout.schema`), with ``window_index`` counting videos over the whole store,
        and ``segments_per_video`` (N,) int64.

        Raises: DataError for a store of scores, and where an array is missing or damaged.
        """
        self._refuse_scores()
        return self._shards.embeddings()

    def segment_embeddings(self, modality: str) -> tuple[list[VideoRecord], NDArray[Any]]:
        """The videos with data, in plan order, and the embeddings (S, D) of their segments; nothing else is read.

        ``modality`` is ``audio`` or ``visual``.

        Raises: DataError for a store of scores, and where an array is missing or damaged.
        """
        self._refuse_scores()
        return self._shards.segment_embeddings(modality)

    def _refuse_scores(self) -> None:
        if self.kind == "scores":
            raise DataError(f"{self.url} holds imported scores and no embeddings; give the store of an extraction")

    # --- scores ------------------------------------------------------------------------------------------------

    def bundle(self, scores: str | None = None) -> ScoreBundle:
        """The scores of every video with data, for replay: read, or computed from the embeddings if none are stored.

        ``scores`` names a score set to read instead, or is ``pool:RULE``: the scores of frames of sound pooled to those
        of segments (:mod:`avreplay.core.pooling`).

        Raises
        ------
        DataError
            no vocabulary, damaged arrays, no scores of frames to pool
        UsageError
            no score set of this name, no such rule
        """
        pool = pool_of(scores)
        if pool is not None:
            return pool_frames(self.bundle(), pool)
        if scores is not None:
            return read_score_set(self._place, scores)
        marker = self._current_scores()
        if marker is None:
            return self.computed_bundle()
        return read_scores(self._place, self._scores_group, marker, self.labels)

    def computed_bundle(self) -> ScoreBundle:
        """The scores of every video with data, computed from the embeddings and the active vocabulary.

        Raises: DataError for a store without a vocabulary, or with damaged arrays.
        """
        shards = ((self.records_of(i), self.shard_arrays(i)) for i in self.committed)
        return computed_scores(shards, self._needed_vocabulary(), float(self.config["segment_seconds"]))

    def computed_rows(self) -> ComputedRows:
        """As :meth:`computed_bundle`, of which the scores of some videos are computed."""
        return product_rows(self._shards, self._needed_vocabulary(), float(self.config["segment_seconds"]))

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
        names = ("audio_segments", "visual_segments")
        shards = ((self.records_of(i), self.shard_arrays(i, names)) for i in self.committed)
        return segment_cosines(shards, self._needed_vocabulary(), self.config, self.url, fused=fused)

    def score_blocks(
        self,
        scores: str | None = None,
        *,
        similarity: Literal["scores", "cosine"] = "scores",
        fused: bool = False,
        memory: int | None = None,
    ) -> ScoreBlocks:
        """The scores of every video with data in blocks, of which few are in memory at once.

        The blocks joined are bit for bit :meth:`bundle` of ``scores``, or with ``cosine`` :meth:`cosines`.

        Parameters
        ----------
        scores : the name of a score set, or ``pool:RULE``; ``similarity`` and ``fused`` then do not matter
        similarity : ``scores``: as they are stored, or computed from the embeddings; ``cosine``: cosines
        fused : with ``cosine``, see :meth:`cosines`
        memory : bytes that all blocks alive at once take at most; None for 1 GiB

        Raises
        ------
        DataError
            no vocabulary, damaged arrays, ``fused`` where audio and pictures do not share an embedding space
        UsageError
            no score set of this name, another similarity, bytes that are not positive
        """
        if similarity not in ("scores", "cosine"):
            raise UsageError(f"similarity is {similarity!r}; it must be scores or cosine")
        return ScoreBlocks(self._score_rows(scores, similarity == "cosine", fused), memory)

    def _score_rows(self, scores: str | None, cosine: bool, fused: bool) -> Rows:
        pool = pool_of(scores)
        if pool is not None:
            return PooledRows(self._score_rows(None, False, False), pool)
        if scores is not None:
            return score_set_rows(self._place, scores)
        if cosine and self.kind != "scores":
            vocabulary = self._needed_vocabulary()
            if fused:
                refuse_two_texts(vocabulary, self.url)
            seconds = float(self.config["segment_seconds"])
            return cosine_rows(self._shards, vocabulary, seconds, self.config["dims"], fused=fused)
        marker = self._current_scores()
        if marker is None:
            return self.computed_rows()
        return ScoreRows(self._place, self._scores_group, marker, self.labels)

    def _current_scores(self) -> dict[str, Any] | None:
        """The marker of the scores that are stored; None where there are none of the shards that are committed now.

        Raises: DataError where an import of scores was interrupted.
        """
        marker = self._scores_marker()
        if marker is not None and self._is_current(marker):
            return marker
        if self.kind == "scores":
            raise interrupted_import(self.url)
        return None

    @property
    def _scores_group(self) -> str:
        return f"vocabularies/{self._root['vocabulary']}/scores"

    def _scores_marker(self) -> dict[str, Any] | None:
        return self._marker(self._scores_group, ScoresMarker)

    def scores_are_current(self) -> bool:
        """Whether scores are stored, and were computed from the shards that are committed now."""
        marker = self._scores_marker()
        return marker is not None and self._is_current(marker)

    def _is_current(self, marker: Mapping[str, Any]) -> bool:
        return self.kind == "scores" or bool(marker["shards"] == self.shard_digest())

    @property
    def score_sets(self) -> dict[str, dict[str, Any]]:
        """The declaration of each finished score set, by name.

        ``config`` and ``labels`` as they were given, ``videos`` (their number), and ``current``: whether it was made
        from the shards that are committed now.
        """
        return declared_score_sets(self._place, "none" if self.kind == "scores" else self.shard_digest())

    # --- inner stores ------------------------------------------------------------------------------------------

    @property
    def backbones(self) -> dict[str, str]:
        """The URLs of the stores inside this one, which hold its videos' embeddings by other backbones, by backbone."""
        return self.inner()[0]

    def inner(self) -> tuple[dict[str, str], dict[str, str]]:
        """:attr:`backbones`, and the problem of everything else in their folder, by path."""
        return inner_stores(self._place, self._root)


@typed_arguments
def open_store(url: str | os.PathLike[str]) -> Store:
    """Open a store at a local path or any fsspec URL.

    Raises
    ------
    DataError
        no store there, something else there, a damaged or a newer store
    UsageError
        a URL whose filesystem is unknown or not installed, a pattern or list of stores (:func:`open_stores`)
    """
    return Store(one_place(url))
