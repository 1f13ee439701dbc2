"""Predictions and annotations of the same videos, with the annotations' labels and segments, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError, shown
from ...core.events import TRACKS, Events
from ...core.labels import LabelIndex, folded, merged_aliases
from ..datasets.annotations import Annotations
from ..datasets.in_seconds import in_segments_of
from .prediction_blocks import PredictionBlocks
from .predictions_table import Predictions


@dataclass(frozen=True, eq=False)
class Aligned:
    """Predictions and annotations of the same M videos, with the annotations' labels and segments.

    Shapes
    ------
    truth : the annotations of these videos
    missing : ids that are annotated and not predicted; extra : ids that are predicted and not annotated
    length_mismatches : how many of the M videos have another number of segments in the predictions
    """

    truth: Annotations
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    length_mismatches: int
    source: PredictionBlocks
    chosen: NDArray[np.int64]
    """(M,) which of the predicted videos they are, in the order of the annotations."""
    index: LabelIndex

    @cached_property
    def predicted(self) -> Events:
        """The events of all M videos, read at once where they are not in memory."""
        return self._moved(self.source.whole(), self.chosen, np.arange(len(self.chosen)))

    def blocks(self) -> Iterator[tuple[NDArray[np.int64], Events]]:
        """The events of the M videos, a block at a time: which of them these are, in their order, and their events.

        Raises: DataError as reading does, and for an event whose label the annotations do not have.
        """
        if len(self.source) == 1:
            yield np.arange(len(self.chosen)), self.predicted
            return
        place = np.full(len(self.source.video_ids), -1, np.int64)
        place[self.chosen] = np.arange(len(self.chosen))
        first = 0
        for block in self.source:
            end = first + len(block.video_ids)
            places = np.sort(place[first:end][place[first:end] >= 0])
            yield places, self._moved(block, self.chosen[places] - first, places)
            first = end

    def _moved(self, block: Predictions, videos: NDArray[np.int64], places: NDArray[np.int64]) -> Events:
        truth = self.truth
        seconds = np.broadcast_to(np.asarray(truth.segment_seconds, np.float64), (len(truth.video_ids),))[places]
        return _moved(block, videos, self.index, truth.background).cut(truth.segments_per_video[places], seconds)


def align(
    predictions: Predictions | PredictionBlocks,
    annotations: Annotations,
    aliases: Mapping[str, str] | None = None,
    *,
    mask_short: bool = False,
) -> Aligned:
    """Bring predictions to the videos, labels and segments of the annotations, in the annotations' order.

    Where the numbers of segments differ, the annotated ones are scored: events are cut at their end, what lies
    beyond is left out, and the video is counted; what a shorter clip lacks counts as predicted without events, or
    with ``mask_short`` is not scored at all. What is annotated in seconds is brought to segments of the predictions'
    length. ``aliases`` (``{other name: label}``) go before the dataset's own.

    Raises
    ------
    DataError
        two ids that are the same video; a video annotated by the segment whose segments are of another length; when
        the events are asked for, one whose label the annotations do not have (naming the nearest)
    """
    source = predictions if isinstance(predictions, PredictionBlocks) else PredictionBlocks.of(predictions)
    index = LabelIndex(annotations.labels, merged_aliases(annotations.aliases, aliases))
    at = np.array(annotations.match(predictions.video_ids), np.int64)
    order = np.argsort(at, kind="stable")
    chosen = order[np.count_nonzero(at < 0) :]  # predicted videos, in the order of the annotations
    rows = at[chosen]
    seconds, annotated = (
        np.broadcast_to(np.asarray(side.segment_seconds, np.float64), (len(side.video_ids),))
        for side in (predictions, annotations)
    )
    truth = annotations.select(rows.tolist())
    other = np.flatnonzero(~np.isclose(seconds[chosen], annotated[rows], rtol=1e-6, atol=0))
    if len(other) and annotations.durations is not None:
        truth = in_segments_of(truth, seconds[chosen])
    elif len(other):
        p, a = chosen[other[0]], rows[other[0]]
        raise DataError(
            f"video {shown(predictions.video_ids[p])} is predicted in segments of {seconds[p]:g} s and annotated in "
            f"segments of {annotated[a]:g} s; predict it in segments of {annotated[a]:g} s"
        )
    mismatches = int(np.count_nonzero(truth.segments_per_video != predictions.segments_per_video[chosen]))
    if mask_short:
        truth = truth.cut(predictions.segments_per_video[chosen])
    predicted = np.zeros(len(annotations.video_ids), np.bool_)
    predicted[rows] = True
    found = Aligned(
        truth,
        tuple(annotations.video_ids[a] for a in np.flatnonzero(~predicted).tolist()),
        tuple(predictions.video_ids[p] for p in np.flatnonzero(at < 0).tolist()),
        mismatches,
        source,
        chosen,
        index,
    )
    if source is not predictions:
        _ = found.predicted  # what is in memory is checked at once
    return found


def _moved(
    predictions: Predictions, chosen: NDArray[np.int64], index: LabelIndex, background: tuple[str, ...]
) -> Events:
    """The events of the chosen videos with the labels of an index, without those of a background name."""
    events = predictions.events.select(chosen)
    if len(events.label) == 0:
        return events
    to_label = np.array(index.mapping(predictions.labels), np.int32)
    none = np.array([folded(name) in background for name in predictions.labels], np.bool_) & (to_label < 0)
    label, dropped = to_label[events.label], none[events.label]
    track_of = np.repeat(np.arange(len(chosen) * 3), np.diff(events.starts))
    unknown = np.flatnonzero((label < 0) & ~dropped)
    if len(unknown):
        i = int(unknown[0])
        video, track = divmod(int(track_of[i]), 3)
        name = predictions.labels[int(events.label[i])]
        index.find(name, f"predictions of video {shown(predictions.video_ids[int(chosen[video])])}, {TRACKS[track]}")
    return replace(events, label=label).where(~dropped)
