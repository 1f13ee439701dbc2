"""The package's own annotation file: ``avreplay.annotations/1``, any labels, any number of segments."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...cache.reading.collection import no_collection
from ...cache.reading.files import named
from ...cache.reading.gzip_file import or_packed
from ...cache.reading.names import Name
from ...core.errors import UsageError, shown
from ...core.events import TRACKS, Events
from ..files.json_format import Event, FileForm, read_table
from ..files.json_writer import write_videos
from .annotations import Annotations, agreed
from .base import Dataset

SCHEMA = "avreplay.annotations"
VERSION = 1


class AnnotationsForm(FileForm):
    """An annotation file; other fields are let be."""

    split: Name | None = None
    aliases: dict[Name, Name] = msgspec.field(default_factory=dict)


@no_collection()
def load_own(path: Path, split: str) -> Annotations:
    """Read ``{"schema", "labels", "split", "videos": {id: {"segments", "audio", "visual", "audio_visual"}}}``.

    A track is a list of ``{"label", "onset", "offset"}`` in segments, half-open, kept in its order, with
    ``onset_seconds`` and ``offset_seconds`` where they are finer. Without ``audio_visual`` in some video (of whole
    segments then) that track is where audio and visual agree; ``segment_seconds`` per video when it is not 1;
    ``aliases`` (``{other name: label}``) are optional. A folder stands for its ``annotations.json``, else for
    ``<split>.json``.

    Raises
    ------
    UsageError
        the file holds another split
    DataError
        a malformed file; the message names file, video and track
    """
    file = path
    if os.path.isdir(path):
        file, of_split = (or_packed(path / name) for name in ("annotations.json", f"{split}.json"))
        if not file.exists() and of_split.is_file():
            file = of_split
    table = read_table(file, SCHEMA, VERSION, AnnotationsForm)
    data = table.head
    if data.split not in (None, split):
        asked = f"not {shown(split)}; ask for the split {named(data.split)}"
        raise UsageError(f"{named(file)} holds the split {shown(data.split)}, {asked}")
    tracks: list[list[list[Event]]] = []
    for video in table.entries or ():
        audio, visual, together = video.tracks
        if together is None:
            spans = [[event[:3] for event in track or ()] for track in (audio, visual)]
            together = [(*event, np.nan) for event in agreed(*spans)]
        tracks.append([audio or [], visual or [], together])
    events = Events.from_tracks(tracks) if table.entries is not None else replace(table.events, confidence=None)
    return Annotations(
        "json",
        split,
        table.index.labels,
        table.ids,
        table.segments,
        events,
        str(file),
        _repeated(named(file), table.ids, table.index.labels, events),
        segment_seconds=table.segment_seconds,
        aliases=data.aliases,
        background=("other", "background"),
    )


def _repeated(where: str, ids: Sequence[str], labels: Sequence[str], events: Events) -> tuple[str, ...]:
    """A note where events are duplicated in a track: all are kept, and those that rank events count them as several."""
    row = np.repeat(np.arange(len(events.starts) - 1), np.diff(events.starts))
    columns: list[NDArray[Any]] = [row, events.label, events.onset, events.offset]
    if events.seconds is not None:
        columns += list(events.seconds.T)
    order = np.lexsort(columns)
    again = np.logical_and.reduce([column[order][1:] == column[order][:-1] for column in columns])
    if not again.any():
        return ()
    at = int(order[1:][again].min())
    video, track = divmod(int(row[at]), len(TRACKS))
    span = f"{events.onset[at]} to {events.offset[at]}"
    first = f"{shown(labels[events.label[at]])} of {shown(ids[video])} in {TRACKS[track]} from segment {span} for one"
    return (f"{where}: {int(again.sum())} events are duplicated, {first}; all are kept",)


def write_annotations(path: str | os.PathLike[str], annotations: Annotations) -> None:
    """Write annotations of any dataset as the package's own file, all three tracks, replacing it in one step.

    Raises: DataError where the place cannot be written.
    """
    head: dict[str, Any] = {
        "schema": f"{SCHEMA}/{VERSION}",
        "labels": list(annotations.labels),
        "split": annotations.split,
    }
    if annotations.aliases:
        head["aliases"] = dict(annotations.aliases)
    write_videos(
        path,
        head,
        annotations.labels,
        annotations.video_ids,
        annotations.segments_per_video,
        annotations.segment_seconds,
        annotations.events,
        scores=False,
    )


class NativeJson(Dataset):
    """The package's own annotation file, any labels (:func:`load_own`)."""

    name: ClassVar[str] = "json"
    about: ClassVar[str] = (
        "the package's own JSON file, or the folder of annotations.json, or of val.json, test.json, ...; any labels"
    )

    def load(self, path: Path, split: str) -> Annotations:
        return load_own(path, split)

    def split_path(self, path: Path, split: str) -> Path | None:
        """A file of its own for each split: ``<split>.json`` in the folder."""
        file = or_packed(path / f"{split}.json")
        return file if file.is_file() else None
