"""Exporting events: what is chosen, where it is written, and what is said about it."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...cache.atomic_folder import atomic_folder, check_new_folder
from ...cache.atomic_write import atomic_write
from ...cache.places import check_outputs
from ...core.arguments import typed_arguments
from ...core.errors import UsageError, shown
from ..datasets.annotations import Annotations
from ..files.predictions import Predictions
from ..made_from import toy_note
from .events import EventList, event_list
from .file_names import file_names
from .media import find_media
from .registry import INDEX, Format, format_of

FIXED = {"data.json", "labels.json", INDEX}
"""Files of formats that are a folder."""


@dataclass(frozen=True)
class ExportSummary:
    """What was written.

    Attributes
    ----------
    format, out : as they were asked for
    videos, events : how many
    files : how many files, ``index.csv`` and a labeling configuration among them
    notes : what the format has no place for, and videos without a media file; a sentence each
    """

    format: str
    out: str
    videos: int
    events: int
    files: int
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self), "notes": list(self.notes)}

    def text(self) -> str:
        files = "" if self.files == 1 else f" ({self.files} files)"
        what = f"{_counted(self.events, 'event')} of {_counted(self.videos, 'video')}"
        return "\n".join([f"{what}; wrote {self.out}{files}", *self.notes])


@typed_arguments
def export_predictions(
    predictions: Predictions,
    format: str,
    out: str | os.PathLike[str],
    *,
    tracks: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
    media: str | os.PathLike[str] | None = None,
    durations: Mapping[str, float] | None = None,
    overwrite: bool = False,
) -> ExportSummary:
    """Write predicted events in the format of another tool, in seconds.

    Parameters
    ----------
    format : ``csv``, ``parquet``, ``audacity``, ``elan``, ``webvtt``, ``srt``, ``labelstudio``, ``activitynet``,
        ``fiftyone`` or ``rttm``
    out : a file, which is replaced, or a folder. Formats of a file a video make a folder of these files and an
        ``index.csv`` that says whose each is; of one video, a path with the extension of the format is a file
    tracks : of ``audio``, ``visual`` and ``audio_visual``; None: all
    ids : of the videos, in their order; None: all
    media : folder of the media files, or a URL with ``{id}`` in it, for formats whose tools play them
    durations : of videos, in seconds, by id; where one is not given, that of the video's segments
    overwrite : replace the folder of an earlier export

    The same events give the same bytes; the file or folder appears whole or not at all.

    Raises
    ------
    UsageError
        an unknown format, track or id, the folder of an earlier export without ``overwrite``, or a file where a second
        one is written beside ``out``, no pyarrow
    DataError
        events that do not fit their videos, names that are none, a place that cannot be written, no folder of videos
    """
    return _export(predictions, format, out, tracks, ids, media, durations, overwrite)


@typed_arguments
def export_annotations(
    annotations: Annotations,
    format: str,
    out: str | os.PathLike[str],
    *,
    tracks: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
    media: str | os.PathLike[str] | None = None,
    durations: Mapping[str, float] | None = None,
    overwrite: bool = False,
) -> ExportSummary:
    """Write annotated events in the format of another tool, in seconds; arguments and errors are those of
    :func:`avreplay.export_predictions`."""
    return _export(annotations, format, out, tracks, ids, media, durations, overwrite)


def _export(
    source: Predictions | Annotations,
    format: str,
    out: str | os.PathLike[str],
    tracks: Sequence[str] | None,
    ids: Sequence[str] | None,
    media: str | os.PathLike[str] | None,
    durations: Mapping[str, float] | None,
    overwrite: bool,
) -> ExportSummary:
    chosen = format_of(format)
    found = {} if media is None else find_media(os.fspath(media), source.video_ids)
    events = event_list(source, tracks, ids, found, durations or {})
    path = os.fspath(out)
    if _is_file(chosen, path, len(events.videos)):
        files = _write_file(events, chosen, path, overwrite)
    else:
        files = _write_folder(events, chosen, path, overwrite)
    count = sum(len(video.events) for video in events.videos)
    toy = toy_note(source.made_from, source.video_ids) if isinstance(source, Predictions) else None
    notes = (*_notes(events, chosen, media is not None), *([toy] if toy else []))
    return ExportSummary(chosen.name, path, len(events.videos), count, files, notes)


def _is_file(chosen: Format, path: str, videos: int) -> bool:
    if chosen.layout != "video":
        return chosen.layout == "file"
    return videos == 1 and path.lower().endswith(chosen.extension) and not os.path.isdir(path)


def _paths(chosen: Format, out: str) -> list[str]:
    """The files of an export to a file: itself, and the one beside it."""
    return [out] if chosen.beside is None else [out, os.path.splitext(out)[0] + chosen.beside[0]]


def _write_file(events: EventList, chosen: Format, out: str, overwrite: bool) -> int:
    paths = _paths(chosen, out)
    check_outputs(*paths)
    # the one beside it was not named by the user: it is taken for that of an earlier export only where this is there
    if len(paths) > 1 and os.path.lexists(paths[1]) and not os.path.lexists(out) and not overwrite:
        raise UsageError(
            f"{paths[1]} is there, which {chosen.name} writes beside {out}; give another --out, or --overwrite"
        )
    render = chosen.function()
    content = [render(events, events.videos[0]) if chosen.layout == "video" else render(events)]
    if chosen.beside is not None:
        content.append(chosen.function(chosen.beside[1])(events))
    for path, found in list(zip(paths, content, strict=True))[::-1]:
        atomic_write(path, found)
    return len(paths)


def _write_folder(events: EventList, chosen: Format, out: str, overwrite: bool) -> int:
    target = check_new_folder(out, "an export", _is_export, overwrite=overwrite)
    if chosen.layout == "folder":
        return atomic_folder(target, chosen.function()(events).items())
    return atomic_folder(target, _of_each_video(events, chosen))


def _of_each_video(events: EventList, chosen: Format) -> Iterator[tuple[str, bytes]]:
    render = chosen.function()
    names = [name + chosen.extension for name in file_names([video.id for video in events.videos])]
    for name, video in zip(names, events.videos, strict=True):
        yield name, render(events, video)
    index = io.StringIO(newline="")
    rows = csv.writer(index, lineterminator="\n")
    rows.writerow(["file", "video_id"])
    rows.writerows((name, video.id) for name, video in zip(names, events.videos, strict=True))
    yield INDEX, index.getvalue().encode()


def _is_export(folder: str, entries: list[str]) -> bool:
    """Whether a folder holds an export and nothing else: what its index names."""
    if INDEX not in entries:
        return False
    try:
        with open(os.path.join(folder, INDEX), encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, ValueError, csv.Error):
        return False
    return rows[:1] == [["file", "video_id"]] and set(entries) <= {row[0] for row in rows} | FIXED


def _notes(events: EventList, chosen: Format, with_media: bool) -> Iterator[str]:
    every = [e for video in events.videos for e in video.events]
    scored = sum(e.score is not None for e in every)
    if scored and not chosen.scores:
        yield f"{chosen.name} has no place for scores: those of {_counted(scored, 'event')} are left out"
    if events.kind == "predictions" and chosen.name == "activitynet" and scored < len(every):
        yield f"without a score, and written with 1: {_counted(len(every) - scored, 'event')}"
    if len(events.tracks) > 1 and chosen.name == "activitynet":
        yield "its evaluation does not tell tracks apart; export one with --tracks to use that"
    plays = chosen.name in ("elan", "labelstudio", "fiftyone")
    without = [video.id for video in events.videos if video.media is None]
    if plays and not with_media:
        yield f"without --media nothing says {chosen.name} where the videos are"
    elif plays and without:
        yield f"without a media file there: {_counted(len(without), 'video')} ({shown(without[0])}, for one)"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
