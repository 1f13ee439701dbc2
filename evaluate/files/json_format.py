"""What the package's own JSON files share: schema and version, videos and their events, and how they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, Generic, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...cache.reading import json_file
from ...cache.reading.files import named, read_content
from ...cache.reading.names import Name
from ...cache.reading.schema import checked
from ...core.errors import DataError, shown
from ...core.events import TRACKS, Events
from ...core.labels import LabelIndex
from ..seconds import seconds_of
from .direct_json import decoded, tabled
from .event_seconds import within
from .scanned_json import head_of, scanned

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
    confidence: float | msgspec.UnsetType = msgspec.UNSET
    onset_seconds: float | msgspec.UnsetType = msgspec.UNSET
    offset_seconds: float | msgspec.UnsetType = msgspec.UNSET


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


def read_head(file: Path, text: bytes, schema: str, version: int, form: type[F]) -> F:
    """The fields of a file but for its videos, from a JSON object of them. Raises: DataError as :func:`_read_file`."""
    opening = text.rstrip()[:-1] if text.rstrip().endswith(b"}") else text
    return _read_file(file, opening + b', "videos": {}}', schema, version, form)


@dataclass(frozen=True)
class Table(Generic[F]):
    """A file of N videos.

    head : its fields, but for ``videos``, which may be empty here
    index : of its labels
    ids : of its videos, in their order
    segments : (N,) int64
    segment_seconds : length of a segment, one number or (N,) float64
    events : a one-setting table
    entries : the videos where not every track is given, else None
    """

    head: F
    index: LabelIndex
    ids: tuple[str, ...]
    segments: NDArray[np.int64]
    segment_seconds: float | NDArray[np.float64]
    events: Events
    entries: list[VideoEntry] | None = None


def read_table(file: Path, schema: str, version: int, form: type[F]) -> Table[F]:
    """A file of videos: scanned where it is large and as the package writes it, else straight from JSON into arrays
    where that is sure to be right, else checked value by value.

    Raises: DataError as :func:`_read_file` and :func:`_read_videos`.
    """
    content = read_content(file, f"{schema.partition('.')[2]} file", json_file.MOST)
    found = _scanned(file, content, schema, version, form) or _direct(file, content, f"{schema}/{version}", form)
    if found is not None:
        _refuse_many(file, found.segments.tolist(), found.index)
        return found
    data = _read_file(file, content, schema, version, form)
    index = label_index(file, data.labels, getattr(data, "aliases", None))
    videos = _read_videos(file, data.videos, index)
    segments = np.array([video.segments for video in videos], np.int64)
    events = Events.from_tracks([[t or [] for t in video.tracks] for video in videos])
    events = replace(events, confidence=_confidence(file, data.videos), seconds=_seconds(file, data.videos))
    seconds = one_or_all([video.segment_seconds for video in videos])
    complete = all(track is not None for video in videos for track in video.tracks)
    return Table(data, index, tuple(data.videos), segments, seconds, events, None if complete else videos)


def _scanned(file: Path, content: bytes, schema: str, version: int, form: type[F]) -> Table[F] | None:
    head = head_of(content)
    if head is None:
        return None
    try:
        data = _read_file(file, head, schema, version, form)
        index = label_index(file, data.labels, getattr(data, "aliases", None))
    except DataError:
        return None  # what else is wrong may come before
    found = None if data.schema != f"{schema}/{version}" else scanned(content, index.labels)
    if found is None:
        return None
    seconds = 1.0 if found.seconds is None else one_or_all(found.seconds.tolist())
    return Table(data, index, found.ids, found.segments, seconds, found.events)


def _direct(file: Path, content: bytes, declared: str, form: type[F]) -> Table[F] | None:
    data = decoded(content, form)
    if data is None or data.schema != declared:
        return None
    index = label_index(file, data.labels, getattr(data, "aliases", None))
    known = {label: i for i, label in enumerate(index.labels)}
    head = [getattr(data, name) or None for name in data.__struct_fields__ if name != "videos"]
    found = tabled(content, head, data.videos, known)
    if found is None:
        return None
    seconds = one_or_all([video.segment_seconds for video in data.videos.values()])
    return Table(data, index, tuple(data.videos), found[0], seconds, found[1])


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


def _forms(videos: Mapping[str, VideoForm]) -> Iterator[tuple[str, str, VideoForm, EventForm]]:
    """Every event, in order, with the names of its video and track."""
    for name, video in videos.items():
        for track, events in zip(TRACKS, (video.audio, video.visual, video.audio_visual), strict=True):
            for event in events or ():
                yield name, track, video, event


def _confidence(file: Path, videos: Mapping[str, VideoForm]) -> NDArray[np.float64] | None:
    """The confidence of every event (E,), None where they have none. Raises: DataError where only some have one."""
    found: list[float] = []
    without = None
    for name, track, _, event in _forms(videos):
        if isinstance(event.confidence, msgspec.UnsetType):
            without = without or (name, track, event)
        else:
            found.append(event.confidence)
    if without is not None and found:
        name, track, event = without
        raise DataError(
            f"{_where((file, name, track))}: the event [{event.onset}, {event.offset}) of {shown(event.label)} has no "
            "confidence and others have one; give all of them one, or none"
        )
    return np.array(found, np.float64) if without is None else None


def _seconds(file: Path, videos: Mapping[str, VideoForm]) -> NDArray[np.float64] | None:
    """Onset and offset of every event in seconds (E, 2), None where no event has them; of one without, those of its
    segments. Raises: DataError for times that do not lie within their video."""
    found: list[tuple[float, float]] = []
    some = False
    for name, track, video, event in _forms(videos):
        length = video.segment_seconds
        times = event.onset_seconds, event.offset_seconds
        onset, offset = (
            seconds_of(segments, length) if isinstance(t, msgspec.UnsetType) else float(t)
            for segments, t in zip((event.onset, event.offset), times, strict=True)
        )
        given = [not isinstance(t, msgspec.UnsetType) for t in times]
        some = some or any(given)
        end = video.segments * length
        if any(given) and not (all(given) and _within(onset, offset, end, length)):
            raise DataError(
                f"{_where((file, name, track))}: the event [{event.onset}, {event.offset}) of {shown(event.label)} "
                f"needs both onset_seconds and offset_seconds, in order and within the {end:g} s of the video; correct "
                "them"
            )
        found.append((onset, offset))
    return np.array(found, np.float64).reshape(-1, 2) if some else None


def _within(onset: float, offset: float, end: float, length: float) -> bool:
    return bool(within(np.array([[onset, offset]]), np.array([end]), np.array([length]))[0])


def _where(place: tuple[Path, str, str]) -> str:
    file, name, track = place
    return f"{named(file)}: video {shown(name)}, {track}"


def one_or_all(seconds: Sequence[float]) -> float | NDArray[np.float64]:
    """Lengths of a segment, per video: one number where all videos agree, else (N,) float64."""
    lengths = set(seconds)
    if len(lengths) > 1:
        return np.array(seconds, np.float64)
    return lengths.pop() if lengths else 1.0
