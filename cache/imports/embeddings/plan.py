"""What an import of embeddings is to do: where the arrays of each modality lie and what becomes of their axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..mapping import IdEntry, ListEntry

MODALITIES = ("audio", "visual")
POOLS = ("mean", "max", "first", "middle")
LENGTHS = ("near", "longest", "shortest")
BEGINS = ("zero", "first")
NORMS = ("none", "l2")
DTYPES = ("float32", "float16")
ARRAY_SUFFIXES = (".npy", ".npz", ".h5", ".hdf5", ".hdf", ".safetensors", ".pt", ".pth", ".parquet", ".pq")
"""Of the files that arrays are read from."""


@dataclass(frozen=True)
class Where:
    """Where an array lies.

    path : relative to SOURCE; with ``{id}`` there is one file (``{start}``, ``{end}`` or ``{segment}`` too: several) a
        video; None: SOURCE itself
    key : of the array in the file; with ``{id}`` the file has one a video; None: its only one
    """

    path: str | None
    key: str | None

    @property
    def per_video(self) -> bool:
        """Whether there is one array a video."""
        return "{id}" in (self.path or "") or "{id}" in (self.key or "")

    @property
    def is_table(self) -> bool:
        """Whether it is a column of a Parquet file."""
        return (self.path or "").lower().endswith((".parquet", ".pq"))

    def declared(self) -> dict[str, Any]:
        return {"path": self.path, "key": self.key}


@dataclass(frozen=True)
class ArrayPlan:
    """An array, its axes in order and what becomes of those that a store does not have (a pool or an index).

    begins : where several files a video begin: ``zero``, or ``first``, with the first of them
    """

    where: Where
    axes: tuple[str, ...]
    pool: Mapping[str, str | int]
    begins: str = "zero"

    def declared(self) -> dict[str, Any]:
        found = {**self.where.declared(), "axes": list(self.axes), "pool": dict(self.pool)}
        return found if self.begins == "zero" else {**found, "begins": self.begins}


@dataclass(frozen=True)
class ModalityPlan:
    """The embeddings of one modality.

    per_segment, seconds : of the embeddings a segment has, or how long one is; one of them
    segment_pool : what several embeddings of a segment become
    clip : the embedding of the whole clip; None: it is pooled of the segments
    """

    name: str
    array: ArrayPlan
    per_segment: int | None
    seconds: float | None
    segment_pool: str
    normalise: str
    scale: float
    clip: ArrayPlan | None

    def declared(self) -> dict[str, Any]:
        return {
            **self.array.declared(), "per_segment": self.per_segment, "seconds": self.seconds,
            "segment_pool": self.segment_pool, "normalise": self.normalise, "scale": self.scale,
            "clip": None if self.clip is None else self.clip.declared(),
        }  # fmt: skip


@dataclass(frozen=True)
class ListPlan:
    """A list of names: lines of a text file, a column of a table, or an array of text."""

    where: Where
    column: str | None
    separator: str

    @property
    def is_table(self) -> bool:
        """Whether it is a column of a Parquet file."""
        return self.where.is_table


@dataclass(frozen=True)
class IdsPlan:
    """The ids in the order of the arrays, those to keep, and how to rename them; without a list, those of the files."""

    listed: ListPlan | None = None
    rows: Where | None = None
    keep: ListPlan | None = None
    renaming: IdEntry = field(default_factory=lambda: IdEntry(ListEntry()))


@dataclass(frozen=True)
class TextPlan:
    """Text embeddings of labels: of an installed backbone, or of arrays."""

    backbone: str | None
    options: Mapping[str, Any]
    labels: str | None
    arrays: Mapping[str, Where]
    normalise: str
    scale: float


@dataclass(frozen=True)
class EmbeddingsMapping:
    """The table ``[embeddings]`` of a mapping file, checked."""

    path: Path
    modalities: Mapping[str, ModalityPlan]
    ids: IdsPlan
    text: TextPlan | None
    segment_seconds: float
    segments: int | Where | None
    lengths: str
    clip: str
    dtype: str

    def other_files(self) -> set[str]:
        """Paths that are of no video, whatever pattern they match: of text, lists and lengths."""
        listed = [self.ids.listed, self.ids.keep]
        wheres = [*(entry.where for entry in listed if entry is not None), self.ids.rows, self.segments]
        text = [] if self.text is None else [*self.text.arrays.values(), Where(self.text.labels, None)]
        return {w.path for w in [*wheres, *text] if isinstance(w, Where) and w.path is not None}

    def declared(self) -> dict[str, Any]:
        """What embeddings depend on, as JSON values."""
        segments = self.segments.declared() if isinstance(self.segments, Where) else self.segments
        return {
            **{name: None for name in MODALITIES if name not in self.modalities},
            **{name: plan.declared() for name, plan in self.modalities.items()},
            "segments": segments, "lengths": self.lengths, "clip": self.clip,
        }  # fmt: skip


def made_most(count: int) -> int:
    """How many segments may be made of as many embeddings: no more memory than the file pays for."""
    return 100 * count + 1000
