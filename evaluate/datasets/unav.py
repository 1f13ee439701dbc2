"""UnAV-100: untrimmed videos, audio-visual events in seconds, several classes at once, ActivityNet's form of JSON."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import msgspec
import numpy as np

from ...cache.reading.collection import no_collection
from ...cache.reading.files import MIB, named
from ...cache.reading.gzip_file import SUFFIX, or_packed
from ...cache.reading.json_file import read_json_as
from ...cache.reading.lists import each_once, listed_lines
from ...cache.reading.names import Name
from ...core.errors import DataError, UsageError, shown
from ...core.labels import LabelIndex, folded
from ..files.json_format import label_index
from .annotations import Annotations
from .base import Dataset
from .in_seconds import timed_annotations

LABELS = (
    "airplane flyby", "ambulance siren", "auto racing", "baby babbling", "baby crying", "baby laughter",
    "basketball bounce", "beat boxing", "bird chirping", "bull bellowing", "car passing by", "cat meowing",
    "chainsawing trees", "child singing", "church bell ringing", "dog barking", "dog howling", "driving buses",
    "driving motorcycle", "engine knocking", "female singing", "fire truck siren", "fireworks banging",
    "frog croaking", "hair dryer drying", "hammering nails", "helicopter", "horse clip-clop", "kid speaking",
    "lawn mowing", "lions roaring", "machine gun shooting", "male singing", "man speaking", "orchestra",
    "people battle cry", "people burping", "people cheering", "people clapping", "people coughing", "people crowd",
    "people eating", "people laughing", "people nose blowing", "people running", "people shouting", "people slapping",
    "people slurping", "people sneezing", "people sobbing", "people whispering", "people whistling",
    "playing accordion", "playing acoustic guitar", "playing badminton", "playing banjo", "playing base guitar",
    "playing cello", "playing clarinet", "playing cornet", "playing drum kit", "playing electronic organ",
    "playing erhu", "playing flute", "playing harmonica", "playing harp", "playing piano", "playing saxophone",
    "playing snare drum", "playing synthesizer", "playing tabla", "playing table tennis", "playing tennis",
    "playing trombone", "playing trumpet", "playing ukulele", "playing violin", "playing volleyball",
    "playing zither", "police car siren", "raining", "rope skipping", "sailing", "sea waves", "sheep bleating",
    "singing choir", "skateboarding", "skidding", "striking bowling", "tap dancing", "telephone bell ringing",
    "thunder", "train horning", "train wheels squealing", "typing on computer keyboard",
    "vacuum cleaner cleaning floors", "vehicle honking", "water burbling", "wind noise", "woman speaking",
)  # fmt: skip
"""The 100 classes, sorted. Annotations have those of their file, in the order of its ``label_id``."""

FILE = "unav100_annotations.json"
SUBSETS = {"train": "train", "training": "train", "val": "val", "validation": "val", "test": "test", "testing": "test"}
"""What a file calls a split; the published one writes ``validation``."""

SPLITS = ("train", "val", "test")
GROUPS = ("seen", "unseen")
GROUP_FILES = {group: f"{group}.txt" for group in GROUPS}

_MOST = 256 * MIB
_MEND = (
    'expected {"database": {"video id": {"duration", "subset", "annotations": [{"segment": [onset, offset], "label", '
    '"label_id"}, ...]}}}'
)


class UnavEvent(msgspec.Struct, gc=False):
    """An annotation; other fields are let be."""

    segment: tuple[float, float]
    label: Name
    label_id: int | None = None


class UnavVideo(msgspec.Struct, gc=False):
    """A video; other fields are let be."""

    duration: float
    subset: str
    annotations: list[UnavEvent] = []


class UnavFile(msgspec.Struct):
    """``unav100_annotations.json``; other fields are let be."""

    database: dict[Name, UnavVideo]


@no_collection()
def load_unav(path: Path, split: str) -> Annotations:
    """The events of one split in the audio-visual track, in the order of the file, in seconds and in segments of 1 s
    (:mod:`.in_seconds`).

    ``path`` is ``unav100_annotations.json``, another file of its form, or a folder that holds one such file. Splits are
    train, val and test. The labels are those of the whole file, by ``label_id``.

    OV-DAVEL's lists of classes are ``seen.txt`` and ``unseen.txt`` beside it, a class a line; either of them says
    which the others are. With them the splits ``<split>_seen`` and ``<split>_unseen`` have the labels and events of
    that group alone, on all videos of the split (predicted events of the other group count as none), and ``group``
    of the result is ``seen`` or ``unseen`` for a video whose classes all are, ``both`` where they are mixed, and empty
    for one without events.

    Raises
    ------
    UsageError
        an unknown split
    DataError
        a missing or malformed file, labels and ids that do not fit each other, a time outside the video, a class that
        is in both lists or in none; the message names file, video and annotation, or file and line
    """
    whole, _, group = split.partition("_")
    if whole not in SPLITS or (split != whole and group not in GROUPS):
        raise UsageError(
            f"UnAV-100 has no split {shown(split)}; splits are {', '.join(SPLITS)}, and with seen.txt or unseen.txt "
            f"{SPLITS[-1]}_seen, {SPLITS[-1]}_unseen, ..."
        )
    file = _file_of(path)
    database = read_json_as(file, UnavFile, "UnAV-100 file", _MOST, _MEND).database
    index = _labels(file, database)
    number = {name: c for c, name in enumerate(index.labels)}
    subsets = {video: _subset(file, video, entry.subset) for video, entry in database.items()}
    videos = [video for video, found in subsets.items() if found == whole]
    if not videos:
        raise DataError(f"{named(file)} holds no video of the split {whole!r}")
    events: list[tuple[int, int, float, float]] = []
    origin: list[tuple[str, int]] = []
    for v, video in enumerate(videos):
        for k, event in enumerate(database[video].annotations, 1):
            events.append((v, number[event.label], *event.segment))
            origin.append((video, k))
    found = timed_annotations(
        "unav", split, index.labels, videos, [database[v].duration for v in videos], "audio_visual", events,
        lambda i: f"{named(file)}: video {shown(origin[i][0])}, annotation {origin[i][1]}", str(file),
        background=("other", "background"),
    )  # fmt: skip
    places = {name: or_packed(file.parent / of) for name, of in GROUP_FILES.items()}
    lists = {name: place for name, place in places.items() if os.path.exists(place)}
    if not lists:
        if group:
            raise DataError(f"{named(file.parent)} holds neither seen.txt nor unseen.txt, which say what {split} is")
        return found
    seen = _seen(lists, index)
    if group:
        return _of_group(found, seen if group == "seen" else ~seen)
    return replace(found, group=tuple(_groups(found, seen)))


def _file_of(path: Path) -> Path:
    if not os.path.isdir(path):
        return path
    if os.path.exists(or_packed(path / FILE)):
        return or_packed(path / FILE)
    others = sorted(name for name in os.listdir(path) if name.removesuffix(SUFFIX).endswith(".json"))
    if len(others) != 1:
        raise DataError(f"{named(path)} holds no {FILE} and {len(others) or 'no'} other json files; give the file")
    return path / others[0]


def _subset(file: Path, video: str, name: str) -> str:
    found = SUBSETS.get(name.lower())
    if found is None:
        known = "train, validation or test"
        raise DataError(f"{named(file)}: video {shown(video)}: the subset is {shown(name)}; expected {known}")
    return found


def _labels(file: Path, database: Mapping[str, UnavVideo]) -> LabelIndex:
    """The labels of a file by id, or sorted where it gives no ids."""
    ids: dict[str, int | None] = {}
    for video, entry in database.items():
        for k, event in enumerate(entry.annotations, 1):
            if ids.setdefault(event.label, event.label_id) != event.label_id:
                raise DataError(
                    f"{named(file)}: video {shown(video)}, annotation {k}: the label {shown(event.label)} has the id "
                    f"{event.label_id} here and {ids[event.label]} before; correct one of them"
                )
    if None in ids.values():
        ids = {name: i for i, name in enumerate(sorted(ids))}
    by_id: dict[int | None, str] = {}
    for name, i in ids.items():
        if by_id.setdefault(i, name) != name:
            raise DataError(
                f"{named(file)}: the labels {shown(by_id[i])} and {shown(name)} both have the id {i}; correct one"
            )
    labels = tuple(sorted(ids, key=lambda name: ids[name] or 0))
    return label_index(file, labels)


def _seen(lists: Mapping[str, Path], index: LabelIndex) -> np.ndarray:
    """Which labels (C,) are seen, by the lists that there are."""
    of: dict[str, np.ndarray] = {}
    for group, file in lists.items():
        of[group] = np.zeros(len(index.labels), np.bool_)
        for number, name in _lines(file, group):
            of[group][index.find(name, f"{named(file)}, line {number}")] = True
    if len(of) == 1:
        return of["seen"] if "seen" in of else ~of["unseen"]
    for c in np.flatnonzero(of["seen"] == of["unseen"]).tolist():
        where = "in both of" if of["seen"][c] else "in neither of"
        both = " and ".join(named(file) for file in lists.values())
        raise DataError(f"the class {shown(index.labels[c])} is {where} {both}; write it into one of them")
    return of["seen"]


def _lines(file: Path, group: str) -> Iterator[tuple[int, str]]:
    lines = listed_lines(file, "class list", MIB)
    each_once(file, lines, f"{group} classes; write one a line")
    return iter(lines)


def _groups(found: Annotations, seen: np.ndarray) -> Iterator[str]:
    """The group of each video: that of its classes."""
    starts = found.events.starts[::3]
    known = seen[found.events.label]
    for begin, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        share = int(known[begin:end].sum())
        yield "" if begin == end else "seen" if share == end - begin else "both" if share else "unseen"


def _of_group(found: Annotations, kept: np.ndarray) -> Annotations:
    """The labels and events of one group, on all videos."""
    labels = tuple(name for name, of in zip(found.labels, kept.tolist(), strict=True) if of)
    others = (folded(name) for name, of in zip(found.labels, kept.tolist(), strict=True) if not of)
    events = found.events.where(kept[found.events.label])
    moved = (np.cumsum(kept) - 1)[events.label].astype(np.int32)
    return replace(found, labels=labels, events=replace(events, label=moved), background=(*found.background, *others))


class Unav(Dataset):
    """UnAV-100: dense audio-visual events of untrimmed videos (:func:`load_unav`)."""

    name: ClassVar[str] = "unav"
    about: ClassVar[str] = "UnAV-100: unav100_annotations.json or its folder; events in seconds, untrimmed; OV-DAVEL"
    labels: ClassVar[tuple[str, ...]] = LABELS
    splits: ClassVar[tuple[str, ...]] = (*SPLITS, *(f"{split}_{group}" for split in SPLITS for group in GROUPS))
    metric: ClassVar[str] = "map_tiou"
    tracks_apart: ClassVar[bool] = False

    def load(self, path: Path, split: str) -> Annotations:
        return load_unav(path, split)
