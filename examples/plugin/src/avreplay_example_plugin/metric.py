"""Micro-averaged segment F: hits and errors of all videos are summed before the F-score is taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from avreplay import Events, Metric, Scores, Truth, UsageError
from numpy.typing import NDArray

TRACKS = ("audio", "visual", "audio_visual")


@dataclass(frozen=True)
class MicroF(Metric):
    """F of (segment, label) pairs, over all videos at once; a long video counts more than a short one.

    beta : above 1 weighs recall more than precision
    """

    name: ClassVar[str] = "micro_f"
    about: ClassVar[str] = "segment F over all videos at once, by track and over all tracks"
    mean_over_videos: ClassVar[bool] = False

    beta: float = 1.0

    def __post_init__(self) -> None:
        if not self.beta > 0:
            raise UsageError(f"beta is {self.beta}; it must be above 0")

    def names(self, truth: Truth) -> tuple[str, ...]:
        return ("micro_f", *(f"micro_f_{track}" for track in TRACKS))

    def score(self, predicted: Events, truth: Truth) -> Scores:
        counts = self._counts(predicted, truth).sum(axis=2)
        by_track = self._f(counts)
        overall = self._f(counts.sum(axis=1, keepdims=True))
        return Scores(self.names(truth), np.concatenate([overall, by_track], axis=1))

    def per_class(self, predicted: Events, truth: Truth) -> dict[str, dict[str, float]]:
        f = self._f(self._counts(predicted, truth)[0].sum(axis=0))
        return {label: {"micro_f": float(f[c])} for c, label in enumerate(truth.labels) if np.isfinite(f[c])}

    def title(self, name: str) -> tuple[str, str]:
        return "Segment F over all videos", name.removeprefix("micro_f_").replace("_", "-").replace("micro-f", "all")

    def _counts(self, predicted: Events, truth: Truth) -> NDArray[np.int64]:
        """TP, FP and FN of every setting, track and label: (P, 3, C, 3)."""
        c, total = len(truth.labels), int(truth.segments.sum())
        first = np.cumsum(truth.segments) - truth.segments
        annotated = _pairs(truth.events, first, total, c)
        found = _pairs(predicted, first, total, c)
        settings = predicted.num_settings
        of_setting = 3 * total * c
        hit = np.isin(found % max(1, of_setting), annotated)

        def count(pairs: NDArray[np.int64], settings: int) -> NDArray[np.int64]:
            track, label = pairs // max(1, total * c), pairs % c
            return np.bincount(track * c + label, minlength=settings * 3 * c).reshape(settings, 3, c)

        tp, fp = count(found[hit], settings), count(found[~hit], settings)
        return np.stack([tp, fp, count(annotated, 1) - tp], axis=-1)

    def _f(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Percent of TP, FP, FN in the last axis; NaN where there is nothing to find and nothing was found."""
        tp, fp, fn = np.moveaxis(counts, -1, 0)
        b = self.beta**2
        with np.errstate(invalid="ignore"):
            return 100.0 * (1 + b) * tp / ((1 + b) * tp + fp + b * fn)


def _pairs(events: Events, first: NDArray[np.int64], total: int, labels: int) -> NDArray[np.int64]:
    """Each (setting, track, segment, label) of a table once, as one number; segments run on over the videos."""
    row = np.repeat(np.arange(len(events.starts) - 1), np.diff(events.starts))
    length = events.offset.astype(np.int64) - events.onset
    setting, video, track = row // (3 * events.num_videos), row // 3 % events.num_videos, row % 3
    begin = ((setting * 3 + track) * total + first[video] + events.onset) * labels + events.label
    step = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    return np.unique(np.repeat(begin, length) + step * labels)
