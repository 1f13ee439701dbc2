"""Exporting events: what is chosen, where it is written, and what is said about it."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...cache.atomic_folder import atomic_folder, check_new_folder
from ...cache.atomic_write import atomic_file, atomic_write
from ...cache.places import check_outputs
from ...core.arguments import typed_arguments
from ...core.errors import UsageError
from ..datasets.annotations import Annotations
from ..files.prediction_blocks import PredictionBlocks
from ..files.predictions_table import Predictions
from ..made_from import toy_note
from .events import EventList, chosen_videos, event_list
from .file_names import file_names
from .media import find_media
from .registry import INDEX, Format, format_of
from .said import Said, counted

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
        what = f"{counted(self.events, 'event')} of {counted(self.videos, 'video')}"
        return "\n".join([f"{what}; wrote {self.out}{files}", *self.notes])


@typed_arguments
def export_predictions(
    predictions: Predictions | PredictionBlocks,
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

    Predictions in blocks are written a block at a time to ``csv``, ``parquet`` and ``rttm`` and to a folder of a file a
    video, with the same bytes; the other formats take all of them into memory.

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
    source: Predictions | PredictionBlocks | Annotations,
    format: str,
    out: str | os.PathLike[str],
    tracks: Sequence[str] | None,
    ids: Sequence[str] | None,
    media: str | os.PathLike[str] | None,
    durations: Mapping[str, float] | None,
    overwrite: bool,
) -> ExportSummary:
    chosen = format_of(format)
    path = os.fspath(out)
    if isinstance(source, PredictionBlocks):
        source = _gathered(source, chosen, path, ids)
    found = {} if media is None else find_media(os.fspath(media), source.video_ids)
    said = Said(chosen, media is not None)
    if isinstance(source, PredictionBlocks):
        names: Sequence[str] = source.video_ids
        lists: Iterator[EventList] = (event_list(block, tracks, None, found, durations or {}) for block in source)
    else:
        whole = event_list(source, tracks, ids, found, durations or {})
        names, lists = [video.id for video in whole.videos], iter([whole])
    blocks = said.listening(lists)
    if chosen.streams:
        check_outputs(path)
        with atomic_file(path) as file:
            chosen.function()(file, blocks)
        files = 1
    elif _is_file(chosen, path, len(names)):
        files = _write_file(next(blocks), chosen, path, overwrite)
    else:
        files = _write_folder(blocks, names, chosen, path, overwrite)
    toy = None if isinstance(source, Annotations) else toy_note(source.made_from, source.video_ids)
    return ExportSummary(
        chosen.name, path, len(names), said.events, files, (*said.notes(), *([toy] if toy else []))
    )  # fmt: skip


def _gathered(
    blocks: PredictionBlocks, chosen: Format, path: str, ids: Sequence[str] | None
) -> Predictions | PredictionBlocks:
    """The predictions at once where some videos are wanted, or a format is not written from block to block."""
    if ids is not None:
        wanted = np.zeros(len(blocks.video_ids), np.bool_)
        wanted[chosen_videos(blocks, ids)] = True
        parts, first = [], 0
        for block in blocks:
            end = first + len(block.video_ids)
            parts.append(block.select(np.flatnonzero(wanted[first:end])))
            first = end
        return Predictions.joined(parts)
    streams = chosen.streams or (chosen.layout == "video" and not _is_file(chosen, path, len(blocks.video_ids)))
    return blocks if streams and len(blocks) > 1 else blocks.whole()


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


def _write_folder(blocks: Iterator[EventList], names: Sequence[str], chosen: Format, out: str, overwrite: bool) -> int:
    target = check_new_folder(out, "an export", _is_export, overwrite=overwrite)
    if chosen.layout == "folder":
        return atomic_folder(target, chosen.function()(next(blocks)).items())
    return atomic_folder(target, _of_each_video(blocks, names, chosen))


def _of_each_video(blocks: Iterator[EventList], ids: Sequence[str], chosen: Format) -> Iterator[tuple[str, bytes]]:
    render = chosen.function()
    files = [name + chosen.extension for name in file_names(ids)]
    number = iter(files)
    for events in blocks:
        for video in events.videos:
            yield next(number), render(events, video)
    index = io.StringIO(newline="")
    rows = csv.writer(index, lineterminator="\n")
    rows.writerow(["file", "video_id"])
    rows.writerows(zip(files, ids, strict=True))
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
