"""The package's own JSON files, written block by block: a head, and a line a video."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...cache.atomic_write import atomic_file
from ...cache.reading.files import named
from ...cache.reading.names import checked_name
from ...core.errors import DataError
from ...core.events import TRACKS, Events


class VideoLines:
    """Writes the videos of a file, a block of them at a time. Made by :func:`video_lines`."""

    def __init__(self, file: BinaryIO, labels: Sequence[str], scores: bool) -> None:
        self._file, self._scores = file, scores
        self._names = [json.dumps(label, ensure_ascii=False) for label in labels]
        self._between = ""

    def _event_texts(self, events: Events) -> list[str]:
        """The members of the object of each event."""
        names = self._names
        columns = [column.tolist() for column in (events.label, events.onset, events.offset, events.score)]
        if self._scores:
            texts = [
                f'"label": {names[c]}, "onset": {s}, "offset": {e}, "score": {"null" if p != p else repr(p)}'
                for c, s, e, p in zip(*columns, strict=True)
            ]
        else:
            texts = [f'"label": {names[c]}, "onset": {s}, "offset": {e}' for c, s, e, _ in zip(*columns, strict=True)]
        if self._scores and events.confidence is not None:
            told = events.confidence.tolist()
            texts = [f'{text}, "confidence": {x!r}' for text, x in zip(texts, told, strict=True)]
        if events.seconds is not None:
            times = events.seconds.tolist()
            texts = [
                f'{text}, "onset_seconds": {s!r}, "offset_seconds": {e!r}'
                for text, (s, e) in zip(texts, times, strict=True)
            ]
        return texts

    def write(
        self,
        video_ids: Sequence[str],
        segments_per_video: NDArray[np.int64],
        segment_seconds: float | NDArray[np.float64],
        events: Events,
    ) -> None:
        """Write the next videos, label indices into the labels of the file; ids and scores are checked
        (:func:`check_written`, :func:`check_scores`)."""
        items = [f"{{{text}}}" for text in self._event_texts(events)]
        row = [f"[{', '.join(items[a:b])}]" for a, b in pairwise(events.starts.tolist())]
        seconds = np.broadcast_to(np.asarray(segment_seconds, np.float64), (len(video_ids),)).tolist()
        lines = []
        for v, (name, segments) in enumerate(zip(video_ids, segments_per_video.tolist(), strict=True)):
            length = "" if seconds[v] == 1 else f'"segment_seconds": {seconds[v]!r}, '
            tracks = ", ".join(f'"{track}": {row[3 * v + k]}' for k, track in enumerate(TRACKS))
            lines.append(f'{json.dumps(name, ensure_ascii=False)}: {{"segments": {segments}, {length}{tracks}}}')
        if lines:
            self._file.write((self._between + ",\n".join(lines)).encode())
            self._between = ",\n"


def check_written(path: str | os.PathLike[str], what: str, names: Sequence[str]) -> None:
    """Raises: DataError for a label or an id (``what``) that reading refuses."""
    for text in names:
        checked_name(text, f"cannot write {named(path)}", what)


def check_scores(path: str | os.PathLike[str], events: Events) -> None:
    """Raises: DataError for an infinite score, which JSON does not have, and for a confidence or seconds that are no
    finite numbers."""
    if np.isinf(events.score).any():
        raise DataError(f"cannot write {path}: an event has an infinite score")
    for name in ("confidence", "seconds"):
        column = getattr(events, name)
        if column is not None and not np.isfinite(column).all():
            raise DataError(f"cannot write {path}: the {name} of an event are no finite numbers")


def head_text(path: str | os.PathLike[str], head: Mapping[str, Any]) -> str:
    """The fields of a file but for its videos, as a JSON object. Raises: DataError for what JSON does not have."""
    try:
        return json.dumps(dict(head), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"cannot write {path}: {error}") from error


@contextmanager
def video_lines(
    path: str | os.PathLike[str], head: Mapping[str, Any], labels: Sequence[str], *, scores: bool
) -> Iterator[VideoLines]:
    """A file of ``head`` and the videos that are written to it, which takes its place in one step at the end of the
    block; the same input gives the same bytes, whatever the blocks.

    The labels are checked (:func:`check_written`).

    Raises: DataError for values that JSON does not have, a place that cannot be written.
    """
    opening = head_text(path, head)
    with atomic_file(path) as file:
        file.write((opening[:-1] + ',\n"videos": {\n').encode())
        yield VideoLines(file, labels, scores)
        file.write(b"\n}}\n")


def write_videos(
    path: str | os.PathLike[str],
    head: Mapping[str, Any],
    labels: Sequence[str],
    video_ids: Sequence[str],
    segments_per_video: NDArray[np.int64],
    segment_seconds: float | NDArray[np.float64],
    events: Events,
    *,
    scores: bool,
) -> None:
    """Write a file whole. Raises: as :func:`video_lines`, :func:`check_written` and :func:`check_scores`."""
    check_written(path, "label", labels)
    check_written(path, "video id", video_ids)
    check_scores(path, events)
    with video_lines(path, head, labels, scores=scores) as lines:
        lines.write(video_ids, segments_per_video, segment_seconds, events)
