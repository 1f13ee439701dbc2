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
from ...cache.reading.files import named
from ...cache.reading.names import Name, checked_name
from ...cache.reading.schema import checked
from ...core.errors import DataError, shown
from ...core.events import TRACKS, Events
from ...core.labels import LabelIndex

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
    score: float | None = None


class VideoForm(msgspec.Struct, gc=False):
    """One video as it stands in a file; other fields are let be."""

    segments: Annotated[int, msgspec.Meta(ge=0, le=MAX_SEGMENTS)]
    segment_seconds: Annotated[float, msgspec.Meta(gt=0, le=1e9)] = 1.0
    audio: list[EventForm] | None = None
    visual: list[EventForm] | None = None
    audio_visual: list[EventForm] | None = None


F = TypeVar("F")


@dataclass(frozen=True)
class VideoEntry:
    """One video of a file: its number of segments, their length, the events of each track (None: not given)."""

    segments: int
    segment_seconds: float
    tracks: list[list[Event] | None]


def read_file(file: Path, schema: str, version: int, form: type[F]) -> F:
    """A file of one of this package's schemas, as the form that is declared for it.

    Raises: DataError for a file that is missing, no strict JSON, of another schema, of a newer version, or of another
    form; the message gives the place in it.
    """
    data = json_file.read_json(file, f"{schema.partition('.')[2]} file")
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


def read_videos(file: Path, videos: Mapping[str, VideoForm], index: LabelIndex) -> list[VideoEntry]:
    """The entries of ``videos``, with label indices. Raises DataError naming file, video and track.

    The events must lie within their videos, which together must not have more than :data:`MAX_CELLS`.
    """
    counts = [video.segments for video in videos.values()]
    cells = max(100 * max(counts, default=0), sum(counts)) * len(index.labels)
    if cells > MAX_CELLS:
        raise DataError(
            f"{named(file)} has {sum(counts)} segments, {max(counts)} in one video, and {len(index.labels)} labels, "
            "which is too much to be scored; check `segments`"
        )
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
        found.append((at, onset, offset, np.nan if score is None else score))
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
