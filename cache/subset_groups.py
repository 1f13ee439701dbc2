"""The groups of a store restricted to some of its videos, written into a subset of it (:mod:`.subset`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..core.errors import DataError
from .chosen_rows import ChosenRows
from .layout.attributes import (
    Marker,
    ReferenceMarker,
    ScoreSetMarker,
    ScoresMarker,
    VocabularyMarker,
    typed_marker,
)
from .layout.fingerprint import vocabulary_id
from .layout.ledger import refuse_exchanged
from .layout.location import Location
from .layout.root import root_attributes
from .layout.schema import REFERENCE_GROUP, VideoEmbeddings, VideoRecord
from .layout.score_rows import ScoreRows
from .layout.vocabulary import read_vocabulary, write_vocabulary
from .reference import REFERENCE_ARRAYS, write_reference
from .score_set_writer import put_score_rows
from .score_sets import current_group
from .store import Store
from .stored_embeddings import stored_embeddings
from .write_rows import Columns, write_rows
from .writer import StoreWriter


class Groups:
    """Writes the groups of a subset that are not there yet; what its source holds is compared with its hashes first.

    source, place, root, records : the store, where the subset lies, its root, and its videos in order
    memory : scores of more bytes are written block by block
    """

    def __init__(
        self,
        source: Store,
        place: Location,
        root: dict[str, Any],
        records: Sequence[VideoRecord],
        memory: int,
    ) -> None:
        self._source = source
        self._from = Location(source.url)
        self._from_root = root_attributes(self._from)
        self._place = place
        self._root = root
        self._records = records
        self._memory = memory

    def _marker(self, group: str, schema: type[Marker]) -> dict[str, Any] | None:
        """The marker of a group of the source whose files are those that were written; None where there is none."""
        marker = typed_marker(self._from, group, schema)
        if marker is None:
            return None
        refuse_exchanged(self._from, self._from_root, group, marker)
        self._refuse_damaged(group, marker)
        return marker

    def _refuse_damaged(self, group: str, marker: Mapping[str, Any]) -> None:
        hashes = {f"{group}/{inside}": digest for inside, digest in marker["sha256"].items()}
        try:
            found = self._from.sha256_of(hashes)
        except (DataError, OSError):
            found = {}
        other = next((name for name, digest in hashes.items() if found.get(name) != digest), None)
        if other is not None:
            raise DataError(
                f"{self._from.url}/{other} is not what was written there, and is not copied; "
                f"`avreplay verify {self._from.url}` says what to do"
            )

    # --- embeddings --------------------------------------------------------------------------------------------

    def shards(self) -> None:
        """Write the shards, one after the other."""
        writer = StoreWriter(self._place, self._root, None, None)
        pending = writer.pending()
        of = {record.id: record for record in self._records}
        at = {record.id: k for k in self._source.committed for record in self._source.records_of(k)} if pending else {}
        last: tuple[int, dict[str, VideoEmbeddings]] = (-1, {})
        wanted = {id for _, ids in pending for id in ids}
        for index, ids in pending:
            found: dict[str, VideoEmbeddings] = {}
            for shard in sorted({at[id] for id in ids}):
                if shard != last[0]:
                    last = shard, self._embeddings(shard, wanted)
                found.update({id: last[1][id] for id in ids if id in last[1]})
            writer.write_shard(index, [(of[id], found.get(id)) for id in ids])

    def _embeddings(self, shard: int, ids: set[str]) -> dict[str, VideoEmbeddings]:
        """The embeddings of some videos of a shard of the source. Raises: DataError where it is damaged."""
        group, marker = self._source.shard_group(shard)
        self._refuse_damaged(group, marker)
        return stored_embeddings(self._source, shard, ids)

    def reference(self) -> None:
        """Write the reference rows, if the source has any."""
        marker = self._marker(REFERENCE_GROUP, ReferenceMarker)
        if marker is None or self._place.marker(REFERENCE_GROUP) is not None:
            return
        found = {name: self._from.read(f"{REFERENCE_GROUP}/{name}") for name in REFERENCE_ARRAYS}
        rows = {name: array for name, array in found.items() if array is not None}
        write_reference(self._place, marker["prompts"], rows, marker.get("made_with"))

    # --- labels and scores -------------------------------------------------------------------------------------

    def vocabularies(self) -> None:
        """Write the vocabularies, and those of their scores that are of the source as it is now."""
        source = self._source
        for name in source.vocabulary_ids:
            group = f"vocabularies/{name}"
            marker = self._marker(group, VocabularyMarker)
            if marker is None:
                continue
            if self._place.marker(group) is None:
                self._vocabulary(name, group, marker)
            rows = self._scores(name, group, marker["labels"])
            if rows is not None and self._place.marker(f"{group}/scores") is None:
                shards = {"shards": self._digest()}
                write_rows(self._place, f"{group}/scores", self._restricted(rows), shards, memory=self._memory)

    def _vocabulary(self, name: str, group: str, marker: dict[str, Any]) -> None:
        if self._source.kind == "scores":
            with self._place.replacing(group):
                labels = {key: marker[key] for key in ("committed", "labels", "audio_prompts", "visual_prompts")}
                self._place.set_attributes(group, {**labels, "sha256": {}})
            return
        vocabulary = read_vocabulary(self._from, group, marker, self._source.config["dims"])
        if vocabulary_id(vocabulary) != name:
            raise DataError(
                f"{self._from.url}/{group} does not hold the vocabulary of its name; "
                f"`avreplay verify {self._from.url}` says what to do"
            )
        write_vocabulary(self._place, group, vocabulary)

    def _scores(self, name: str, group: str, labels: Sequence[str]) -> Columns | None:
        """The scores of a vocabulary of the source: as they are stored, or, of the active one, computed."""
        marker = self._marker(f"{group}/scores", ScoresMarker)
        if marker is not None and (self._source.kind == "scores" or marker["shards"] == self._source.shard_digest()):
            return ScoreRows(self._from, f"{group}/scores", marker, labels)
        return self._source.computed_rows() if name == self._source.vocabulary_id else None

    def score_sets(self) -> Iterator[str]:
        """Write the score sets; sentences on those that have none of the videos."""
        for name, declared in self._source.score_sets.items():
            group = current_group(self._from, name)
            marker = None if group is None else self._marker(group, ScoreSetMarker)
            if group is None or marker is None:
                continue
            rows = self._restricted(ScoreRows(self._from, group, marker, marker["labels"]))
            if not rows.video_ids:
                yield f"left out: the score set {name} of {self._source.url} has none of these videos"
            elif current_group(self._place, name) is None:
                # one that is of earlier shards of the source is not made current by copying it
                shards = self._digest() if declared["current"] else str(marker["shards"])
                put_score_rows(self._place, name, rows, marker["config"], shards, self._memory)

    def _restricted(self, rows: Columns) -> ChosenRows:
        at = {id: i for i, id in enumerate(rows.video_ids)}
        return ChosenRows(rows, [at[record.id] for record in self._records if record.id in at])

    def _digest(self) -> str:
        """The digest of the shards of the subset."""
        return "none" if self._source.kind == "scores" else Store(self._place).shard_digest()
