"""Tables of sound events, a tab-separated row an event, with times in seconds: what DESED and AudioSet-Strong share."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from ...cache.reading.csv_file import Table, number, read_table
from ...cache.reading.files import MIB, named
from ...cache.reading.gzip_file import or_packed, plain_name
from ...cache.reading.names import checked_name
from ...core.errors import DataError, shown
from .annotations import Annotations
from .in_seconds import timed_annotations

_MOST = 512 * MIB

CLIP_SECONDS = 10.0
"""Length of a clip where no file of durations says it."""

METRICS = "psds(track=audio),collar_f1(track=audio)"
"""What these tables are scored with."""

DURATION_FILES = ("{}_durations.tsv", "{}_dur.tsv", "durations.tsv")
"""Files of durations beside ``NAME.tsv``, the first that there is."""


def read_sounds(file: Path, what: str) -> Table:
    """The rows of a table. Raises: DataError for a missing or malformed file."""
    if not os.path.exists(file):
        beside = sorted({plain_name(other) for other in file.parent.glob("*.tsv*")})
        tables = [named(name) for name in beside if not name.endswith(("durations.tsv", "_dur.tsv"))]
        found = f"; its folder has {', '.join(tables[:5])}" if tables else ""
        raise DataError(f"there is no {what} {named(file)}; check the path and the split{found}")
    return read_table(file, what, separator="\t", most=_MOST)


def sound_annotations(
    dataset: str, split: str, file: Path, table: Table, columns: tuple[str, str, str, str], labels: tuple[str, ...],
    label_of: Callable[[str, str], int], id_of: Callable[[str], str],
) -> Annotations:  # fmt: skip
    """The events of a table in the audio track, in the order of the file.

    Clips are 10 s long, or as long as a file of durations beside it says (:data:`DURATION_FILES`, columns ``filename``
    or the first of ``columns``, and ``duration``), which also names clips without events.

    table : what :func:`read_sounds` read of the file
    columns : of clip, onset, offset and label; a row with the last three empty is a clip without events
    label_of : index of a label; gets file and line for its message, and raises DataError
    id_of : id of a clip

    Raises: DataError for a malformed table or file of durations; the message names file and line.
    """
    seconds = _durations(file, columns[0], id_of)
    videos: dict[str, int] = {}
    events: list[tuple[int, int, float, float]] = []
    rows: list[int] = []
    for row, (where, (clip, onset, offset, label)) in enumerate(table.select(columns)):
        v = videos.get(clip)
        if v is None:
            checked_name(clip, where, columns[0])
            v = videos[clip] = len(videos)
        if onset or offset or label:
            begin, end = (number(text, where, float, what="a time in seconds") for text in (onset, offset))
            events.append((v, label_of(label, where), begin, end))
            rows.append(row)
    ids: dict[str, str] = {}
    for clip in videos:
        other = ids.setdefault(id_of(clip), clip)
        if other != clip:
            raise DataError(f"{named(file)}: {shown(other)} and {shown(clip)} are the same clip; write one name")
    lengths = [CLIP_SECONDS] * len(ids)
    if seconds:
        missing = next((clip for clip in ids if clip not in seconds), None)
        if missing is not None:
            raise DataError(f"the file of durations of {named(file)} has none of {shown(ids[missing])}; add it")
        ids |= {clip: clip for clip in seconds if clip not in ids}
        lengths = [seconds[clip] for clip in ids]
    if not ids:
        raise DataError(f"{named(file)} holds no clip; give a table with {', '.join(columns)}")
    return timed_annotations(
        dataset, split, labels, tuple(ids), lengths, "audio", events, lambda i: table.place(rows[i]), str(file),
        metric=METRICS,
    )  # fmt: skip


def _durations(file: Path, column: str, id_of: Callable[[str], str]) -> Mapping[str, float]:
    """Length of each clip in seconds, empty without a file of durations."""
    name = plain_name(file).removesuffix(".tsv")
    found = (or_packed(file.parent / form.format(name)) for form in DURATION_FILES)
    place = next((path for path in found if os.path.exists(path)), None)
    if place is None:
        return {}
    table = read_table(place, "file of durations", separator="\t", most=_MOST)
    clip_column = column if column in table.columns else "filename"
    seconds: dict[str, float] = {}
    for where, (clip, text) in table.select((clip_column, "duration")):
        id = id_of(checked_name(clip, where, clip_column))
        if id in seconds:
            raise DataError(f"{where}: the clip {shown(clip)} is duplicated; keep one row")
        seconds[id] = number(text, where, float, what="a duration in seconds")
    return seconds
