"""OV-AVEBench: one category a video, ten labelled seconds, test videos of classes seen and unseen in training."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec
import numpy as np

from ...cache.reading.collection import no_collection
from ...cache.reading.csv_file import read_table
from ...cache.reading.files import MIB, named
from ...cache.reading.gzip_file import or_packed, plain_name
from ...cache.reading.json_file import parse_json, read_json_as
from ...cache.reading.names import Name, checked_name
from ...cache.reading.schema import checked
from ...core.errors import DataError, UsageError, shown
from ...core.events import Events
from ...core.labels import LabelIndex
from ..paper import ovavel_name, paper_tables
from .annotations import Annotations
from .base import Dataset, PaperRow

UNSEEN = (
    "baby laughter", "basketball bounce", "bird chirping", "chainsawing trees", "chicken crowing",
    "church bell ringing", "dog barking", "driving buses", "electric shaver", "female singing", "goose honking",
    "helicopter", "lions roaring", "people clapping", "playing bassoon", "playing drum kit", "playing electric guitar",
    "playing piano", "playing saxophone", "train horning", "vacuum cleaner cleaning floors",
)  # fmt: skip
SEEN = (
    "airplane flyby", "ambulance siren", "arc welding", "bowling impact", "cat purring", "cattle mooing",
    "child singing", "child speech", "cricket chirping", "crow cawing", "engine accelerating", "female speech",
    "fire truck siren", "fireworks banging", "frog croaking", "gibbon howling", "horse clip-clop", "missile launch",
    "motorboat", "mynah bird singing", "ocean burbling", "people booing", "people burping", "people cheering",
    "people crowd", "people sniggering", "people whistling", "playing acoustic guitar", "playing banjo",
    "playing bass drum", "playing bass guitar", "playing cymbal", "playing glockenspiel", "playing harp",
    "playing mandolin", "playing sitar", "playing synthesizer", "playing violin", "race car", "roller coaster running",
    "singing bowl", "slot machine", "turkey gobbling", "typing on typewriter", "volcano explosion",
    "woodpecker pecking tree",
)  # fmt: skip
OTHER = "other"

TRAIN_LABELS = (*SEEN, OTHER)
"""The 47 texts of training: the 46 seen classes in alphabetical order, then `other`."""

LABELS = (*sorted(SEEN + UNSEEN), OTHER)
"""The 68 texts of evaluation: all 67 classes in alphabetical order, then `other`."""

SEGMENTS = 10
SUBSETS = {"train_25": "0.25", "train_50": "0.5", "train_75": "0.75"}
SPLITS = ("train", "val", "test", *SUBSETS)

_MOST = 64 * MIB
META_FILE = "ovave_dataset_meta.csv"
RATIO_FILE = "ovave_trainratio{}_meta.csv"
JSON_FILES = ("released_ovavel_dataset_anno.json", "ovavel_dataset_anno.json")
COMPACT_FILES = ("ovavebench.csv.gz", "ovavebench.csv")
SUBSET_FILES = ("train_subsets.csv.gz", "train_subsets.csv")

RELEASED, EARLIER, UNKNOWN = "released", "earlier", "unknown"
_REVISIONS = {
    "421e0f8c6735dfa2841de90b74c22bf88ccf9c07b02a6cc33c347c00804cdafc": RELEASED,
    "889612ffeca31e7339215e3dffe97db8646ea5a24e9c23c7ed1e660ef2fd76ef": RELEASED,
    "4e24c03908e83a95eb3eec620753da5da48e0ed936c65c6d57d427652fde06e0": RELEASED,
    "f040d8af710d0de680ecd2baf4257f63ae3bc08b75ca3d2bc4e3c863ab39e9b2": EARLIER,
    "e03d6f0c14f0ab367e242b33b2cdffcdda294a4c85323c3922cf4af531243286": EARLIER,
    "dae00d69ea3b9ad02c64e03b7419690f6326be9ab7e26df0f6b9f7cff90102be": EARLIER,
}
"""SHA-256 of the sorted lines `id labels` of the splits train, val and test in the two published label files."""

_NOTES = {
    EARLIER: "the labels are those of ovavel_dataset_anno.json, which differ in 12 of 24,800 videos from the released "
    "ones that the paper's figures are of",
    UNKNOWN: "the labels are of neither published file",
}


_Digits = list[Annotated[int, msgspec.Meta(ge=0, le=1)]]
_DIGITS = re.compile(rf"\[[01](?:, ?[01]){{{SEGMENTS - 1}}}\]")


class Labelled(msgspec.Struct, gc=False):
    """A video of the authors' annotation json; other fields are let be. ``label`` is a list, or the text of one."""

    category: Name
    label: str | _Digits


@dataclass(frozen=True)
class _Row:
    where: str
    split: str
    category: str
    group: str
    video: str
    labels: str


@no_collection()
def load_ovavebench(path: Path, split: str) -> Annotations:
    """The events of one split, in the audio-visual track, in the order of the file.

    ``path`` is a folder or a file in it: the authors' ``ovave_dataset_meta.csv`` with an annotation json beside it
    (of the two the released one; give the other by its own path), or ``ovavebench.csv[.gz]`` with the columns split,
    category, group, video_id, label. Splits are train, val, test, and train_25, train_50, train_75: the authors'
    ratio files, or ``train_subsets.csv[.gz]``.

    The labels are :data:`LABELS`, for training splits :data:`TRAIN_LABELS`; ``group`` and ``category`` of the result
    tell of each video whether its class is seen, and which it is, also where no segment shows it. ``revision`` is
    ``released``, ``earlier`` or ``unknown``, told by the labels and not by the file's name.

    Raises
    ------
    UsageError
        an unknown split
    DataError
        a missing or malformed file, an unknown category, labels that are not ten times 0 or 1; the message names
        file and line
    """
    if split not in SPLITS:
        raise UsageError(f"OV-AVEBench has no split {shown(split)}; splits are {', '.join(SPLITS)}")
    whole = "train" if split in SUBSETS else split
    source = _file_of(path)
    read = _compact_rows if _is_compact(source) else _authors_rows
    rows = [r for r in read(source) if r.split == whole]
    if not rows:
        raise DataError(f"{named(source)} holds no video of the split {whole!r}")
    lines = sorted(f"{r.video} {r.labels}" for r in rows)
    revision = _REVISIONS.get(hashlib.sha256("\n".join(lines).encode()).hexdigest(), UNKNOWN)
    if split in SUBSETS:
        chosen = _subset(source, split)
        rows = [r for r in rows if r.video in chosen]
    return _annotations(source, split, rows, revision)


def _annotations(source: Path, split: str, rows: Sequence[_Row], revision: str) -> Annotations:
    labels = TRAIN_LABELS if split.startswith("train") else LABELS
    aliases = {"background": OTHER}
    index = LabelIndex(labels, aliases)
    seen: set[str] = set()
    for r in rows:
        if r.video in seen:
            raise DataError(f"{r.where}: the video {shown(r.video)} is duplicated; keep one row")
        if len(r.labels) != SEGMENTS or set(r.labels) - {"0", "1"}:
            raise DataError(
                f"{r.where}: the labels of {shown(r.video)} are {shown(r.labels)}; expected {SEGMENTS} times 0 or 1"
            )
        checked_name(r.video, r.where, "video id")
        seen.add(r.video)
    category = [index.find(r.category, r.where) for r in rows]
    return Annotations(
        "ovavebench",
        split,
        labels,
        tuple(r.video for r in rows),
        np.full(len(rows), SEGMENTS, np.int64),
        Events.from_tracks([[[], [], _runs(c, r.labels)] for c, r in zip(category, rows, strict=True)]),
        str(source),
        (_NOTES[revision],) if revision in _NOTES else (),
        aliases=aliases,
        category=np.array(category, np.int64),
        group=tuple(r.group for r in rows),
        revision=revision,
    )


def _runs(category: int, labels: str) -> list[tuple[int, int, int]]:
    edges = [t for t in range(SEGMENTS + 1) if (labels + "0")[t] != ("0" + labels)[t]]
    return [(category, start, end) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _file_of(path: Path) -> Path:
    """The file with the labels; of a folder the authors' released json goes first."""
    if os.path.isdir(path):
        for place in (or_packed(path / name) for name in (*JSON_FILES, *COMPACT_FILES)):
            if os.path.exists(place):
                return place
        raise DataError(
            f"{named(path)} holds none of {', '.join((*JSON_FILES, *COMPACT_FILES))}; give the folder of OV-AVEBench's "
            "labels"
        )
    return _file_of(path.parent) if plain_name(path) == META_FILE else path


def _is_compact(file: Path) -> bool:
    return not plain_name(file).endswith(".json")


def _table(file: Path, wanted: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows of a csv file, gzipped or not, by column name, each with file and line."""
    table = read_table(file, "OV-AVEBench file", most=_MOST)
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        raise DataError(f"{table.path} has no column {missing[0]!r}; expected {','.join(wanted)}")
    return ((where, dict(zip(wanted, cells, strict=True))) for where, cells in table.select(wanted))


def _compact_rows(file: Path) -> Iterator[_Row]:
    for where, row in _table(file, ("split", "category", "group", "video_id", "label")):
        if row["group"] not in ("seen", "unseen"):
            raise DataError(f"{where}: the group is {shown(row['group'])}; expected seen or unseen")
        yield _Row(where, row["split"], row["category"], row["group"], row["video_id"], row["label"])


def _authors_rows(file: Path) -> Iterator[_Row]:
    labelled = _read_json(file)
    groups = {"close": "seen", "open": "unseen"}
    for where, row in _table(or_packed(file.parent / META_FILE), ("split", "cls_name", "cls_type", "vid_name")):
        video = row["vid_name"]
        found = labelled.get(video)
        if found is None:
            raise DataError(f"{where}: the video {shown(video)} has no labels in {named(file)}; add them")
        category, labels = found
        if category != row["cls_name"]:
            here, there = shown(row["cls_name"]), shown(category)
            raise DataError(f"{where}: {shown(video)} is {here} here and {there} in {named(file)}; correct one of them")
        if row["cls_type"] not in groups:
            raise DataError(f"{where}: cls_type is {shown(row['cls_type'])}; expected close or open")
        yield _Row(where, row["split"], row["cls_name"], groups[row["cls_type"]], video, labels)


def _read_json(file: Path) -> dict[str, tuple[str, str]]:
    """Category and labels, as a string of digits, of each video of an annotation json."""
    mend = 'expected {"video id": {"category": ..., "label": "[0, 1, ...]"}}'
    found = read_json_as(file, dict[Name, Labelled], "OV-AVEBench file", _MOST, mend)
    return {video: (entry.category, _labels(file, video, entry.label)) for video, entry in found.items()}


def _labels(file: Path, video: str, label: str | list[int]) -> str:
    """The digits of a list, or of the text of one."""
    if isinstance(label, str):
        if _DIGITS.fullmatch(label):
            return "".join(c for c in label if c in "01")
        where = f"{named(file)}: the label of video {shown(video)}"
        label = checked(parse_json(label, where), _Digits, where, f"expected {SEGMENTS} times 0 or 1")
    return "".join(map(str, label))


def _subset(source: Path, split: str) -> set[str]:
    """Ids of the training videos of a subset."""
    if _is_compact(source):
        present = [source.parent / name for name in SUBSET_FILES if os.path.exists(source.parent / name)]
        if not present:
            raise DataError(
                f"{named(source.parent)} holds no {SUBSET_FILES[0]}, which says what {split} is; put it there"
            )
        column = f"in_{split.removeprefix('train_')}"
        return {row["video_id"] for _, row in _table(present[0], ("video_id", column)) if row[column] == "1"}
    file = or_packed(source.parent / RATIO_FILE.format(SUBSETS[split]))
    return {row["vid_name"] for _, row in _table(file, ("split", "vid_name")) if row["split"] == "train"}


class OvaveBench(Dataset):
    """OV-AVEBench: one category a video, classes seen and unseen in training (:func:`load_ovavebench`)."""

    name: ClassVar[str] = "ovavebench"
    about: ClassVar[str] = "OV-AVEBench: the authors' csv and json, or ovavebench.csv.gz; 67 classes and `other`"
    labels: ClassVar[tuple[str, ...]] = LABELS
    splits: ClassVar[tuple[str, ...]] = SPLITS
    metric: ClassVar[str] = "ovavel"
    tracks_apart: ClassVar[bool] = False

    def load(self, path: Path, split: str) -> Annotations:
        return load_ovavebench(path, split)

    def paper_row(self, preset: str) -> PaperRow | None:
        """OV-AVEL's Table 2, figures by group."""
        name, table = ovavel_name(preset), paper_tables()["ovavel_table2"]
        if name is None:
            return None
        return f"paper: {name}", dict(zip(table["columns"], table["rows"][name], strict=True))
