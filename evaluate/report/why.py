"""Why an annotated event was missed or has another boundary: one line for each, and where a figure tells it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from ...core.decoders.explain import spans_text
from ...core.events import TRACKS, Events
from .data import ReportData, ReportRun
from .stages import Span, TraceStages
from .style import spans

MISSED, OTHER = "missed", "other boundaries"


@dataclass(frozen=True, eq=False)
class Lost:
    """An annotated event that a run missed, or found with other boundaries.

    onset, offset : of the annotated event, in segments
    outcome : :data:`MISSED` or :data:`OTHER`
    told : gives ``where`` and ``text``; of a long video only the first events are asked
    """

    track: str
    label: int
    onset: int
    offset: int
    outcome: str
    told: Callable[[], tuple[tuple[Span, ...], str]] = field(repr=False)

    @property
    def where(self) -> tuple[Span, ...]:
        """The segments that are missing or too many."""
        return self._told[0]

    @property
    def text(self) -> str:
        """Why, with the numbers that decided; without a trace what the run has instead, or nothing."""
        return self._told[1]

    @cached_property
    def _told(self) -> tuple[tuple[Span, ...], str]:
        return self.told()


def lost_events(data: ReportData, run: ReportRun, video: int) -> list[Lost]:
    """The annotated events of a video that the run has not as they are, by track and onset."""
    segments = int(data.segments_per_video[video])
    found: list[Lost] = []
    for track in TRACKS if data.truth is not None and segments else ():
        assert data.truth is not None
        stages = None if run.trace is None else TraceStages(data, run, run.trace, video, track)
        truth, predicted = (_by_label(events, video, track, segments) for events in (data.truth, run.events))
        listed = sorted((a, b, label) for label, own in truth.items() for a, b in own.tolist())
        for onset, offset, label in listed:
            own = _overlapping(predicted.get(label), onset, offset)
            if (onset, offset) in own:
                continue
            told = partial(_missed, stages, label, (onset, offset))
            if own:
                told = partial(_boundaries, stages, label, (onset, offset), own, truth[label])
            found.append(Lost(track, label, onset, offset, OTHER if own else MISSED, told))
    return found


def _by_label(events: Events, video: int, track: str, segments: int) -> dict[int, NDArray[np.int64]]:
    """(E, 2) onsets and offsets of each label, within the video."""
    rows = events.rows(video, track)
    label, onset = events.label[rows], events.onset[rows]
    pairs = np.stack([onset, np.minimum(events.offset[rows], segments)], axis=1).astype(np.int64)
    return {c: pairs[(label == c) & (onset < segments)] for c in np.unique(label[onset < segments]).tolist()}


def _overlapping(pairs: NDArray[np.int64] | None, first: int, last: int) -> list[Span]:
    if pairs is None:
        return []
    return [(a, b) for a, b in pairs[(pairs[:, 0] < last) & (pairs[:, 1] > first)].tolist()]


def _differences(
    event: Span, own: list[Span], annotated: NDArray[np.int64]
) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """The segments of an annotated event that its predictions lack, and those that they have and no annotation has."""
    first, last = min(event[0], *(a for a, _ in own)), max(event[1], *(b for _, b in own))
    others = _overlapping(annotated, first, last)
    covered, wanted, all_wanted = (_mask(found, first, last) for found in (own, [event], others))
    missing, more = (
        tuple((a + first, b + first) for a, b in spans(mask, split=False))
        for mask in (wanted & ~covered, covered & ~all_wanted)
    )
    return missing, more


def _mask(found: list[Span], first: int, last: int) -> NDArray[np.bool_]:
    """Which of the segments ``[first, last)`` the spans hold."""
    mask = np.zeros(last - first, np.bool_)
    for a, b in found:
        mask[max(a - first, 0) : max(b - first, 0)] = True
    return mask


def _missed(stages: TraceStages | None, label: int, event: Span) -> tuple[tuple[Span, ...], str]:
    return (event,), "" if stages is None else stages.lost(label, *event)


def _boundaries(
    stages: TraceStages | None, label: int, event: Span, own: list[Span], annotated: NDArray[np.int64]
) -> tuple[tuple[Span, ...], str]:
    """What the run has instead, and why the rest is missing and the excess there."""
    missing, more = _differences(event, own, annotated)
    parts = [f"predicted {spans_text(own)}"]
    if stages is not None:
        parts += [f"[{a}, {b}) is lost at {stages.lost(label, a, b)}" for a, b in missing]
        parts += [f"[{a}, {b}) is too much{stages.there_by(label, a, b)}" for a, b in more]
    return (*missing, *more), "; ".join(parts)
