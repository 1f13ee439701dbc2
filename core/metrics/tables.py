"""Tables of predicted and annotated events, checked before a kernel counts them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, UsageError
from ..events import Events


def checked_tables(
    predicted: Events, truth: Events, segments_per_video: ArrayLike, num_labels: int, iou: float
) -> tuple[list[NDArray[Any]], NDArray[np.int64]]:
    """The arrays of both tables as the kernel takes them, and the segments; raises as :func:`llp_metrics`."""
    if not 0 < iou <= 1:
        raise UsageError(f"iou is {iou}; it must be above 0 and at most 1")
    segments = np.ascontiguousarray(segments_per_video, np.int64)
    n = len(segments)
    if predicted.num_videos != n or truth.num_videos != n or truth.num_settings != 1:
        raise DataError(
            f"predictions are of {predicted.num_videos} videos, annotations of {truth.num_videos}, segments of {n}; "
            "align them first"
        )
    for name, events in (("predicted", predicted), ("annotated", truth)):
        check_events(events, segments, num_labels, name)
    tables = [x for e in (predicted, truth) for x in (e.starts, e.label, e.onset, e.offset)]
    return list(map(np.ascontiguousarray, tables)), segments


def check_events(events: Events, segments: NDArray[np.int64], num_labels: int, name: str) -> None:
    article = "an" if name[0] in "aeiou" else "a"
    if len(events.label) == 0:
        return
    within = events.onset.min() >= 0 and events.offset.max() <= segments.min()
    known = events.label.min() >= 0 and events.label.max() < num_labels
    if within and known and (events.offset > events.onset).all():
        return  # no video is shorter than the last event ends: none needs be compared with its own
    if events.label.min() < 0 or events.label.max() >= num_labels:
        raise DataError(
            f"{article} {name} event has label index {int(events.label.max())}; there are {num_labels} labels"
        )
    limit = np.repeat(np.tile(np.repeat(segments, 3), events.num_settings), np.diff(events.starts))
    bad = np.flatnonzero((events.onset < 0) | (events.offset <= events.onset) | (events.offset > limit))
    if len(bad):
        i = int(bad[0])
        raise DataError(
            f"{article} {name} event [{int(events.onset[i])}, {int(events.offset[i])}) is empty or lies outside the "
            f"{int(limit[i])} segments of its video"
        )
