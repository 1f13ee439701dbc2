"""Events of one track in seconds, as the ranking metrics read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from ..events import TRACKS, Events
from ..kernels.ordering import group_block, order_block
from .base import Truth

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Spans:
    """Spans of time of P settings on N videos with C labels: events, truths, or the segments that events are runs of.

    Shapes and units
    ----------------
    setting, video, label : (E,) int64
    onset, offset : (E,) float64, seconds
    value : (E,) float64, confidence; NaN where there is none
    joins : consecutive spans of a video and label are segments, and events are runs of them
    """

    settings: int
    videos: int
    labels: int
    setting: Ints
    video: Ints
    label: Ints
    onset: Floats
    offset: Floats
    value: Floats
    joins: bool = False

    def taken(self, rows: NDArray[Any]) -> Spans:
        """Some of the spans, in the order given."""
        return replace(
            self, setting=self.setting[rows], video=self.video[rows], label=self.label[rows], onset=self.onset[rows],
            offset=self.offset[rows], value=self.value[rows],
        )  # fmt: skip

    def grouped(self) -> tuple[Spans, Ints, Ints]:
        """The spans by setting, video and label, in their order; where each group that has any begins (K + 1,); and
        its video * C + label (K,)."""
        size = len(self.label)
        key, starts = np.empty(size, np.int64), np.empty(size + 1, np.int64)
        groups = group_block(self.setting, self.video, self.label, self.videos, self.labels, key, starts)
        if groups < 0:
            key = (self.setting * self.videos + self.video) * self.labels + self.label
            return self.taken(np.argsort(key, kind="stable")).grouped()
        return self, starts[: groups + 1].copy(), key[:groups] % (self.videos * self.labels)

    def by_value(self) -> tuple[Ints, Ints]:
        """The order (E,) by setting, label and falling value, equal ones as they stand; and where each (setting, label)
        begins in it (P * C + 1,)."""
        group = self.label if self.settings == 1 else self.setting * self.labels + self.label
        return by_group(group, self.value, self.settings * self.labels)

    def starts_by(self, major: Ints, minor: Ints, minors: int, majors: int) -> tuple[Spans, Ints]:
        """The spans by two of their columns, and where each pair begins (majors * minors + 1,)."""
        key = major * minors + minor
        order = np.argsort(key, kind="stable")
        return self.taken(order), np.searchsorted(key[order], np.arange(majors * minors + 1)).astype(np.int64)


def check_numbers(scores: Floats) -> None:
    """Raises: DataError where one is NaN."""
    if np.isnan(scores.max(initial=-np.inf)):
        raise DataError("an event or a segment has the score NaN, which cannot be ranked; give each a number")


def by_group(group: Ints, value: Floats, groups: int) -> tuple[Ints, Ints]:
    """The order (E,) of values by group and, in each, from the largest on, equal ones as they stand; and where each
    group begins in it (groups + 1,)."""
    starts = np.append(0, np.cumsum(np.bincount(group, minlength=groups))).astype(np.int64)
    order = np.empty(len(group), np.int64)
    order_block(group, value.view(np.int64), starts, order, np.empty_like(order))
    return order, starts


def spans_of(events: Events, seconds: Floats, labels: int, track: str) -> Spans:
    """The events of one track. Real-valued times of events are taken where a decoder or annotator gave them, else those
    of their segments, whose lengths (N,) are ``seconds``."""
    row = np.repeat(np.arange(len(events.starts) - 1), np.diff(events.starts))
    kept = np.flatnonzero(row % len(TRACKS) == TRACKS.index(track))
    row = row[kept] // len(TRACKS)
    setting, video = np.divmod(row, max(events.num_videos, 1))
    times = np.stack([events.onset[kept], events.offset[kept]], axis=1) * seconds[video][:, None]
    if events.seconds is not None:
        finer = events.seconds[kept]
        times = np.where(np.isnan(finer), times, finer)
    value = np.full(len(kept), np.nan) if events.confidence is None else events.confidence[kept]
    return Spans(
        events.num_settings, events.num_videos, labels, setting, video, events.label[kept].astype(np.int64),
        np.ascontiguousarray(times[:, 0]), np.ascontiguousarray(times[:, 1]), np.ascontiguousarray(value, np.float64),
    )  # fmt: skip


def both(predicted: Events, truth: Truth, track: str) -> tuple[Spans, Spans]:
    """Predicted and annotated events of one track. Raises: DataError for tables of different videos, and for a label
    that there is not."""
    if predicted.num_videos != len(truth.segments) or truth.events.num_videos != len(truth.segments):
        raise DataError(
            f"predictions are of {predicted.num_videos} videos, annotations of {truth.events.num_videos}; align them "
            "first"
        )
    labels = len(truth.labels)
    for events in (predicted, truth.events):
        if len(events.label) and not 0 <= events.label.min() <= events.label.max() < labels:
            raise DataError(f"an event has label index {int(events.label.max())}; there are {labels} labels")
    return tuple(spans_of(e, truth.seconds, labels, track) for e in (predicted, truth.events))  # type: ignore[return-value]


def score_spans(scores: Sequence[ArrayLike], edges: Sequence[ArrayLike], labels: int) -> Spans:
    """The segments of N videos with their scores: at every threshold, events are runs of segments above it.

    Shapes: scores N times (T, C); edges N times (T + 1,), seconds. Raises: DataError where they do not fit.
    """
    parts = [np.zeros((0, 5))]
    for v, (of_video, ends) in enumerate(zip(scores, edges, strict=True)):
        x, t = np.asarray(of_video, np.float64), np.asarray(ends, np.float64)
        if x.ndim != 2 or x.shape[1] != labels or len(t) != len(x) + 1:
            raise DataError(f"video {v} has scores {x.shape} and {len(t)} times; give (T, {labels}) and T + 1")
        names = np.repeat(np.arange(labels), len(x))
        columns = (np.full(x.size, v), names, np.tile(t[:-1], labels), np.tile(t[1:], labels), x.T.reshape(-1))
        parts.append(np.stack(columns, axis=1))
    table = np.concatenate(parts)
    video, label = (table[:, i].astype(np.int64) for i in range(2))
    onset, offset, value = (np.ascontiguousarray(table[:, i]) for i in range(2, 5))
    return Spans(1, len(parts) - 1, labels, np.zeros_like(video), video, label, onset, offset, value, True)
