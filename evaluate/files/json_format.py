"""What the package's own JSON files share: schema and version, videos and their events, and how they are written."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.atomic_write import atomic_write
from ...core.errors import DataError
from ...core.events import TRACKS, Events
from ...core.labels import LabelIndex

MAX_SEGMENTS = 1_000_000
"""Segments a video may have; a larger count is taken for a mistake in the file."""

Event = tuple[int, int, int, float]
"""Label index, onset, offset (segments, half-open), score (NaN where there is none)."""


@dataclass(frozen=True)
class VideoEntry:
    """One video of a file: its number of segments, their length, the events of each track (None: not given)."""

    segments: int
    segment_seconds: float
    tracks: list[list[Event] | None]


def read_json(file: Path, schema: str, version: int) -> dict[str, Any]:
    """A file of one of this package's schemas, with ``labels`` (names) and ``videos`` (an object) in it.

    Raises: DataError for a file that is missing, not JSON (NaN and repeated names are not), of another schema or of
    a newer version.
    """
    try:
        data = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise DataError(f"there is no file {file}; check the path") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file} is not readable JSON: {error}") from error
    declared = data.get("schema") if isinstance(data, dict) else None
    name, _, number = str(declared).partition("/")
    if name != schema:
        raise DataError(f"{file} has schema {declared!r}; expected {schema}/{version}")
    if not number.isdigit() or int(number) > version:
        raise DataError(
            f"{file} has schema {declared!r}, and this avreplay reads up to {schema}/{version}; upgrade avreplay"
        )
    labels = data.get("labels")
    if not isinstance(labels, list) or not all(isinstance(name, str) for name in labels):
        raise DataError(f"{file} lacks `labels`, its list of label names")
    if not isinstance(data.get("videos"), dict):
        raise DataError(f"{file} lacks `videos`, an object with an entry per video id")
    found: dict[str, Any] = data
    return found


def label_index(file: Path, labels: Sequence[str], aliases: Mapping[str, str] | None = None) -> LabelIndex:
    """The index of a file's labels. Raises DataError naming the file when two of them are the same."""
    try:
        return LabelIndex(labels, aliases)
    except DataError as error:
        raise DataError(f"{file}: {error}") from None


def read_video(file: Path, name: str, video: Any, index: LabelIndex) -> VideoEntry:
    """One entry of ``videos``, checked. Raises DataError naming file, video and track."""
    where = f"{file}: video {name!r}"
    if not isinstance(video, dict):
        raise DataError(f"{where} is {video!r}; expected an object with segments and the tracks {', '.join(TRACKS)}")
    segments = video.get("segments")
    if type(segments) is not int or not 0 <= segments <= MAX_SEGMENTS:
        raise DataError(f"{where} has segments {segments!r}; expected a whole number from 0 to {MAX_SEGMENTS}")
    seconds = video.get("segment_seconds", 1)
    if type(seconds) not in (int, float) or not 0 < seconds < float("inf"):
        raise DataError(f"{where} has segment_seconds {seconds!r}; expected a positive number")
    tracks: list[list[Event] | None] = []
    for track in TRACKS:
        events = video.get(track)
        if events is not None and not isinstance(events, list):
            raise DataError(f"{where}, {track}: expected a list of events, got {events!r}")
        if events is None:
            tracks.append(None)
        else:
            tracks.append([_event(e, index, segments, where, track) for e in events])
    return VideoEntry(segments, float(seconds), tracks)


def _event(event: Any, index: LabelIndex, segments: int, where: str, track: str) -> Event:
    try:
        label, onset, offset, score = event["label"], event["onset"], event["offset"], event.get("score")
    except (TypeError, KeyError, AttributeError):
        raise DataError(f"{where}, {track}: an event needs label, onset and offset; got {event!r}") from None
    if type(onset) is not int or type(offset) is not int or not 0 <= onset < offset <= segments:
        raise DataError(
            f"{where}, {track}: the event [{onset}, {offset}) of {label!r} does not lie within {segments} segments"
        )
    if score is None:
        score = float("nan")
    elif type(score) not in (int, float) or not -float("inf") < score < float("inf"):
        raise DataError(f"{where}, {track}: the score of {label!r} is {score!r}; expected a finite number or null")
    if not isinstance(label, str):
        raise DataError(f"{where}, {track}: the label {label!r} is not a name")
    return index.find(label, f"{where}, {track}"), onset, offset, float(score)


def one_or_all(seconds: Sequence[float]) -> float | NDArray[np.float64]:
    """Lengths of a segment, per video: one number where all videos agree, else (N,) float64."""
    lengths = set(seconds)
    if len(lengths) > 1:
        return np.array(seconds, np.float64)
    return lengths.pop() if lengths else 1.0


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
    """Write ``head`` and a line a video, replacing the file in one step; the same input gives the same bytes.

    Raises: DataError for infinite scores, values that JSON does not have, a place that cannot be written.
    """
    if np.isinf(events.score).any():
        raise DataError(f"cannot write {path}: an event has an infinite score")
    try:
        opening = json.dumps(dict(head), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"cannot write {path}: {error}") from error
    names = [json.dumps(label, ensure_ascii=False) for label in labels]
    columns = [column.tolist() for column in (events.label, events.onset, events.offset, events.score)]
    if scores:
        items = [
            f'{{"label": {names[c]}, "onset": {s}, "offset": {e}, "score": {"null" if p != p else repr(p)}}}'
            for c, s, e, p in zip(*columns, strict=True)
        ]
    else:
        items = [f'{{"label": {names[c]}, "onset": {s}, "offset": {e}}}' for c, s, e, _ in zip(*columns, strict=True)]
    row = [f"[{', '.join(items[a:b])}]" for a, b in pairwise(events.starts.tolist())]
    seconds = np.broadcast_to(np.asarray(segment_seconds, np.float64), (len(video_ids),)).tolist()
    lines = []
    for v, (name, segments) in enumerate(zip(video_ids, segments_per_video.tolist(), strict=True)):
        length = "" if seconds[v] == 1 else f'"segment_seconds": {seconds[v]!r}, '
        tracks = ", ".join(f'"{track}": {row[3 * v + k]}' for k, track in enumerate(TRACKS))
        lines.append(f'{json.dumps(name, ensure_ascii=False)}: {{"segments": {segments}, {length}{tracks}}}')
    atomic_write(path, (opening[:-1] + ',\n"videos": {\n' + ",\n".join(lines) + "\n}}\n").encode())


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"{twice!r} is duplicated in the same object")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number (write null)")
