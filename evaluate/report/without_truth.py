"""Predictions without annotations: what stands in their place, so that runs are aligned alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...core.errors import DataError, shown
from ...core.events import Events
from ...core.labels import LabelIndex
from ..datasets.annotations import Annotations
from ..files.predictions import Predictions


def of_runs(predictions: Sequence[tuple[str, Predictions]]) -> Annotations:
    """Annotations without events, dataset or split: the videos that all runs have, in the order of the first run; the
    labels of all runs; of each video the most segments that a run has.

    Raises: DataError where no video is in all runs, or the segments of a video differ in length.
    """
    _, first = predictions[0]
    numbers = [{video: i for i, video in enumerate(p.video_ids)} for _, p in predictions]
    ids = [video for video in first.video_ids if all(video in number for number in numbers)]
    if first.video_ids and not ids:
        raise DataError("the runs have no video in common; give predictions of the same videos")
    at = [np.array([number[video] for video in ids], np.int64) for number in numbers]
    segments = np.max([p.segments_per_video[rows] for (_, p), rows in zip(predictions, at, strict=True)], 0)
    seconds = [
        np.broadcast_to(np.asarray(p.segment_seconds, np.float64), (len(p.video_ids),))[rows]
        for (_, p), rows in zip(predictions, at, strict=True)
    ]
    for (name, _), other in zip(predictions, seconds, strict=True):
        differ = np.flatnonzero(~np.isclose(other, seconds[0], rtol=1e-6, atol=0))
        if len(differ):
            i = int(differ[0])
            raise DataError(
                f"the video {shown(ids[i])} has segments of {seconds[0][i]:g} s in the run {predictions[0][0]!r} and "
                f"of {other[i]:g} s in {name!r}; give runs of the same segments"
            )
    nothing = Events.from_tracks([[[], [], []]] * len(ids))
    labels, counts = _labels(predictions), segments.astype(np.int64)
    return Annotations("", "", labels, tuple(ids), counts, nothing, "", segment_seconds=seconds[0])


def _labels(predictions: Sequence[tuple[str, Predictions]]) -> tuple[str, ...]:
    """The labels of all runs, each once, in the order in which they come."""
    labels: list[str] = []
    for _, p in predictions:
        known = LabelIndex(labels).mapping(p.labels)
        labels += [label for label, at in zip(p.labels, known, strict=True) if at < 0]
    return tuple(labels)
