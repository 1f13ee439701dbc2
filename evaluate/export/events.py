"""What every format is rendered from: the events of videos in seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...cache.reading.names import checked_name
from ...core.errors import DataError, UsageError, did_you_mean, shown
from ...core.events import TRACKS, Events, check_tracks
from ..datasets.annotations import Annotations
from ..files.prediction_blocks import PredictionBlocks
from ..files.predictions_table import Predictions
from ..seconds import seconds_of, timed_events

_COMPARED = 10_000
"""Ids that are compared to find the nearest."""


@dataclass(frozen=True, slots=True)
class TimedEvent:
    """One event: ``onset`` and ``offset`` in seconds, half-open; score and confidence None where there is none."""

    track: str
    label: str
    onset: float
    offset: float
    score: float | None
    confidence: float | None = None

    @property
    def sureness(self) -> float | None:
        """What ranks the event, for formats with one number for that: the confidence, else the score."""
        return self.score if self.confidence is None else self.confidence


@dataclass(frozen=True)
class TimedVideo:
    """One video.

    Attributes
    ----------
    id : of the video
    duration : in seconds
    events : by track in the order of ``TRACKS``, within a track as the decoder or the annotations have them
    media : absolute path or URL of its file; None where it is not known
    """

    id: str
    duration: float
    events: tuple[TimedEvent, ...]
    media: str | None = None

    def by_time(self) -> list[TimedEvent]:
        """The events by onset, then offset; equals in the order of :attr:`events`."""
        return sorted(self.events, key=lambda e: (e.onset, e.offset))


@dataclass(frozen=True)
class EventList:
    """Events of N videos.

    Attributes
    ----------
    videos : in the order of the predictions or annotations
    labels : the label list
    tracks : those that were chosen, in the order of ``TRACKS``
    kind : whether the events were predicted or are the truth
    split : of the annotations; empty for predictions
    model : what predicted: preset or decoder; empty for the truth
    """

    videos: tuple[TimedVideo, ...]
    labels: tuple[str, ...]
    tracks: tuple[str, ...]
    kind: Literal["predictions", "truth"]
    split: str = ""
    model: str = ""

    def caption(self, event: TimedEvent) -> str:
        """The text of an event where there is no place for its track: with several tracks, that goes before."""
        return f"{event.track}: {event.label}" if len(self.tracks) > 1 else event.label


def chosen_tracks(tracks: Sequence[str] | None) -> tuple[str, ...]:
    """Tracks in their order, all of them for None. Raises: UsageError for one that there is not, and for none."""
    if tracks is None:
        return TRACKS
    check_tracks(tracks)
    if not tracks:
        raise UsageError(f"no track was chosen; choose from {', '.join(TRACKS)}")
    return tuple(track for track in TRACKS if track in tracks)


def event_list(
    source: Predictions | Annotations,
    tracks: Sequence[str] | None,
    ids: Sequence[str] | None,
    media: Mapping[str, str],
    durations: Mapping[str, float],
) -> EventList:
    """The events in seconds of the chosen tracks and videos.

    ``media`` and ``durations`` by video id; where a duration is not given, the segments' is taken.

    Raises
    ------
    DataError
        ids or labels that are no names or twice there, events that do not lie in their video, infinite scores
    UsageError
        an id that is not among the videos, a track that there is not
    """
    wanted = chosen_tracks(tracks)
    _check(source)
    chosen = chosen_videos(source, ids)
    seconds = np.broadcast_to(np.asarray(source.segment_seconds, np.float64), (len(source.video_ids),)).tolist()
    segments = source.segments_per_video.tolist()
    videos = []
    for v in chosen:
        name = source.video_ids[v]
        events = tuple(
            TimedEvent(track, source.labels[c], onset, offset, score, confidence)
            for _, track, c, onset, offset, score, confidence in timed_events(source.events, seconds, [v], wanted)
        )
        duration = durations.get(name) or seconds_of(segments[v], seconds[v])
        videos.append(TimedVideo(name, duration, events, media.get(name)))
    if isinstance(source, Annotations):
        return EventList(tuple(videos), tuple(source.labels), wanted, "truth", split=source.split)
    model = source.params.get("preset") or source.params.get("decoder") or ""
    return EventList(tuple(videos), tuple(source.labels), wanted, "predictions", model=str(model))


def chosen_videos(source: Predictions | PredictionBlocks | Annotations, ids: Sequence[str] | None) -> list[int]:
    """Numbers of the videos of ids; those of annotations may be written as evaluation takes them."""
    have = source.video_ids
    if ids is None:
        return list(range(len(have)))
    wanted = list(dict.fromkeys(ids))
    number = {video: i for i, video in enumerate(have)}
    at = source.match(wanted) if isinstance(source, Annotations) else [number.get(video, -1) for video in wanted]
    if -1 in at:
        video = wanted[at.index(-1)]
        near = did_you_mean(video, have[:_COMPARED])
        raise UsageError(f"the video {shown(video)} is not among the {len(have)} videos{near}")
    return at


def _check(source: Predictions | Annotations) -> None:
    """Files are checked when they are read; what was made in Python is checked here."""
    events = source.events
    for what, names in (("label", source.labels), ("video id", source.video_ids)):
        for name in names:
            checked_name(name, "these events cannot be exported", what)
        if len(set(names)) < len(names):
            twice = next(name for name, count in Counter(names).items() if count > 1)
            raise DataError(f"these events cannot be exported: the {what} {shown(twice)} is there twice; keep one")
    if not isinstance(events, Events) or (events.num_settings, events.num_videos) != (1, len(source.video_ids)):
        raise DataError(
            f"these events cannot be exported: they are no table of one setting of {len(source.video_ids)} videos"
        )
    last = np.repeat(np.repeat(source.segments_per_video, 3), np.diff(events.starts))
    wrong = (events.onset < 0) | (events.offset <= events.onset) | (events.offset > last)
    wrong |= (events.label < 0) | (events.label >= len(source.labels))
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        video = int(np.searchsorted(events.starts, i, "right") - 1) // 3
        raise DataError(
            f"these events cannot be exported: one of the video {shown(source.video_ids[video])} has an onset or "
            "offset outside of it, or no label of the list; correct it"
        )
    seconds = np.asarray(source.segment_seconds, np.float64)
    if not (np.isfinite(seconds) & (seconds > 0)).all():
        raise DataError("these events cannot be exported: a video has segments of no length; correct segment_seconds")
    if np.isinf(events.score).any():
        raise DataError("these events cannot be exported: one has an infinite score; correct it")
    for name in ("confidence", "seconds"):
        column = getattr(events, name)
        if column is not None and not np.isfinite(column).all():
            raise DataError(f"these events cannot be exported: the {name} of one is no finite number; correct it")
