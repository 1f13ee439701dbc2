"""What the package's own JSON files share: schema and version, videos and their events, and how they are written."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...cache.atomic_write import atomic_write
from ...cache.reading import json_file
from ...cache.reading.files import named, read_bytes
from ...cache.reading.names import Name, checked_name
from ...cache.reading.schema import checked
from ...core.errors import DataError, shown
from ...core.events import TRACKS, Events
from ...core.labels import LabelIndex
from .direct_json import decoded, tabled

MAX_SEGMENTS: Final = 1_000_000
"""Segments a video may have; a larger count is taken for a mistake in the file."""

MAX_LABELS: Final = 100_000
MAX_CELLS: Final = 10**11
"""Segments of all videos times labels; of one video a hundredth. What evaluation takes for a cell is two bits."""

MEND: Final = "write the file again, or correct it there"

Event = tuple[int, int, int, float]
"""Label index, onset, offset (segments, half-open), score (NaN where there is none)."""

Labels = Annotated[list[Name], msgspec.Meta(max_length=MAX_LABELS)]
"""The type of a list of labels in a schema."""


class EventForm(msgspec.Struct, gc=False):
    """One event of a track as it stands in a file; other fields are let be."""

    label: str
    onset: int
    offset: int
    score: float | msgspec.UnsetType | None = msgspec.UNSET


class VideoForm(msgspec.Struct, gc=False):
    """One video as it stands in a file; other fields are let be."""

    segments: Annotated[int, msgspec.Meta(ge=0, le=MAX_SEGMENTS)]
    segment_seconds: Annotated[float, msgspec.Meta(gt=0, le=1e9)] = 1.0
    audio: list[EventForm] | None = None
    visual: list[EventForm] | None = None
    audio_visual: list[EventForm] | None = None


class FileForm(msgspec.Struct):
    """What every file of videos has; other fields are let be."""

    labels: Labels
    videos: dict[Name, VideoForm]
    schema: str = ""


F = TypeVar("F", bound=FileForm)


@dataclass(frozen=True)
class VideoEntry:
    """One video of a file: its number of segments, their length, the events of each track (None: not given)."""

    segments: int
    segment_seconds: float
    tracks: list[list[Event] | None]


def _read_file(file: Path, content: bytes, schema: str, version: int, form: type[F]) -> F:
    """The content of a file of one of this package's schemas, as the form that is declared for it.

    Raises: DataError for content that is no strict JSON, of another schema, of a newer version, or of another
    form; the message gives the place in it.
    """
    data = json_file.parse_json(content, named(file))
    declared = data.get("schema") if isinstance(data, dict) else None
    match = re.fullmatch(rf"{re.escape(schema)}/(.*)", declared, re.DOTALL) if isinstance(declared, str) else None
    if match is None:
        raise DataError(
            f"{named(file)} has schema {shown(declared)}; expected {schema}/{version}, so give a file of that kind"
        )
    if not re.fullmatch("[1-9][0-9]{0,5}", match[1]) or int(match[1]) > version:
        raise DataError(
            f"{named(file)} has schema {shown(declared)}, and this avreplay reads up to {schema}/{version}; "
            "upgrade avreplay"
        )
    return checked(data, form, named(file), MEND)


def label_index(file: Path, labels: Sequence[str], aliases: Mapping[str, str] | None = None) -> LabelIndex:
    """The index of a file's labels. Raises DataError naming the file when two of them are the same."""
    try:
        return LabelIndex(labels, aliases)
    except DataError as error:
        raise DataError(f"{named(file)}: {error}") from None


def read_table(
    file: Path, schema: str, version: int, form: type[F]
) -> tuple[F, LabelIndex, NDArray[np.int64], Events, list[VideoEntry] | None]:
    """A file of videos: its form, the index of its labels, segments (N,) and events of its videos; and the entries of
    the videos where not every track is given, else None.

    Raises: DataError as :func:`_read_file` and :func:`_read_videos`.
    """
    content = read_bytes(file, f"{schema.partition('.')[2]} file", json_file.MOST)
    data = decoded(content, form)
    if data is not None and data.schema == f"{schema}/{version}":
        index = label_index(file, data.labels, getattr(data, "aliases", None))
        known = {label: i for i, label in enumerate(index.labels)}
        head = [getattr(data, name) or None for name in data.__struct_fields__ if name != "videos"]
        found = tabled(content, head, data.videos, known)
        if found is not None:
            _refuse_many(file, found[0].tolist(), index)
            return (data, index, *found, None)
    data = _read_file(file, content, schema, version, form)
    index = label_index(file, data.labels, getattr(data, "aliases", None))
    videos = _read_videos(file, data.videos, index)
    segments = np.array([video.segments for video in videos], np.int64)
    return data, index, segments, Events.from_tracks([[t or [] for t in video.tracks] for video in videos]), videos


def _read_videos(file: Path, videos: Mapping[str, VideoForm], index: LabelIndex) -> list[VideoEntry]:
    """The entries of ``videos``, with label indices. Raises DataError naming file, video and track.

    The events must lie within their videos, which together must not have more than :data:`MAX_CELLS`.
    """
    _refuse_many(file, [video.segments for video in videos.values()], index)
    known = {label: i for i, label in enumerate(index.labels)}
    return [
        VideoEntry(
            video.segments,
            video.segment_seconds,
            [
                None if events is None else _events(events, known, index, video.segments, (file, name, track))
                for track, events in zip(TRACKS, (video.audio, video.visual, video.audio_visual), strict=True)
            ],
        )
        for name, video in videos.items()
    ]


def _refuse_many(file: Path, counts: list[int], index: LabelIndex) -> None:
    cells = max(100 * max(counts, default=0), sum(counts)) * len(index.labels)
    if cells > MAX_CELLS:
        raise DataError(
            f"{named(file)} has {sum(counts)} segments, {max(counts)} in one video, and {len(index.labels)} labels, "
            "which is too much to be scored; check `segments`"
        )


def _events(
    events: list[EventForm], known: dict[str, int], index: LabelIndex, segments: int, place: tuple[Path, str, str]
) -> list[Event]:
    found: list[Event] = []
    for event in events:
        label, onset, offset, score = event.label, event.onset, event.offset, event.score
        if not 0 <= onset < offset <= segments:
            raise DataError(
                f"{_where(place)}: the event [{onset}, {offset}) of {shown(label)} does not lie within {segments} "
                "segments; correct onset and offset"
            )
        at = known.get(label)
        if at is None:
            at = index.find(label, _where(place))
        found.append((at, onset, offset, score if isinstance(score, (int, float)) else np.nan))
    return found


def _where(place: tuple[Path, str, str]) -> str:
    file, name, track = place
    return f"{named(file)}: video {shown(name)}, {track}"


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

    Raises: DataError for infinite scores, values that JSON does not have, names that reading refuses, a place that
    cannot be written.
    """
    for what, given in (("label", labels), ("video id", video_ids)):
        for text in given:
            checked_name(text, f"cannot write {named(path)}", what)
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
