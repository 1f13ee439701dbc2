"""LLP: video-level csv files name the split, segment-level ones hold the events of validation and test."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from itertools import repeat
from pathlib import Path
from typing import ClassVar

import numpy as np

from ...cache.reading.collection import no_collection
from ...cache.reading.csv_file import Table, number, read_table
from ...cache.reading.files import MIB, named
from ...cache.reading.gzip_file import or_packed
from ...cache.reading.names import checked_name, is_name
from ...core.errors import DataError, UsageError, shown
from ...core.events import Events
from ...core.labels import LabelIndex
from ...core.media_names import without_times
from ..paper import av2a_name, paper_tables, weakly_supervised_name
from .annotations import Annotations
from .base import Dataset, PaperRow
from .whole_seconds import Masks, agreed, joined, listed

LABELS = (
    "Speech", "Car", "Cheering", "Dog", "Cat", "Frying_(food)", "Basketball_bounce", "Fire_alarm", "Chainsaw",
    "Cello", "Banjo", "Singing", "Chicken_rooster", "Violin_fiddle", "Vacuum_cleaner", "Baby_laughter", "Accordion",
    "Lawn_mower", "Motorcycle", "Helicopter", "Acoustic_guitar", "Telephone_bell_ringing", "Baby_cry_infant_cry",
    "Blender", "Clapping",
)  # fmt: skip
"""The 25 classes, in the order of the released code."""

ALIASES = {
    "Frying": "Frying_(food)",
    "Chicken": "Chicken_rooster",
    "Rooster": "Chicken_rooster",
    "Violin": "Violin_fiddle",
    "Fiddle": "Violin_fiddle",
    "Telephone": "Telephone_bell_ringing",
    "Telephone bell": "Telephone_bell_ringing",
    "Baby cry": "Baby_cry_infant_cry",
    "Infant cry": "Baby_cry_infant_cry",
}
"""Short forms of the classes that join two names; case, spaces, underscores and commas need no alias."""

SEGMENTS = 10
SPLITS = {"test": "AVVP_test_pd.csv", "val": "AVVP_val_pd.csv"}
TRAIN = "AVVP_train.csv"
TRACK_FILES = ("AVVP_eval_audio.csv", "AVVP_eval_visual.csv")
SPANS = ("filename", "onset", "offset", "event_labels")
"""The columns of these."""

_SECONDS = {str(second): second for second in range(SEGMENTS + 1)}
_MOST = 64 * MIB


@no_collection()
def load_llp(path: Path, split: str) -> Annotations:
    """The csv files of LLP in one folder: the videos of a split, and its audio and visual events.

    Rows of the same video and label are joined (union), as LLP's own evaluation does; audio-visual is audio and
    visual of the same label in the same second. A row that ends before it begins, or as it does, marks nothing there
    (the distributed audio file holds six): it is left out and noted.

    Raises
    ------
    UsageError
        a split without segment annotations
    DataError
        a missing file or column; a row with an unknown label, a time that is not a whole second or outside 0 to 10;
        a video named twice, or not named; the message names file and line
    """
    if split not in SPLITS:
        raise UsageError(f"LLP has no split {split!r} with segment annotations; splits are {', '.join(SPLITS)}")
    folder = path if os.path.isdir(path) else path.parent
    index = LabelIndex(LABELS, ALIASES)
    at = _videos(_table(or_packed(folder / SPLITS[split]), ("filename", "event_labels")), index)
    notes: list[str] = []
    tracks = [_seconds(_table(or_packed(folder / name), SPANS), at, index, notes) for name in TRACK_FILES]
    return Annotations(
        "llp",
        split,
        LABELS,
        tuple(at),
        np.full(len(at), SEGMENTS, np.int64),
        listed([*tracks, agreed(*tracks)], SEGMENTS, len(at), len(LABELS)),
        str(folder),
        tuple(notes),
        aliases=ALIASES,
        source_video=without_times,
    )


def load_llp_train(path: Path) -> Annotations:
    """The training split, whose labels are video-level: each holds in every second of its video, in every track.

    Raises: DataError as :func:`load_llp`.
    """
    file = or_packed((path if os.path.isdir(path) else path.parent) / TRAIN)
    if not os.path.exists(file):
        raise DataError(f"there is no file {named(file)}; it holds the video-level labels of the training split")
    index = LabelIndex(LABELS, ALIASES)
    labels: dict[str, list[int]] = {}
    for where, (video, names) in _rows(file, ("filename", "event_labels")):
        if video in labels:
            raise DataError(f"{where}: the video {shown(video)} is duplicated; keep one row")
        checked_name(video, where, "video id")
        labels[video] = sorted({index.find(name, where) for name in filter(None, names.split(","))})
    tracks = [[[(c, 0, SEGMENTS) for c in of_video]] * 3 for of_video in labels.values()]
    return Annotations(
        "llp", "train", LABELS, tuple(labels), np.full(len(labels), SEGMENTS, np.int64), Events.from_tracks(tracks),
        str(file), ("the labels of this split are video-level: each holds in every second",), aliases=ALIASES,
        source_video=without_times,
    )  # fmt: skip


def _videos(table: Table, index: LabelIndex) -> dict[str, int]:
    """The videos of a split, and their places; their labels are only checked."""
    at: dict[str, int] = {}
    known = {""}
    for row, (video, names) in enumerate(zip(*table.cells(("filename", "event_labels")), strict=True)):
        if video in at:
            raise DataError(f"{table.place(row)}: the video {shown(video)} is duplicated; keep one row")
        if not is_name(video):
            checked_name(video, table.place(row), "video id")
        if names not in known:
            for name in filter(None, names.split(",")):
                index.find(name, table.place(row))
            known.add(names)
        at[video] = len(at)
    return at


def _seconds(table: Table, at: Mapping[str, int], index: LabelIndex, notes: list[str]) -> Masks:
    """The annotated seconds of a track of the videos in ``at``; says in ``notes`` which rows are empty."""
    videos, starts, ends, names = table.cells(SPANS)
    label_of = dict(zip(set(names), index.mapping(set(names)), strict=True))
    spans = [list(map(_SECONDS.get, starts)), list(map(_SECONDS.get, ends)), list(map(label_of.get, names))]
    if None in spans[0] or None in spans[1] or -1 in spans[2]:  # rows that are wrong, or written in another way
        spans = [[], [], []]
        for where, (_, start, end, name) in table.select(SPANS):
            found = _second(start, where), _second(end, where), index.find(name, where)
            for column, value in zip(spans, found, strict=True):
                column.append(value)
    video, onset, offset, label = np.array([list(map(at.get, videos, repeat(-1))), *spans], np.int64)
    for row in np.flatnonzero((onset >= offset) & (video >= 0)).tolist():
        notes.append(
            f"{table.place(row)}: {LABELS[label[row]]} of {named(videos[row])} from {onset[row]} to {offset[row]} s is "
            "empty and marks nothing"
        )
    if "" in videos:
        raise DataError(f"{table.place(videos.index(''))}: there is no video id; write it, or remove the row")
    kept = (onset < offset) & (video >= 0)
    return joined((video * len(LABELS) + label)[kept], onset[kept], offset[kept])


def _second(text: str, where: str) -> int:
    known = _SECONDS.get(text)
    return number(text, where, int, low=0, high=SEGMENTS, what="a whole second") if known is None else known


def _rows(file: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    """``(file and line, values of the columns)`` of each row of a tab-separated file with a header."""
    return _table(file, columns).select(columns)


def _table(file: Path, columns: tuple[str, ...]) -> Table:
    """A tab-separated file with a header that has these columns."""
    if not os.path.exists(file):
        raise DataError(f"there is no file {named(file)}; LLP needs {', '.join((*SPLITS.values(), *TRACK_FILES))}")
    table = read_table(file, "LLP file", separator="\t", most=_MOST)
    missing = [c for c in columns if c not in table.columns]
    if missing:
        raise DataError(f"{table.path} has no column {missing[0]!r}; expected tab-separated {', '.join(columns)}")
    return table


class Llp(Dataset):
    """LLP: audio and visual events of 10 s clips, 25 classes (:func:`load_llp`)."""

    name: ClassVar[str] = "llp"
    about: ClassVar[str] = "LLP: folder of the four csv files; audio, visual and audio-visual events, 25 classes"
    labels: ClassVar[tuple[str, ...]] = LABELS
    splits: ClassVar[tuple[str, ...]] = tuple(SPLITS)
    metric: ClassVar[str] = "llp"
    segment_split: ClassVar[str] = "val"
    video_level_splits: ClassVar[tuple[str, ...]] = ("train",)

    def load(self, path: Path, split: str) -> Annotations:
        return load_llp(path, split)

    def load_video_level(self, path: Path, split: str) -> Annotations:
        return load_llp_train(path) if split == "train" else super().load_video_level(path, split)

    def paper_row(self, preset: str) -> PaperRow | None:
        """AV²A's Tables 2 and 3."""
        trained, row = weakly_supervised_name(preset), av2a_name(preset)
        if trained is not None:
            return f"paper: {trained}", dict(paper_tables()["av2a_table3_llp_weakly_supervised"][trained])
        return None if row is None else (f"paper: {row}", dict(paper_tables()["av2a_table2_llp_training_free"][row]))
