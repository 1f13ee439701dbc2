"""Writing predictions block by block: as JSON, or as Parquet where the path ends in ``.parquet``."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from ...cache.atomic_write import atomic_file
from ...cache.places import check_path, output_file, output_folder
from ...core.arguments import typed_arguments
from ...core.errors import DataError, UsageError, shown
from ...core.events import TRACKS, Events
from .json_writer import VideoLines, check_scores, check_written, head_text, video_lines
from .parquet_part import parquet_library, write_part
from .parquet_parts import PARTS_OF, PartsFolder, run_of
from .predictions_table import Predictions, predictions_head

PART_VIDEOS = 10_000
"""Videos of a Parquet file; more of them are written as a folder of files of so many each."""


class PredictionWriter(ABC):
    """Takes the predictions of a run, in blocks of consecutive videos of any size. Made by :func:`prediction_writer`.

    Attributes
    ----------
    done : how many of the first videos an interrupted call of the same run has written; begin with the one after
    events : how many events of each track are written, those of the interrupted call as well
    """

    def __init__(self, path: str | os.PathLike[str], labels: Sequence[str], video_ids: Sequence[str]) -> None:
        self.path: str | os.PathLike[str] = path
        self.labels: tuple[str, ...] = tuple(labels)
        self.video_ids: tuple[str, ...] = tuple(video_ids)
        self.done: int = 0
        self.events: dict[str, int] = dict.fromkeys(TRACKS, 0)
        self._at = 0

    def write(self, predictions: Predictions) -> None:
        """Write the next videos.

        Raises: DataError for other labels or videos than are due, infinite scores, a place that cannot be written.
        """
        ids = predictions.video_ids
        if predictions.labels != self.labels:
            raise DataError(f"cannot write {self.path}: a block has other labels than the run; give it the same ones")
        due = self.video_ids[self._at : self._at + len(ids)]
        if ids != due:
            k = next((k for k, (a, b) in enumerate(zip(ids, due, strict=False)) if a != b), len(due))
            wanted = shown(due[k]) if k < len(due) else "no video"
            raise DataError(
                f"cannot write {self.path}: a block has the video {shown(ids[k])} where {wanted} is due; give the "
                "videos in order"
            )
        check_scores(self.path, predictions.events)
        self._add(predictions)
        self._at += len(ids)
        self._count(predictions.events.of_each_track())

    def _begin(self, done: int, events: Sequence[int]) -> None:
        self.done = self._at = done
        self._count(events)

    def _count(self, events: Sequence[int]) -> None:
        for track, number in zip(TRACKS, events, strict=True):
            self.events[track] += int(number)

    def _end(self) -> None:
        if self._at < len(self.video_ids):
            raise DataError(
                f"cannot write {self.path}: {self._at} of {len(self.video_ids)} videos were given; give all of them"
            )

    @abstractmethod
    def _add(self, predictions: Predictions) -> None:
        """Write or keep the next videos, which are those that are due."""


class _Json(PredictionWriter):
    lines: VideoLines

    def _add(self, predictions: Predictions) -> None:
        p = predictions
        self.lines.write(p.video_ids, p.segments_per_video, p.segment_seconds, p.events)


class _Parquet(PredictionWriter):
    """Keeps videos until a part is full, so that parts do not depend on the blocks."""

    def __init__(
        self, path: str | os.PathLike[str], labels: Sequence[str], video_ids: Sequence[str], part_videos: int
    ) -> None:
        super().__init__(path, labels, video_ids)
        self._part_videos = part_videos
        self._kept: list[Predictions] = []

    def _add(self, predictions: Predictions) -> None:
        first = 0
        while first < len(predictions.video_ids):
            room = self._part_videos - sum(len(p.video_ids) for p in self._kept)
            end = min(first + room, len(predictions.video_ids))
            self._kept.append(predictions.select(np.arange(first, end)))
            if end - first == room:
                self._full()
            first = end

    def _full(self) -> None:
        """Write the videos that are kept."""
        kept, self._kept = Predictions.joined(self._kept), []
        self._write_part(kept)

    def _end(self) -> None:
        super()._end()
        if not self.video_ids:
            self._kept = [Predictions(self.labels, {}, (), np.zeros(0, np.int64), Events.from_tracks([]))]
        if self._kept:
            self._full()

    @abstractmethod
    def _write_part(self, predictions: Predictions) -> None: ...


class _Folder(_Parquet):
    folder: PartsFolder

    def _write_part(self, predictions: Predictions) -> None:
        self.folder.write(predictions)


class _File(_Parquet):
    head: str

    def _write_part(self, predictions: Predictions) -> None:
        with atomic_file(self.path) as file:
            write_part(file, self.head, predictions, None)


def is_parquet(path: str | os.PathLike[str]) -> bool:
    """Whether predictions at a path are written as Parquet."""
    return os.fspath(path).rstrip("/").lower().endswith(".parquet")


def is_folder(path: str | os.PathLike[str], videos: int = 0, part_videos: int = PART_VIDEOS) -> bool:
    """Whether predictions of so many videos are written as a folder of Parquet files."""
    name = os.fspath(path)
    return is_parquet(name) and (name.endswith("/") or os.path.isdir(name) or videos > part_videos)


def check_predictions_path(path: str | os.PathLike[str] | None) -> str | os.PathLike[str] | None:
    """The path where it will be a file, for :func:`.cache.places.check_outputs`; None where nothing, or a folder of
    parts, is to be written there, which is checked here.

    Raises: UsageError for Parquet without pyarrow, as :func:`.cache.places.output_folder`.
    """
    if path is None or not is_parquet(path):
        return path
    parquet_library()
    if not is_folder(path):
        return path
    output_folder(check_path(path, PARTS_OF), PARTS_OF)
    return None


@typed_arguments
def prediction_writer(
    path: str | os.PathLike[str],
    labels: Sequence[str],
    params: Mapping[str, Any],
    video_ids: Sequence[str],
    *,
    made_from: Mapping[str, Any] | None = None,
    run: Mapping[str, Any] | None = None,
    part_videos: int = PART_VIDEOS,
    overwrite: bool = False,
) -> AbstractContextManager[PredictionWriter]:
    """A writer of the predictions of ``video_ids``, to which all of them are given, in their order.

    JSON has the bytes of :func:`.predictions.write_predictions` and takes its place at the end of the block. A path
    that ends in ``.parquet`` becomes a Parquet file, likewise at the end; with more than ``part_videos`` videos, with
    a slash at its end, or where a folder lies, a folder of files ``part-00000.parquet`` of ``part_videos`` videos each.
    Each part is there once it is full. A later call of the same run finds those of an interrupted one and begins after
    them (``done``); the bytes are those of a call that was not interrupted, and do not depend on the blocks.

    Parameters
    ----------
    labels, params, made_from : as :class:`Predictions` has them
    run : what else decides the events, beside these and the videos, such as the tracks that are computed; JSON
    overwrite : replace the parts of another run

    It is the same run where all of these are the same and ``made_from`` has the hash of the store's content; without
    that, nothing says that the scores are the same, and parts are written anew.

    Raises
    ------
    UsageError
        parts of another run, or a file where a folder is to be written, without ``overwrite``; no pyarrow
    DataError
        names that reading refuses, values that JSON does not have, a folder with other files, a place that cannot be
        written; at the end, videos that were not given
    """
    head = predictions_head(labels, params, made_from)
    check_written(path, "label", labels)
    check_written(path, "video id", video_ids)
    if not is_parquet(path):
        return _writing_json(path, head, labels, video_ids)
    parquet_library()
    if part_videos < 1:
        raise UsageError(f"a part of {part_videos} videos holds nothing; give at least 1")
    text = head_text(path, head)
    if not is_folder(path, len(video_ids), part_videos):
        return _writing_file(path, text, labels, video_ids)
    return _writing_parts(path, text, labels, run_of(head, video_ids, part_videos, run), video_ids, overwrite)


@contextmanager
def _writing_json(
    path: str | os.PathLike[str], head: Mapping[str, Any], labels: Sequence[str], video_ids: Sequence[str]
) -> Iterator[PredictionWriter]:
    writer = _Json(path, labels, video_ids)
    with video_lines(path, head, labels, scores=True) as writer.lines:
        yield writer
        writer._end()


@contextmanager
def _writing_file(
    path: str | os.PathLike[str], head: str, labels: Sequence[str], video_ids: Sequence[str]
) -> Iterator[PredictionWriter]:
    output_file(path)
    writer = _File(path, labels, video_ids, len(video_ids) + 1)  # which is full at the end alone
    writer.head = head
    yield writer
    writer._end()


@contextmanager
def _writing_parts(
    path: str | os.PathLike[str],
    head: str,
    labels: Sequence[str],
    run: Mapping[str, Any],
    video_ids: Sequence[str],
    overwrite: bool,
) -> Iterator[PredictionWriter]:
    writer = _Folder(path, labels, video_ids, run["part_videos"])
    writer.folder = PartsFolder(path, head, run, overwrite=overwrite)
    writer._begin(min(writer.folder.done * run["part_videos"], len(video_ids)), writer.folder.events)
    yield writer
    writer._end()
