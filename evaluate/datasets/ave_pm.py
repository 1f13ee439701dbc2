"""AVE-PM: portrait clips of ten seconds with one audio-visual event each, timed to the hundredth of a second."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from ...cache.reading.csv_file import number, read_table
from ...cache.reading.files import MIB, named
from ...cache.reading.gzip_file import or_packed
from ...cache.reading.names import checked_name
from ...core.errors import DataError, UsageError, shown
from ...core.labels import LabelIndex
from ..files.json_format import label_index
from .annotations import Annotations
from .base import Dataset
from .in_seconds import timed_annotations
from .split_of_file import refuse_other_split

LABELS = (
    "meowing", "arc welding", "singing", "playing suona", "playing mbira", "washing car with high-pressure washer",
    "lifting with hydraulic jack", "whistling", "playing drum", "laser engraving", "playing tennis",
    "plane taking off", "milking sheep", "playing hang (instrument)", "piercing a balloon", "using a massage gun",
    "having a snowball fight", "playing badminton", "playing flute", "cutting rice stalks with sickle", "tap dancing",
    "playing table tennis", "moving with forklift", "wrestling", "freeskating", "feeding a cat",
    "playing bamboo flute", "playing erhu", "auto racing", "playing guqin", "train running",
    "performing traditional Chinese opera", "skateboarding", "playing djembe",
    "harvesting crops by combined harvester", "practicing archery", "watching a concert", "shooting with a slingshot",
    "setting off fireworks and firecrackers", "drifting car", "playing volleyball",
    "operating a remote control car", "twisting balloons", "playing ukulele", "using a vacuum cleaner", "diving",
    "mowing a lawn", "riding a horse", "deconstructing a building", "performing a duet", "playing guzheng",
    "playing harmonica", "flying remote control drone", "playing fingerstyle guitar", "cleaning with a robot vacuum",
    "playing konghou", "carving with hand tools", "playing melodica", "shaving head with electric shaver",
    "feeding dogs", "vacuuming carpet", "boxing", "using a hammer", "scraping putty", "baby drinking milk",
    "using a sewing machine", "brushing teeth", "launching a rocket", "playing hulusi", "carving wood",
    "modifying car", "cleaning a washing machine", "cutting with a circular saw", "laser beam welding", "raining",
    "playing the cello", "water truck sprinkling water", "panda eating bamboo", "mixing concrete", "blowing bubbles",
    "playing piano", "jumping rope", "clubbing", "scratching on a cat scratching board", "riding a motorcycle",
    "fingerboarding",
)  # fmt: skip
"""The 86 classes, in the order of their numbers."""

SPLITS = ("train", "val", "test")
SECONDS = 10.0
"""Length of a clip."""

CLASS_FILE = "class_name_mapping.csv"

_MOST = 64 * MIB
_COLUMNS = ("sample_id", "onset", "offset", "label")


def load_ave_pm(path: Path, split: str) -> Annotations:
    """The events of one split in the audio-visual track, in the order of the file, in seconds and in segments of 1 s
    (:mod:`.in_seconds`).

    ``path`` is a folder with ``train.csv``, ``val.csv`` and ``test.csv``, or such a file of the split asked for:
    columns sample_id, onset, offset (seconds) and label, the number of a class or its name. Classes are
    :data:`LABELS`, or those of ``class_name_mapping.csv`` (class_id, class_name) beside the file.

    Raises
    ------
    UsageError
        an unknown split, a file of another split
    DataError
        a missing or malformed file, an unknown class, a time outside 0 to 10 s; the message names file and line
    """
    if split not in SPLITS:
        raise UsageError(f"AVE-PM has no split {shown(split)}; splits are {', '.join(SPLITS)}")
    file = or_packed(path / f"{split}.csv") if os.path.isdir(path) else path
    if not os.path.exists(file):
        raise DataError(f"{named(path)} holds no {split}.csv; put it there")
    refuse_other_split(file, split, SPLITS)
    mapping = or_packed(file.parent / CLASS_FILE)
    index = _classes(mapping) if os.path.exists(mapping) else LabelIndex(LABELS)
    table = read_table(file, "AVE-PM file", most=_MOST)
    videos: dict[str, int] = {}
    events: list[tuple[int, int, float, float]] = []
    for where, (video, onset, offset, label) in table.select(_COLUMNS):
        v = videos.setdefault(checked_name(video, where, "sample id"), len(videos))
        begin, end = (number(text, where, float, what="a time in seconds") for text in (onset, offset))
        events.append((v, _class(label, where, index), begin, end))
    if not videos:
        raise DataError(f"{named(file)} holds no clip; give the file of a split")
    return timed_annotations(
        "avepm", split, index.labels, tuple(videos), [SECONDS] * len(videos), "audio_visual", events, table.place,
        str(file), background=("other", "background"),
    )  # fmt: skip


def _classes(file: Path) -> LabelIndex:
    """The classes of a mapping file, whose numbers are to be 0, 1, 2 and so on, in any order."""
    table = read_table(file, "list of classes", most=MIB)
    names: dict[int, str] = {}
    for where, (text, name) in table.select(("class_id", "class_name")):
        found = number(text, where, int, low=0, high=len(table.rows) - 1)
        if found in names:
            raise DataError(f"{where}: the class {found} is duplicated; give each its own number")
        names[found] = checked_name(name, where, "class name")
    labels = tuple(names[k] for k in range(len(names)))
    if not labels:
        raise DataError(f"{named(file)} holds no class; give class_id,class_name")
    return label_index(file, labels)


def _class(text: str, where: str, index: LabelIndex) -> int:
    if not text.isascii() or not text.lstrip("-").isdigit():
        return index.find(text, where)
    return number(text, where, int, low=0, high=len(index.labels) - 1, what="a class number")


class AvePm(Dataset):
    """AVE-PM: one audio-visual event in a portrait clip of 10 s, 86 classes (:func:`load_ave_pm`)."""

    name: ClassVar[str] = "avepm"
    about: ClassVar[str] = "AVE-PM: folder of train.csv, val.csv, test.csv; events in seconds, 86 classes"
    labels: ClassVar[tuple[str, ...]] = LABELS
    splits: ClassVar[tuple[str, ...]] = SPLITS
    metric: ClassVar[str] = "ovavel"
    tracks_apart: ClassVar[bool] = False

    def load(self, path: Path, split: str) -> Annotations:
        return load_ave_pm(path, split)
