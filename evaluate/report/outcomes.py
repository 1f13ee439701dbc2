"""What a run made of the segments of a video: hits, false alarms and misses by track and label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.events import TRACKS, Events
from .data import ReportData, ReportRun


@dataclass(frozen=True)
class VideoCounts:
    """Segments of one video and run that are hits, false alarms and misses, over all labels and tracks."""

    hits: int
    false_alarms: int
    misses: int


def segment_masks(events: Events, video: int, track: str, segments: int) -> dict[int, NDArray[np.bool_]]:
    """For each label of a track its segments, [T] bool."""
    masks: dict[int, NDArray[np.bool_]] = {}
    for label, onset, offset, _ in events.track(video, track):
        masks.setdefault(label, np.zeros(segments, bool))[max(onset, 0) : max(offset, 0)] = True
    return masks


def outcomes(truth: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> tuple[tuple[str, NDArray[np.bool_]], ...]:
    """Hit, false alarm and miss, each [T] bool, of one label."""
    return ("hit", predicted & truth), ("false alarm", predicted & ~truth), ("miss", truth & ~predicted)


def count_segments(data: ReportData, run: ReportRun, video: int) -> VideoCounts | None:
    """Hits, false alarms and misses of a video; None when there is no ground truth."""
    if data.truth is None:
        return None
    segments, totals = int(data.segments_per_video[video]), {"hit": 0, "false alarm": 0, "miss": 0}
    for track in TRACKS:
        truth = segment_masks(data.truth, video, track, segments)
        predicted = segment_masks(run.events, video, track, segments)
        none = np.zeros(segments, bool)
        for label in truth.keys() | predicted.keys():
            for name, mask in outcomes(truth.get(label, none), predicted.get(label, none)):
                totals[name] += int(mask.sum())
    return VideoCounts(totals["hit"], totals["false alarm"], totals["miss"])


def rank_labels(
    truth: dict[int, NDArray[np.bool_]], runs: Sequence[dict[int, NDArray[np.bool_]]], most: int
) -> tuple[list[int], int]:
    """The labels drawn in a track, by onset, and how many were left out (those of the truth stay first)."""
    found = set(truth).union(*runs)

    def weight(label: int) -> tuple[int, int, int]:
        predicted = sum(int(masks[label].sum()) for masks in runs if label in masks)
        return (label not in truth, -predicted, label)

    def onset(label: int) -> tuple[int, int]:
        masks = [m[label] for m in (truth, *runs) if label in m]
        return (min(int(np.argmax(m)) for m in masks), label)

    return sorted(sorted(found, key=weight)[:most], key=onset), max(0, len(found) - most)
