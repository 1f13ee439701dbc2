"""Tables of sound events with any labels, in the form of DESED or of AudioSet-Strong; the audio track alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from ...cache.reading.csv_file import Table
from ...cache.reading.files import MIB, named
from ...cache.reading.gzip_file import or_packed
from ...cache.reading.lists import listed_lines
from ...cache.reading.names import checked_name
from ...core.errors import DataError, shown
from ...core.labels import LabelIndex, folded
from . import audioset_strong, desed
from .annotations import Annotations
from .base import Dataset
from .sound_tables import read_sounds, sound_annotations
from .split_of_file import refuse_other_split

LABELS_FILE = "labels.txt"


def load_strong_tsv(path: Path, split: str) -> Annotations:
    """The events of a tab-separated table with the columns filename, onset, offset and event_label, as DESED's, or
    segment_id, start_time_seconds, end_time_seconds and label, as AudioSet-Strong's; times in seconds.

    ``path`` is the table, or a folder with ``<split>.tsv`` or ``audioset_<split>_strong.tsv``. The labels are those of
    ``labels.txt`` beside it, one a line; without, the names in ``mid_to_display_name.tsv`` for AudioSet-Strong's
    columns, DESED's 10 where the table has no other, and else those of the table, sorted. Lengths of clips are as in
    :func:`.sound_tables.sound_annotations`.

    Raises: DataError as the functions of :mod:`.sound_tables`, for a label that ``labels.txt`` lacks, and for a
    list of labels, or a table of none, that makes no label list; UsageError for a file whose name
    says that it is of another split.
    """
    file = path
    if os.path.isdir(path):
        places = [or_packed(path / name) for name in (f"{split}.tsv", f"audioset_{split}_strong.tsv")]
        file = next((place for place in places if os.path.exists(place)), places[0])
    refuse_other_split(file, split)
    table = read_sounds(file, "table of sound events")
    columns = audioset_strong.COLUMNS if audioset_strong.COLUMNS[0] in table.columns else desed.COLUMNS
    listed = or_packed(file.parent / LABELS_FILE)
    if os.path.exists(listed):
        return _annotations(split, file, table, columns, _listed(listed))
    if columns == audioset_strong.COLUMNS and os.path.exists(or_packed(file.parent / audioset_strong.NAMES_FILE)):
        return replace(audioset_strong.load_audioset_strong(file, split, table), dataset="strong_tsv")
    found = {name: where for where, (name,) in table.select(columns[3:]) if name}
    if columns == desed.COLUMNS and set(found) <= set(desed.LABELS):
        return _annotations(split, file, table, columns, desed.LABELS)
    if not found:
        raise DataError(f"{named(file)} has no event, and so no label; list the labels in {LABELS_FILE} beside it")
    spelled = {folded(name): checked_name(name, found[name], columns[3]) for name in sorted(found, reverse=True)}
    return _annotations(split, file, table, columns, sorted(spelled.values()))


def _listed(file: Path) -> list[str]:
    """The labels of a file, one a line."""
    labels: dict[str, str] = {}
    for line, text in listed_lines(file, "list of labels", 16 * MIB):
        where = f"{named(file)}, line {line}"
        name = checked_name(text, where, "label")
        if folded(name) in labels:
            raise DataError(f"{where}: {shown(labels[folded(name)])} and {shown(name)} are one label; keep one line")
        labels[folded(name)] = name
    if not labels:
        raise DataError(f"{named(file)} holds no label; write one a line")
    return list(labels.values())


def _annotations(
    split: str, file: Path, table: Table, columns: tuple[str, str, str, str], labels: Sequence[str]
) -> Annotations:
    index = LabelIndex(labels)
    id_of = desed.without_suffix if columns == desed.COLUMNS else str
    return sound_annotations("strong_tsv", split, file, table, columns, index.labels, index.find, id_of)


class StrongTsv(Dataset):
    """Sound events in seconds, any labels (:func:`load_strong_tsv`)."""

    name: ClassVar[str] = "strong_tsv"
    about: ClassVar[str] = "any labels: <split>.tsv with the columns of DESED or AudioSet-Strong; audio track"
    metric: ClassVar[str] = "psds"

    def load(self, path: Path, split: str) -> Annotations:
        return load_strong_tsv(path, split)
