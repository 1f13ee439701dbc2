"""VGGSound-AVEL (100k, 50k) and what has its form: one category a clip, ten seconds, each with the event or without."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec
import numpy as np

from ...cache.reading.collection import no_collection
from ...cache.reading.csv_file import Table, read_table
from ...cache.reading.files import MIB, named
from ...cache.reading.gzip_file import or_packed, plain_name
from ...cache.reading.json_file import read_json_as
from ...cache.reading.lists import each_once, listed_lines
from ...cache.reading.names import Name, checked_name
from ...core.errors import DataError, UsageError, shown
from ...core.events import Events
from ...core.labels import LabelIndex
from ..files.json_format import label_index
from .annotations import Annotations
from .base import Dataset
from .whole_seconds import Masks, listed

SEGMENTS = 10
SPLITS = ("train", "val", "test")
_SPLIT_OF = {"train": "train", "val": "val", "valid": "val", "validate": "val", "validation": "val", "test": "test"}

FILES = tuple(f"vggsound-avel{size}.csv" for size in ("100k", "50k", ""))
CATEGORY_FILES = ("VggsoundAVEL100kCategories.txt", "100kcategories.txt", "categories.txt")
LABEL_JSON = "{}_annos.json"

_MOST = 256 * MIB
_COLUMNS = ("split", "category", "video_id")
_TEN = re.compile(r"[01]{10}|\[?[01](?:[, ]+[01]){9}\]?")


class AvelLabels(msgspec.Struct, gc=False):
    """A clip of the json of labels; other fields are let be."""

    label: Annotated[list[Annotated[int, msgspec.Meta(ge=0, le=1)]], msgspec.Meta(min_length=10, max_length=10)]


@no_collection()
def load_vggsound_avel(path: Path, split: str) -> Annotations:
    """The events of one split in the audio-visual track, as maximal runs of seconds.

    ``path`` is a csv file with the columns split, category and video_id, gzipped or not, or a folder that holds one of
    :data:`FILES`. The ten labels of a clip, 1 where its category is heard and seen, are in a column ``label``
    (``1111100000`` or ``[1, 1, ...]``) or, for ``NAME.csv``, in ``NAME_annos.json`` beside it:
    ``{"video id": {"label": [1, 1, ...]}}``. As published they are pickles in one zip file for each clip, which are
    never unpickled here: write them once as that json.

    The labels are those of ``VggsoundAVEL100kCategories.txt`` beside it, a category a line, else the categories of the
    whole file, sorted.

    Raises
    ------
    UsageError
        an unknown split
    DataError
        a missing or malformed file, a clip that is named twice or without labels, an unknown category or split; the
        message names file and line
    """
    if split not in SPLITS:
        raise UsageError(f"VGGSound-AVEL has no split {shown(split)}; splits are {', '.join(SPLITS)}")
    file = _file_of(path)
    table = read_table(file, "VGGSound-AVEL file", most=_MOST)
    index = _labels(file, table)
    given = None if "label" in table.columns else _from_json(file)
    written = table.cells(("label",))[0] if given is None else [""] * len(table.rows)
    videos: dict[str, int] = {}
    category: list[int] = []
    ten: list[str] = []
    for (where, (of, name, video)), text in zip(table.select(_COLUMNS), written, strict=True):
        if _split(of, where) != split:
            continue
        if video in videos:
            raise DataError(f"{where}: the clip {shown(video)} is duplicated; keep one row")
        videos[checked_name(video, where, "video id")] = len(videos)
        category.append(index.find(name, where))
        ten.append(_ten(where, video, text) if given is None else given.get(video, ""))
        if not ten[-1]:
            raise DataError(f"{where}: the clip {shown(video)} has no labels in {named(_json_of(file))}; add them")
    if not videos:
        raise DataError(f"{named(file)} holds no clip of the split {split!r}")
    return Annotations(
        "vggsound_avel", split, index.labels, tuple(videos), np.full(len(videos), SEGMENTS, np.int64),
        _runs(np.array(category), ten, len(index.labels)), str(file), background=("other", "background"),
        category=np.array(category, np.int64),
    )  # fmt: skip


def _file_of(path: Path) -> Path:
    if not os.path.isdir(path):
        return path
    present = [place for place in (or_packed(path / name) for name in FILES) if os.path.exists(place)]
    if not present:
        raise DataError(f"{named(path)} holds no {FILES[0]}; give the csv file itself")
    return present[0]


def _labels(file: Path, table: Table) -> LabelIndex:
    places = [or_packed(file.parent / name) for name in CATEGORY_FILES]
    listed = [place for place in places if os.path.exists(place)]
    if listed:
        lines = listed_lines(listed[0], "list of categories", MIB)
        return label_index(listed[0], each_once(listed[0], lines, "categories; write one a line"))
    return label_index(file, sorted({checked_name(*cell) for cell in _categories(table)}))


def _categories(table: Table) -> list[tuple[str, str, str]]:
    first: dict[str, str] = {}
    for where, (name,) in table.select(("category",)):
        first.setdefault(name, where)
    return [(name, where, "category") for name, where in first.items()]


def _split(text: str, where: str) -> str:
    found = _SPLIT_OF.get(text.lower())
    if found is None:
        raise DataError(f"{where}: the split is {shown(text)}; expected {', '.join(SPLITS)}")
    return found


def _json_of(file: Path) -> Path:
    return or_packed(file.parent / LABEL_JSON.format(plain_name(file).removesuffix(".csv")))


def _from_json(file: Path) -> Mapping[str, str]:
    place = _json_of(file)
    if not os.path.exists(place):
        raise DataError(
            f"{named(file)} has no column 'label', and there is no {named(place)}; write the ten labels of each clip "
            "into one of them"
        )
    mend = 'expected {"video id": {"label": [ten times 0 or 1]}}'
    found = read_json_as(place, dict[Name, AvelLabels], "file of labels", _MOST, mend)
    return {video: "".join(map(str, entry.label)) for video, entry in found.items()}


def _ten(where: str, video: str, text: str) -> str:
    if not _TEN.fullmatch(text):
        raise DataError(f"{where}: the labels of {shown(video)} are {shown(text)}; expected {SEGMENTS} times 0 or 1")
    return "".join(c for c in text if c in "01")


def _runs(category: np.ndarray, ten: Sequence[str], num_labels: int) -> Events:
    """The maximal runs of ones of each clip as events of its category."""
    bits = np.frombuffer("".join(ten).encode(), np.uint8).reshape(-1, SEGMENTS) == ord("1")
    none = Masks(np.zeros(0, np.int64), np.zeros(0, np.int64))
    found = Masks(np.arange(len(ten)) * num_labels + category, bits @ (np.int64(1) << np.arange(SEGMENTS)))
    return listed([none, none, found], SEGMENTS, len(ten), num_labels)


class VggsoundAvel(Dataset):
    """VGGSound-AVEL: one category a clip of ten labelled seconds (:func:`load_vggsound_avel`)."""

    name: ClassVar[str] = "vggsound_avel"
    about: ClassVar[str] = "VGGSound-AVEL100k, 50k and their like: csv of split, category, video_id; ten labels a clip"
    splits: ClassVar[tuple[str, ...]] = SPLITS
    metric: ClassVar[str] = "ovavel"
    tracks_apart: ClassVar[bool] = False

    def load(self, path: Path, split: str) -> Annotations:
        return load_vggsound_avel(path, split)
