"""Events annotated in seconds: kept as published, and brought to segments by one rule.

The rule: a segment belongs to an event if the event covers at least half of it. An event that covers half of none has
the one that it covers most, the earlier of two alike; one behind the last segment, in the rest of a video that is
shorter than half a segment, has the last. So no annotated event is lost where segments are scored. A video has as many
segments as extraction makes of it: its duration in segments, rounded to the nearest, halves up, and at least one.

Metrics that want seconds read them from ``Events.seconds``, where they stand unrounded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...cache.reading.files import named
from ...core.errors import DataError, shown
from ...core.events import TRACKS, Events
from ..files.json_format import MAX_SEGMENTS
from .annotations import Annotations

OVER = 1.0
"""Seconds that an event may end after its video: durations are often rounded. One that ends later is a mistake."""

_DIGITS = 9  # of a time in segments: 0.35 s in segments of 0.1 s is half of one, and 3.4999999999999996


def segments_of(durations: ArrayLike, segment_seconds: ArrayLike = 1.0) -> NDArray[np.int64]:
    """Segments (N,) int64 of videos of these durations (N,) in seconds."""
    counts = np.asarray(durations, np.float64) / np.asarray(segment_seconds, np.float64)
    return np.maximum(np.floor(np.round(counts, _DIGITS) + 0.5), 1).astype(np.int64)


def covered_segments(
    onset: ArrayLike, offset: ArrayLike, segments: ArrayLike, segment_seconds: ArrayLike = 1.0
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """First segment and end (exclusive), (E,) int32, of events in seconds by the rule of this module.

    onset, offset : (E,) seconds, ``0 <= onset < offset``
    segments : (E,) segments of the video of each event; segment_seconds : length of these, one number or (E,)
    """
    length = np.asarray(segment_seconds, np.float64)
    begin, end = (np.round(np.asarray(t, np.float64) / length, _DIGITS) for t in (onset, offset))
    first, stop = np.ceil(begin - 0.5), np.floor(end + 0.5)
    # where one segment is left, both ends may lie in it, and less than half of it between them
    half_of_none = (stop <= first) | (
        (stop == first + 1) & (np.round(np.minimum(end, stop) - np.maximum(begin, first), _DIGITS) < 0.5)
    )
    here = np.floor(begin)
    more_in_next = np.round(np.maximum(end - (here + 1), 0) - (np.minimum(end, here + 1) - begin), _DIGITS) > 0
    first = np.where(half_of_none, here + more_in_next, first)
    stop = np.where(half_of_none, first + 1, stop)
    last = np.asarray(segments, np.float64)
    first = np.minimum(first, last - 1)
    return first.astype(np.int32), np.clip(stop, first + 1, last).astype(np.int32)


def timed_annotations(
    dataset: str, split: str, labels: Sequence[str], videos: Sequence[str], durations: Sequence[float], track: str,
    events: Sequence[tuple[int, int, float, float]], place: Callable[[int], str], source: str, *,
    notes: Sequence[str] = (), **more: Any,
) -> Annotations:  # fmt: skip
    """Annotations of events in seconds, in one track, in segments of 1 s.

    Parameters
    ----------
    videos, durations : N ids, and their lengths in seconds
    events : video, label, onset and offset in seconds of each; they keep their order within a video
    place : file and line, or file and entry, of an event, for messages
    more : other attributes of :class:`Annotations`

    An event without length marks nothing, is left out and noted; one that ends up to a second after its video keeps
    its seconds and is noted. Equal events are kept, as the published evaluations differ in what they make of them, and
    noted.

    Raises: DataError for an event that begins before 0, ends before it begins, begins after its video or ends more than
    a second after it; a video of no length, or of more than a million segments.
    """
    lengths = np.array(durations, np.float64)
    for v in np.flatnonzero(~((lengths > 0) & (lengths <= MAX_SEGMENTS))).tolist():
        most = f"{MAX_SEGMENTS:,}"
        raise DataError(
            f"{named(source)}: the duration of {shown(videos[v])} is {lengths[v]:g} s; expected more than 0 and at "
            f"most {most} s"
        )
    table = np.array(events, np.float64).reshape(-1, 4)
    video, label = table[:, 0].astype(np.int64), table[:, 1].astype(np.int32)
    onset, offset = table[:, 2] + 0.0, table[:, 3] + 0.0  # -0.0 is 0.0
    of_video = lengths[video]
    wrong = (onset < 0) | (offset < onset) | (onset > of_video + OVER) | (offset > of_video + OVER)
    for i in np.flatnonzero(wrong)[:1].tolist():
        raise DataError(f"{place(i)}: {_mistake(onset[i], offset[i], of_video[i])}")
    said = [
        f"{place(i)}: {labels[label[i]]} of {named(videos[video[i]])} at {onset[i]:g} s has no length and marks nothing"
        for i in np.flatnonzero(onset == offset).tolist()
    ]
    late = np.flatnonzero((offset > of_video) & (onset < offset))
    if len(late):
        said.append(
            f"{len(late)} events end up to {OVER:g} s after their videos, {place(int(late[0]))} for one; their "
            "segments end with the video"
        )
    order = np.argsort(video, kind="stable")
    order = order[onset[order] < offset[order]]
    again = _repeated(table[order])
    if len(again):
        said.append(
            f"{len(again)} events are duplicated, {place(int(order[again[0]]))} for one; all are kept "
            "and count as several"
        )
    video, label, seconds = video[order], label[order], np.column_stack([onset[order], offset[order]])
    segments = segments_of(lengths)
    counts = np.zeros((len(videos), len(TRACKS)), np.int64)
    counts[:, TRACKS.index(track)] = np.bincount(video, minlength=len(videos))
    first, stop = covered_segments(seconds[:, 0], seconds[:, 1], segments[video])
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    found = Events(1, len(videos), starts, label, first, stop, np.full(len(label), np.nan), seconds=seconds)
    return Annotations(
        dataset, split, tuple(labels), tuple(videos), segments, found, source, (*notes, *said), durations=lengths,
        **more,
    )  # fmt: skip


def _mistake(onset: float, offset: float, duration: float) -> str:
    span = f"{onset:g} to {offset:g} s"
    if onset < 0:
        return f"the event from {span} begins before the video; correct the times"
    if offset < onset:
        return f"the event from {span} ends before it begins; correct the times"
    return f"the event from {span} is not within the {duration:g} s of its video; correct the times or the duration"


def _repeated(rows: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which rows are equal to an earlier one, in their order."""
    _, first = np.unique(rows, axis=0, return_index=True)
    return np.setdiff1d(np.arange(len(rows)), first)


def in_segments_of(found: Annotations, segment_seconds: float | NDArray[np.float64]) -> Annotations:
    """The same annotations in segments of another length, one number or (N,), by the rule of this module.

    Only annotations with ``durations`` can be: what is annotated by the segment has no finer times.
    """
    assert found.durations is not None
    assert found.events.seconds is not None
    lengths = np.broadcast_to(np.asarray(segment_seconds, np.float64), (len(found.video_ids),))
    video = np.repeat(np.arange(len(lengths)), np.diff(found.events.starts[:: len(TRACKS)]))
    segments, seconds = segments_of(found.durations, lengths), found.events.seconds
    first, stop = covered_segments(seconds[:, 0], seconds[:, 1], segments[video], lengths[video])
    events = replace(found.events, onset=first, offset=stop)
    return replace(found, segments_per_video=segments, segment_seconds=segment_seconds, events=events)
