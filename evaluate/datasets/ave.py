"""AVE: audio-visual events only, one class a video (8 of the 402 test videos have more)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec
import numpy as np

from ...cache.reading.files import MIB, named
from ...cache.reading.gzip_file import or_packed, plain_name
from ...cache.reading.json_file import read_json_as
from ...cache.reading.lists import listed_lines
from ...cache.reading.names import CONTROLS, Name, checked_name
from ...core.errors import DataError, UsageError, shown
from ...core.events import Events
from ...core.labels import LabelIndex
from ..paper import av2a_name, paper_tables
from .annotations import Annotations
from .base import Dataset, PaperRow

LABELS = (
    "accordion", "acoustic guitar", "baby cry, infant cry", "banjo", "bark", "bus", "cat", "chainsaw", "church bell",
    "clock", "female speech, woman speaking", "fixed-wing aircraft, airplane", "flute", "frying (food)", "goat",
    "helicopter", "horse", "male speech, man speaking", "mandolin", "motorcycle", "race car, auto racing",
    "rodents, rats, mice", "shofar", "toilet flush", "train horn", "truck", "ukulele", "violin, fiddle",
)  # fmt: skip
"""The 28 classes, sorted (the released order is that of a Python set and changes from run to run)."""

ALIASES = {
    "frying": "frying (food)",
    **{part: label for label in LABELS if ", " in label for part in label.split(", ")},
}
"""Each part of a class that joins several names: ``violin`` is ``violin, fiddle``."""

SEGMENTS = 10
SPLIT_FILES = {"train": "trainSet.txt", "val": "valSet.txt", "test": "testSet.txt"}
TEST_JSON = "test_AVE.json"
ALL_TEXT = "Annotations.txt"
ALL = "all"

_MOST = 64 * MIB
_Row = tuple[str, str, str, object, object]


class AveRow(msgspec.Struct, gc=False):
    """An annotation of ``test_AVE.json``; other fields are let be."""

    label: Name = msgspec.field(name="class")
    start: int
    end: int


_File = dict[Name, Annotated[list[AveRow], msgspec.Meta(min_length=1)]]


def load_ave(path: Path, split: str) -> Annotations:
    """The events of one split, or of ``all`` videos, in the audio-visual track.

    A folder is searched for the split: ``test`` is ``test_AVE.json`` (which the AV²A code reads), else
    ``testSet.txt``; ``train`` and ``val`` are their text files; ``all`` is ``Annotations.txt``. Text lines are
    ``Category&VideoID&Quality&StartTime&EndTime``. ``Annotations.txt`` itself names no split: given for one, the
    split's own file beside it is read.

    An annotation is a (video, class) pair, so the 4,143 lines of ``Annotations.txt`` are 4,097 videos: a video with
    several keeps them in the order of the file. A line of no length leaves its video all background (there is one).

    Raises
    ------
    UsageError
        an unknown split, a file of another split
    DataError
        a missing or malformed file, an unknown label, a time outside 0 to 10 s; the message names file and line
    """
    file = _file_of(path, split)
    index = LabelIndex(LABELS, ALIASES)
    events: dict[str, list[tuple[int, int, int]]] = {}
    notes: list[str] = []
    count = 0
    for where, video, label, start, end in _json_rows(file) if plain_name(file).endswith(".json") else _text_rows(file):
        if type(start) is not int or type(end) is not int or not 0 <= start <= end <= SEGMENTS:
            raise DataError(
                f"{where}: {shown(start)} to {shown(end)} is not a range of whole seconds within 0 to {SEGMENTS}"
            )
        found = index.find(label, where)
        of_video = events.setdefault(video, [])
        count += 1
        if (found, start, end) in of_video:
            notes.append(
                f"{where}: {LABELS[found]} of {named(video)} from {start} to {end} s is duplicated; both are kept"
            )
        if start < end:
            of_video.append((found, start, end))
        else:
            notes.append(
                f"{where}: {LABELS[found]} of {named(video)} from {start} to {end} s is empty and marks nothing"
            )
    if count != len(events):
        notes.insert(
            0, f"{named(file)} holds {count} annotations of {len(events)} videos: some videos have more than one"
        )
    return Annotations(
        "ave",
        split,
        LABELS,
        tuple(events),
        np.full(len(events), SEGMENTS, np.int64),
        Events.from_tracks([[[], [], of_video] for of_video in events.values()]),
        str(file),
        tuple(notes),
        aliases=ALIASES,
        background=("other", "background"),
    )


def _file_of(path: Path, split: str) -> Path:
    splits = (*SPLIT_FILES, ALL)
    if split not in splits:
        raise UsageError(f"AVE has no split {shown(split)}; splits are {', '.join(splits)}")
    wanted = [ALL_TEXT] if split == ALL else [SPLIT_FILES[split]]
    if split == "test":
        wanted.insert(0, TEST_JSON)
    folder = path if os.path.isdir(path) else path.parent
    if folder == path or (plain_name(path) == ALL_TEXT and split != ALL):
        places = [or_packed(folder / name) for name in wanted]
        present = [place for place in places if os.path.exists(place)]
        if not present:
            raise DataError(
                f"{named(folder)} holds no {' or '.join(wanted)} for the split {split!r}; put it there"
                + (", or ask for the split all" if os.path.exists(or_packed(folder / ALL_TEXT)) else "")
            )
        return present[0]
    split_of = {TEST_JSON: "test", ALL_TEXT: ALL, **{name: s for s, name in SPLIT_FILES.items()}}
    holds = split_of.get(plain_name(path), split)
    if holds != split:
        raise UsageError(f"{named(path)} holds the split {holds!r}, not {shown(split)}; ask for the split {holds}")
    return path


def _json_rows(file: Path) -> Iterator[_Row]:
    mend = 'expected {"video id": [{"class", "start", "end"}, ...]}'
    place = named(file)
    for video, rows in read_json_as(file, _File, "AVE file", _MOST, mend).items():
        for row in rows:
            yield f"{place}: video {video!r}", video, row.label, row.start, row.end


def _text_rows(file: Path) -> Iterator[_Row]:
    place = named(file)
    for k, (number, line) in enumerate(listed_lines(file, "AVE file", _MOST)):
        parts = [part.strip() for part in line.split("&")]
        if k == 0 and parts[0].lower() == "category":
            continue
        where = f"{place}, line {number}"
        if len(parts) != 5 or (not line.isprintable() and CONTROLS.search(line.replace("\t", " "))):
            raise DataError(f"{where}: expected Category&VideoID&Quality&StartTime&EndTime, got {shown(line)}")
        label, video, _, *times = parts
        start, end = (int(t) if t.isascii() and t.isdigit() and len(t) < 5 else t for t in times)
        yield where, checked_name(video, where, "video id"), label, start, end


class Ave(Dataset):
    """AVE: one audio-visual class in most 10 s clips, 28 classes (:func:`load_ave`)."""

    name: ClassVar[str] = "ave"
    about: ClassVar[str] = "AVE: test_AVE.json, Annotations.txt, the split files, or their folder; 28 classes"
    labels: ClassVar[tuple[str, ...]] = LABELS
    splits: ClassVar[tuple[str, ...]] = (*SPLIT_FILES, ALL)
    metric: ClassVar[str] = "ave_accuracy"
    tracks_apart: ClassVar[bool] = False

    def load(self, path: Path, split: str) -> Annotations:
        return load_ave(path, split)

    def paper_row(self, preset: str) -> PaperRow | None:
        """AV²A's Table 4."""
        row = av2a_name(preset)
        return None if row is None else (f"paper: {row}", {"accuracy": paper_tables()["av2a_table4_ave_accuracy"][row]})
