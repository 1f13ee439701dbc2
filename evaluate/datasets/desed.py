"""DESED: domestic sound events of ten-second clips, onset and offset in seconds; the audio track alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from ...cache.reading.gzip_file import or_packed
from ...core.labels import LabelIndex
from ...core.media_names import SOUND_SUFFIXES, VIDEO_SUFFIXES
from .annotations import Annotations
from .base import Dataset
from .sound_tables import read_sounds, sound_annotations
from .split_of_file import refuse_other_split

LABELS = (
    "Alarm_bell_ringing", "Blender", "Cat", "Dishes", "Dog", "Electric_shaver_toothbrush", "Frying", "Running_water",
    "Speech", "Vacuum_cleaner",
)  # fmt: skip
"""The 10 classes, sorted."""

COLUMNS = ("filename", "onset", "offset", "event_label")


def load_desed(path: Path, split: str) -> Annotations:
    """The events of a table with the columns filename, onset, offset and event_label (tab-separated, seconds).

    ``path`` is the table, or a folder with ``<split>.tsv``. Ids are file names without their ending, as extraction
    makes them. ``<split>_durations.tsv`` beside it (filename, duration) says how long the clips are, 10 s without, and
    names those without events.

    Raises: DataError as the functions of :mod:`.sound_tables`, and for an unknown label (with the nearest); UsageError
        for a file whose name says that it is of another split.
    """
    file = or_packed(path / f"{split}.tsv") if os.path.isdir(path) else path
    refuse_other_split(file, split)
    table, index = read_sounds(file, "DESED file"), LabelIndex(LABELS)
    return sound_annotations("desed", split, file, table, COLUMNS, LABELS, index.find, without_suffix)


def without_suffix(name: str) -> str:
    """The id of a media file: its name without the ending."""
    stem, dot, ending = name.rpartition(".")
    return stem if stem and dot + ending.lower() in (*SOUND_SUFFIXES, *VIDEO_SUFFIXES) else name


class Desed(Dataset):
    """DESED, and tables of its form: sound events in seconds, 10 classes (:func:`load_desed`)."""

    name: ClassVar[str] = "desed"
    about: ClassVar[str] = "DESED: <split>.tsv with filename, onset, offset, event_label; audio track, 10 classes"
    labels: ClassVar[tuple[str, ...]] = LABELS
    metric: ClassVar[str] = "psds"

    def load(self, path: Path, split: str) -> Annotations:
        return load_desed(path, split)
