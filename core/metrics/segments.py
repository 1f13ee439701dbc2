"""Segments as they are ranked: with their scores, or with the confidence of the events that cover them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from ..events import Events
from ..kernels.segment_changes import cover_block, pool_block
from .base import Truth
from .spans import Ints, Spans, check_numbers
from .threshold_counts import Changes


@dataclass(frozen=True, eq=False)
class RankedSegments:
    """Segments of P settings, N videos and C labels that have a value; those that none has are never detected.

    Shapes
    ------
    spans : of (setting, video, label) and value, times are not used
    right : (E,) bool, whether the segment is annotated
    positives : (N, C) int64, annotated segments, ranked or not
    """

    spans: Spans
    right: NDArray[np.bool_]
    positives: Ints

    def changes(self) -> Changes:
        """How the counts of segments change as a threshold falls."""
        right = self.right.astype(np.int64)
        return Changes.of(self.spans, right, 1 - right, self.positives, self.positives.astype(np.float64))


def on_segments(predicted: Events, truth: Truth) -> tuple[Events, Truth]:
    """The same without real-valued times and with segments of one second, so that spans of them count segments."""
    events, one = replace(truth.events, seconds=None), np.ones(len(truth.segments))
    return replace(predicted, seconds=None), replace(truth, events=events, seconds=one)


def covered_segments(found: Spans, true: Spans, segments_per_video: Ints) -> RankedSegments:
    """The segments that events cover, each with the largest confidence of those of its label; spans are those of
    :func:`on_segments`. Events with real-valued times count in the segments that they touch."""
    labels, n = true.labels, true.videos
    positives = _annotated(true, segments_per_video)
    items, starts, key = found.grouped()
    true, g_starts = true.starts_by(true.video, true.label, labels, n)
    onset, offset, g_onset, g_offset = (
        np.ascontiguousarray(x).astype(np.int64) for x in (items.onset, items.offset, true.onset, true.offset)
    )
    size = int((offset - onset).sum())
    value, right, place = np.empty(size), np.empty(size, np.bool_), np.empty(len(key) + 1, np.int64)
    segments = segments_per_video[key // labels].astype(np.int64)
    cover_block(starts, onset, offset, items.value, segments, key, g_starts, g_onset, g_offset, value, right, place)
    first = items.taken(starts[:-1])
    group = np.repeat(np.arange(len(key)), np.diff(place))
    empty = np.zeros(len(group))
    spans = Spans(
        items.settings, n, labels, first.setting[group], first.video[group], first.label[group], empty, empty,
        value[: len(group)],
    )  # fmt: skip
    return RankedSegments(spans, right[: len(group)], positives)


def _annotated(true: Spans, segments_per_video: Ints) -> Ints:
    """Annotated segments (N, C) of each video and class, those of events that overlap once."""
    n, labels = true.videos, true.labels
    ends = np.append(0, np.cumsum(segments_per_video))
    onset, offset = true.onset.astype(np.int64), true.offset.astype(np.int64)
    length = offset - onset
    event = np.repeat(np.arange(len(length)), length)
    at = np.arange(len(event)) - np.repeat(np.cumsum(length) - length, length)
    segment = ends[true.video[event]] + onset[event] + at
    places = np.unique(true.label[event] * max(int(ends[-1]), 1) + segment)
    label, segment = np.divmod(places, max(int(ends[-1]), 1))
    video = np.searchsorted(ends, segment, "right") - 1
    return np.bincount(video * labels + label, minlength=n * labels).astype(np.int64).reshape(n, labels)


def scored_segments(scores: ArrayLike, annotated: ArrayLike, segments_per_video: ArrayLike) -> RankedSegments:
    """All segments with their scores.

    Shapes: scores (S, C), annotated (S, C) bool, segments_per_video (N,) that sum to S. Raises: DataError where they do
    not fit, and for a score that is NaN.
    """
    x, y = np.asarray(scores, np.float64), np.asarray(annotated, np.bool_)
    counts = np.asarray(segments_per_video, np.int64)
    if x.ndim != 2 or x.shape != y.shape or len(x) != counts.sum():
        raise DataError(f"scores are {x.shape}, annotations {y.shape}, of {int(counts.sum())} segments; give all alike")
    check_numbers(x)
    s, c = x.shape
    n = len(counts)
    video = np.repeat(np.arange(n), counts)
    row, label = np.nonzero(y)
    positives = np.bincount(video[row] * c + label, minlength=n * c).astype(np.int64).reshape(n, c)
    zeros = np.zeros(s * c)
    spans = Spans(
        1, n, c, np.zeros(s * c, np.int64), np.tile(video, c), np.repeat(np.arange(c), s), zeros, zeros,
        np.ascontiguousarray(x.T).reshape(-1),
    )  # fmt: skip
    return RankedSegments(spans, np.ascontiguousarray(y.T).reshape(-1), positives)


def pooled_scores(
    scores: Sequence[ArrayLike], edges: Sequence[ArrayLike], truths: Spans, length: float, decimals: int = 6
) -> RankedSegments:
    """Frames pooled to segments of ``length`` seconds, the last of a video may be shorter: the largest score of the
    frames that it overlaps; annotated where a truth overlaps it. Times are rounded to ``decimals`` before.

    Shapes: scores N times (T, C); edges N times (T + 1,), seconds. Raises: as :func:`scored_segments`.
    """
    x = np.concatenate([np.zeros((0, truths.labels)), *(np.asarray(of_video, np.float64) for of_video in scores)])
    of_videos = [np.asarray(ends, np.float64) for ends in edges]
    ends = np.cumsum([0, *(len(t) for t in of_videos)]).astype(np.int64)
    frames = ends - np.arange(len(ends))
    if len(x) != frames[-1] or len(of_videos) != truths.videos or (np.diff(ends) < 1).any():
        raise DataError(f"there are {len(x)} frames of {len(of_videos)} videos; give T scores and T + 1 times of each")
    check_numbers(x)
    times = np.round(np.concatenate([np.zeros(0), *of_videos]), decimals)
    begin, end = np.delete(times, ends[1:] - 1), np.delete(times, ends[:-1])
    last = times[ends[1:] - 1]
    counts = np.ceil(np.round(last / length, decimals)).astype(np.int64)
    segments = np.append(0, np.cumsum(counts))
    number = np.arange(segments[-1]) - np.repeat(segments[:-1], counts)
    seg_begin, seg_end = np.round(number * length, decimals), np.round((number + 1) * length, decimals)
    pooled = np.empty((int(segments[-1]), truths.labels))
    pool_block(x, frames, begin, end, segments, seg_begin, seg_end, pooled)
    on, off = np.round(truths.onset, decimals), np.round(truths.offset, decimals)
    first = np.floor(np.round(on / length, decimals)).astype(np.int64)
    some = np.minimum(np.ceil(np.round(off / length, decimals)).astype(np.int64), counts[truths.video]) - first
    some = np.where(off > on, np.maximum(some, 0), 0)
    event = np.repeat(np.arange(len(some)), some)
    at = segments[truths.video[event]] + first[event] + np.arange(len(event)) - np.repeat(np.cumsum(some) - some, some)
    mark = np.zeros(pooled.shape, np.bool_)
    mark[at, truths.label[event]] = True
    return scored_segments(pooled, mark, counts)
