"""mAP at temporal intersection over union: UnAV-100's and ActivityNet's metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..events import Events
from ..kernels.tiou_precision import tiou_precision_block
from .base import Truth
from .ranking import RankingMetric, by_label, check_share, mean_of_classes
from .spans import Floats, Ints, Spans

TIES = ("together", "in_order")


def average_precisions(
    events: Spans,
    truths: Spans,
    thresholds: Sequence[float] | Floats,
    *,
    times: Ints | None = None,
    together: bool = True,
    points_match: bool = False,
) -> Floats:
    """Average precision (B, P, C, L) of each class at L thresholds, NaN for a class without a truth.

    Events are ranked by falling confidence, equal ones as they stand. Each is tried on the truths of its video and
    class from the largest tIoU (of equals the last) on, and hits the first that is free and reaches the threshold.
    Precision is made to fall with recall; the area under it is the average precision.

    times : (B, N) int64, how often each video counts in each sample; default: once
    together : events of equal confidence count at once, so that their order does not matter between videos
    points_match : an event without length hits a truth of its video without length, wherever both are, and before any
        other: what the published evaluations do, where the tIoU of such a pair is no number
    """
    order, starts = events.by_value()
    ranked = events.taken(order)
    true, g_starts = truths.starts_by(truths.label, truths.video, truths.videos, truths.labels)
    often = np.ones((1, events.videos), np.int64) if times is None else times
    out = np.empty((len(often), events.settings * events.labels, len(thresholds)))
    tiou_precision_block(
        starts, ranked.value, ranked.video, ranked.onset, ranked.offset, g_starts, true.onset, true.offset,
        np.array(thresholds, np.float64), together, np.inf if points_match else -1.0, often, out,
    )  # fmt: skip
    return out.reshape(len(often), events.settings, events.labels, len(thresholds))


def without_duplicates(truths: Spans, tolerance: float = 1e-3) -> Spans:
    """Without a truth of which the video and label are those of an earlier one that is kept, and both ends differ by
    ``tolerance`` seconds at most."""
    kept: dict[tuple[int, int], list[tuple[float, float]]] = {}
    rows = []
    columns = (truths.video, truths.label, truths.onset, truths.offset)
    for i, (v, c, on, off) in enumerate(zip(*(x.tolist() for x in columns), strict=True)):
        before = kept.setdefault((v, c), [])
        if not any(abs(on - x) <= tolerance and abs(off - y) <= tolerance for x, y in before):
            before.append((on, off))
            rows.append(i)
    return truths.taken(np.array(rows, np.int64))


def renumbered(events: Spans, present: NDArray[np.bool_]) -> Spans:
    """UnAV's fault: an event of a label without a truth, number c, counts for the c-th of the labels that have one."""
    with_truth = np.flatnonzero(present)
    absent = ~present[events.label]
    moved = np.where(absent, with_truth[np.minimum(events.label, len(with_truth) - 1)], events.label) if present.any() \
        else events.label  # fmt: skip
    kept = ~absent | (events.label < len(with_truth))
    return replace(events, label=moved.astype(np.int64)).taken(np.flatnonzero(kept))


@dataclass(frozen=True)
class MapTiou(RankingMetric):
    """``map``, the mean of the mAP at each tIoU, and the mAP at each, such as ``map_50``: the mean over the classes
    that have a truth of their average precision (:func:`average_precisions`).

    tiou : the thresholds, each above 0 and at most 1
    ties : events of equal confidence count ``together``, or ``in_order``, as they stand in the predictions
    drop_duplicates : leave out a truth that repeats an earlier one to within 1 ms at both ends, as UnAV's evaluation;
        ActivityNet's keeps it
    strict : UnAV's evaluation as it runs: duplicates dropped, ties in order, thresholds as ``np.linspace`` has them (at
        .1 to .9, 3 of 10 seconds do not reach .3), and an event of a label without a truth counted for the label that
        its number is taken for, and an event and a truth without length are a hit
    """

    name: ClassVar[str] = "map_tiou"
    about: ClassVar[str] = "mAP at temporal IoU 0.1 to 0.9 and its average (UnAV-100, ActivityNet)"
    headline: ClassVar[tuple[str, ...]] = ("map",)

    tiou: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    ties: str = "together"
    drop_duplicates: bool = False
    strict: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.tiou:
            raise UsageError("tiou is empty; give at least one threshold, such as 0.5")
        for t in self.tiou:
            check_share(t, "tiou")
        names = self.own_names()
        if len(set(names)) < len(names):
            raise UsageError(
                f"tiou is {'/'.join(map(str, self.tiou))}; give each threshold once, with 8 decimals at most"
            )
        if self.ties not in TIES:
            raise UsageError(f"ties is {self.ties!r}; choose {' or '.join(TIES)}")

    def own_names(self) -> tuple[str, ...]:
        percents = (np.format_float_positional(round(100 * t, 6), trim="-") for t in self.tiou)
        return ("map", *(f"map_{percent}".replace(".", "_") for percent in percents))

    def figures(self, predicted: Events, truth: Truth, times: Ints) -> Floats:
        ap = self._of_classes(predicted, truth, times)
        at_each = np.stack([mean_of_classes(x, ~np.isnan(x)) for x in np.moveaxis(ap, 3, 0)], axis=-1)
        return np.concatenate([mean_of_classes(at_each, ~np.isnan(at_each))[..., None], at_each], axis=-1)

    def per_class(self, predicted: Events, truth: Truth) -> dict[str, dict[str, float]]:
        ap = 100.0 * self._of_classes(predicted, truth, None)[0, 0]
        names = [name.replace("map", "ap") for name in self.own_names()]
        columns = dict(zip(names, (ap.mean(axis=1), *ap.T), strict=True))
        return by_label(truth.labels, ~np.isnan(ap[:, 0]), **columns)

    def _of_classes(self, predicted: Events, truth: Truth, times: Ints | None) -> Floats:
        found, true = self.spans(predicted, truth)
        if self.strict:
            found = renumbered(found, np.bincount(true.label, minlength=true.labels) > 0)
        if self.strict or self.drop_duplicates:
            true = without_duplicates(true)
        together = self.ties == "together" and not self.strict
        thresholds = np.array(self.tiou)
        even = np.linspace(self.tiou[0], self.tiou[-1], len(self.tiou))
        if self.strict and np.allclose(even, thresholds):
            thresholds = even
        return average_precisions(found, true, thresholds, times=times, together=together, points_match=self.strict)
