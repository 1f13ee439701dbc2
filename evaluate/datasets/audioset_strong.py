"""AudioSet-Strong: sound events of ten-second clips, onset and offset in seconds; the audio track alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from ...cache.reading.csv_file import Table
from ...cache.reading.files import MIB, named
from ...cache.reading.gzip_file import or_packed
from ...cache.reading.lists import listed_lines
from ...cache.reading.names import checked_name
from ...core.errors import DataError, UsageError, shown
from ...core.labels import LabelIndex, folded
from .annotations import Annotations
from .base import Dataset
from .sound_tables import read_sounds, sound_annotations
from .split_of_file import refuse_other_split

SPLITS = ("train", "eval")
COLUMNS = ("segment_id", "start_time_seconds", "end_time_seconds", "label")
NAMES_FILE = "mid_to_display_name.tsv"


def load_audioset_strong(path: Path, split: str, table: Table | None = None) -> Annotations:
    """The events of a table with the columns segment_id, start_time_seconds, end_time_seconds and label
    (tab-separated), whose labels are ids of AudioSet's ontology such as ``/m/09x0r``.

    ``path`` is the table, or a folder with ``audioset_train_strong.tsv`` and ``audioset_eval_strong.tsv``. Labels are
    the display names in ``mid_to_display_name.tsv`` beside it (id, tab, name; no header), all of them in its order; of
    two with one name, the id follows the name. A ``..._durations.tsv`` beside it (segment_id, duration) says how long
    the clips are, 10 s without. ``table`` is what was read of the table, where that is done.

    Raises
    ------
    UsageError
        a folder, and a split that is neither train nor eval; a file whose name says that it is of another split
    DataError
        as the functions of :mod:`.sound_tables`, and for a label that has no name
    """
    file = path
    if os.path.isdir(path):
        if split not in SPLITS:
            raise UsageError(f"AudioSet-Strong has no split {shown(split)}; splits are {', '.join(SPLITS)}")
        file = or_packed(path / f"audioset_{split}_strong.tsv")
    refuse_other_split(file, split)
    names = _names(or_packed(file.parent / NAMES_FILE))
    number = {mid: c for c, mid in enumerate(names)}
    labels = tuple(names.values())
    index = LabelIndex(labels)

    def label_of(text: str, where: str) -> int:
        found = number.get(text)
        if found is None and text.startswith("/"):
            raise DataError(f"{where}: the label {shown(text)} has no name in {NAMES_FILE}; add it there")
        return index.find(text, where) if found is None else found

    rows = read_sounds(file, "AudioSet-Strong file") if table is None else table
    return sound_annotations("audioset_strong", split, file, rows, COLUMNS, labels, label_of, str)


def _names(file: Path) -> dict[str, str]:
    """Display names by id."""
    if not os.path.exists(file):
        raise DataError(f"there is no {named(file)}; AudioSet-Strong's labels are ids, and it has their names")
    names: dict[str, str] = {}
    taken: set[str] = set()
    for line, text in listed_lines(file, "list of names", 16 * MIB):
        where = f"{named(file)}, line {line}"
        mid, tab, name = text.partition("\t")
        mid, name = mid.strip(), name.strip()
        if not tab or "\t" in name:
            raise DataError(f"{where}: expected an id, a tab and a name, got {shown(text)}")
        if mid in names:
            raise DataError(f"{where}: the id {shown(mid)} is duplicated; keep one line")
        checked_name(mid, where, "id")
        names[mid] = checked_name(name if folded(name) not in taken else f"{name} ({mid})", where)
        if folded(names[mid]) in taken:
            raise DataError(f"{where}: the name {shown(names[mid])} is another label's but for punctuation; change it")
        taken.add(folded(names[mid]))
    if not names:
        raise DataError(f"{named(file)} holds no name; write an id, a tab and a name on each line")
    return names


class AudiosetStrong(Dataset):
    """AudioSet-Strong: sound events in seconds (:func:`load_audioset_strong`)."""

    name: ClassVar[str] = "audioset_strong"
    about: ClassVar[str] = "AudioSet-Strong: audioset_<split>_strong.tsv and mid_to_display_name.tsv; audio track"
    splits: ClassVar[tuple[str, ...]] = SPLITS
    metric: ClassVar[str] = "psds"

    def load(self, path: Path, split: str) -> Annotations:
        return load_audioset_strong(path, split)
