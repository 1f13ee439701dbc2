"""Segment mAP, and the F of segments at the best thresholds: exact, over all thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..events import Events
from .base import Truth
from .ranking import RankingMetric, by_label, mean_of_classes
from .segments import covered_segments, on_segments
from .spans import Floats, Ints
from .threshold_counts import Changes, precision_recall_f


@dataclass(frozen=True)
class SegmentRanking(RankingMetric):
    """Figures of the segments that events cover, ranked by confidence."""

    def changes(self, predicted: Events, truth: Truth) -> Changes:
        """How the counts of segments change as a threshold on confidence falls."""
        return covered_segments(*self.spans(*on_segments(predicted, truth)), truth.segments).changes()


@dataclass(frozen=True)
class SegmentMap(SegmentRanking):
    """``segment_map``, the mean over the classes with a truth of the average precision of their segments, and
    ``segment_map_micro``, that of the segments of all classes in one ranking."""

    name: ClassVar[str] = "segment_map"
    about: ClassVar[str] = "mean average precision of segments, ranked by the confidence of the events that cover them"
    headline: ClassVar[tuple[str, ...]] = ("segment_map",)

    def own_names(self) -> tuple[str, ...]:
        return ("segment_map", "segment_map_micro")

    def figures(self, predicted: Events, truth: Truth, times: Ints) -> Floats:
        changes = self.changes(predicted, truth)
        ap = changes.summary(times).average_precision
        one = changes.pooled().summary(times).average_precision[..., 0]
        return np.stack([mean_of_classes(ap, ~np.isnan(ap)), one], axis=-1)

    def per_class(self, predicted: Events, truth: Truth) -> dict[str, dict[str, float]]:
        once = np.ones((1, len(truth.segments)), np.int64)
        found = self.changes(predicted, truth).summary(once)
        ap = found.average_precision[0, 0]
        return by_label(truth.labels, ~np.isnan(ap), segment_ap=100.0 * ap, segments=found.truths[0, 0])


@dataclass(frozen=True)
class SegmentCurves(SegmentRanking):
    """``segment_best_f1`` with its ``precision`` and ``recall``: means over the classes with a truth of what each
    reaches at its best threshold, ``..._micro`` of the counts there summed; ``segment_f1_one_threshold``: F1 of the
    counts of all classes at the best threshold for all."""

    name: ClassVar[str] = "segment_curves"
    about: ClassVar[str] = "F1 of segments at the best thresholds of their precision-recall curves"
    headline: ClassVar[tuple[str, ...]] = ("segment_best_f1",)

    def own_names(self) -> tuple[str, ...]:
        best = ("segment_best_f1", "segment_best_precision", "segment_best_recall")
        return (*best, "segment_best_f1_micro", "segment_f1_one_threshold")

    def figures(self, predicted: Events, truth: Truth, times: Ints) -> Floats:
        changes = self.changes(predicted, truth)
        counts = changes.summary(times).counts(best=True)
        counted = counts[..., 2] > 0
        p, r, f = (mean_of_classes(x, counted) for x in precision_recall_f(counts))
        totals = (counts.sum(axis=2), changes.pooled().summary(times).counts(best=True)[..., 0, :])
        micro, one = (np.where(x[..., 2] > 0, precision_recall_f(x)[2], np.nan) for x in totals)
        return np.stack([f, p, r, micro, one], axis=-1)

    def per_class(self, predicted: Events, truth: Truth) -> dict[str, dict[str, float]]:
        once = np.ones((1, len(truth.segments)), np.int64)
        found = self.changes(predicted, truth).summary(once)
        counts = found.counts(best=True)[0, 0]
        p, r, f = precision_recall_f(counts)
        at = np.where(np.isinf(x := found.threshold[0, 0]), np.nan, x)
        columns = {"f1": 100.0 * f, "precision": 100.0 * p, "recall": 100.0 * r, "confidence": at}
        return by_label(truth.labels, counts[:, 2] > 0, **columns, segments=counts[:, 2])
