"""Counts of events or segments over all thresholds, by class, and the figures that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels.collar_changes import collar_changes
from ..kernels.intersection_changes import intersection_changes
from ..kernels.ordering import change_block
from ..kernels.threshold_curves import curve_block
from .cross_triggers import Cross, Sparse
from .spans import Floats, Ints, Spans, by_group, check_numbers

DECIMALS = 6
"""Of a second, to which times are rounded before they are compared; without it a time right at a collar falls either
way."""


@dataclass(frozen=True, eq=False)
class Changes:
    """How counts change as a threshold falls to the value of each of E items: events, or segments.

    Shapes
    ------
    starts : (P * C + 1,) int64, where the items of (setting, label) begin, by falling value
    value : (E,) float64; video : (E,) int64
    tp, fp : (E,) int64, by how many the right and the wrong ones become more
    cross : the changes of cross triggers, of those that are not 0
    positives : (N, C) int64, truths of each video and class; lengths : (N, C) float64, their seconds
    """

    starts: Ints
    value: Floats
    video: Ints
    tp: Ints
    fp: Ints
    cross: Sparse
    positives: Ints
    lengths: Floats

    @property
    def crossed(self) -> NDArray[np.int32]:
        """(E, C) int32, changes of cross triggers with each class; (0, C) where they were not asked for."""
        return self.cross.rows(0, max(len(self.cross.starts) - 1, 0), self.positives.shape[1])

    @staticmethod
    def of(items: Spans, tp: Ints, fp: Ints, positives: Ints, lengths: Floats, cross: Cross | None = None) -> Changes:
        """The changes at items in any order; those without any are left out."""
        size, groups = len(tp), items.settings * items.labels
        starts, (place, order, video, right, wrong) = np.empty(groups + 1, np.int64), np.empty((5, size), np.int64)
        value = np.empty(size)
        many = np.zeros(0, np.int32) if cross is None else cross.many
        n = change_block(
            items.setting, items.label, items.value, items.video, tp, fp, many, items.value.view(np.int64),
            items.labels, starts, place, order, value, video, right, wrong,
        )  # fmt: skip
        sparse = Sparse.none() if cross is None else cross.of(order[:n], items.video)
        return Changes(starts, value[:n], video[:n], right[:n], wrong[:n], sparse, positives, lengths)

    def pooled(self) -> Changes:
        """The same with all classes as one. Of one threshold for all of them these are the counts."""
        classes = self.positives.shape[1]
        settings = (len(self.starts) - 1) // classes
        group = np.repeat(np.arange(len(self.starts) - 1) // classes, np.diff(self.starts))
        order, starts = by_group(group, self.value, settings)
        return Changes(
            starts, self.value[order], self.video[order], self.tp[order], self.fp[order], Sparse.none(),
            self.positives.sum(axis=1, keepdims=True), self.lengths.sum(axis=1, keepdims=True),
        )  # fmt: skip

    def curve(self, label: int, setting: int = 0) -> Curve:
        """Precision, recall and F of a class at every threshold."""
        classes = self.positives.shape[1]
        a, b = self.starts[setting * classes + label : setting * classes + label + 2].tolist()
        value = self.value[a:b]
        ends = np.flatnonzero(np.append(value[1:] != value[:-1], True)) if b > a else np.zeros(0, np.int64)
        tp, fp = (np.append(0, np.cumsum(x[a:b])[ends]) for x in (self.tp, self.fp))
        return Curve(np.append(np.inf, value[ends]), tp, fp, int(self.positives[:, label].sum()))

    def summary(self, times: Ints) -> Summary:
        """What :class:`Summary` holds of every class, setting and sample; a video counts ``times`` (B, N)."""
        classes = self.positives.shape[1]
        out = np.empty((len(times), len(self.starts) - 1, 7))
        curve_block(self.starts, self.value, self.video, self.tp, self.fp, self.positives, times, out)
        return Summary(out.reshape(len(times), -1, classes, 7))


@dataclass(frozen=True, eq=False)
class Curve:
    """Counts of one class at every threshold: just below each of its K values, the first of which is infinite.

    Shapes
    ------
    value : (K,) float64, falling; tp, fp : (K,) int64
    truths : annotated events or segments
    """

    value: Floats
    tp: Ints
    fp: Ints
    truths: int

    @property
    def precision(self) -> Floats:
        """(K,), 1 where nothing is detected."""
        found = self.tp + self.fp
        return np.where(found > 0, self.tp / np.maximum(found, 1), 1.0)

    @property
    def recall(self) -> Floats:
        """(K,), NaN without a truth."""
        return self.tp / self.truths if self.truths else np.full(len(self.tp), np.nan)

    @property
    def f1(self) -> Floats:
        """(K,), 0 where nothing is right."""
        return precision_recall_f(np.stack([self.tp, self.fp, np.full(len(self.tp), self.truths)], axis=-1))[2]

    @property
    def average_precision(self) -> float:
        """Sum over the thresholds of the gain of recall times precision; NaN without a truth."""
        return float((np.diff(self.recall) * self.precision[1:]).sum()) if self.truths else float("nan")

    def best(self) -> tuple[int, float]:
        """Where F is largest, at the highest threshold of equals, and the threshold, half way to the next value."""
        k = int(np.argmax(self.f1))
        if k + 1 == len(self.value):
            return k, -np.inf
        return k, float((self.value[k] + self.value[k + 1]) / 2)

    def at(self, threshold: float) -> int:
        """Which of the K points a threshold is at: what exceeds it is detected."""
        return int(np.count_nonzero(self.value > threshold)) - 1


@dataclass(frozen=True, eq=False)
class Summary:
    """Figures of B samples, P settings and C classes: ``table`` (B, P, C, 7) as :func:`.curve_block` writes it."""

    table: Floats

    @property
    def average_precision(self) -> Floats:
        """(B, P, C), NaN for a class without a truth."""
        return self.table[..., 3]

    @property
    def truths(self) -> Floats:
        """(B, P, C)"""
        return self.table[..., 6]

    @property
    def threshold(self) -> Floats:
        """(B, P, C), the least value that is detected at the best F; infinite where nothing is."""
        return self.table[..., 2]

    def counts(self, best: bool) -> Floats:
        """Right, wrong and truths (B, P, C, 3): of all items, or at the best F of each class."""
        return self.table[..., [0, 1, 6] if best else [4, 5, 6]]


def precision_recall_f(counts: Floats) -> tuple[Floats, Floats, Floats]:
    """Of right, wrong and truths (..., 3): precision, 1 where nothing is detected; recall, NaN without a truth; F."""
    right, found, truths = counts[..., 0], counts[..., 0] + counts[..., 1], counts[..., 2]
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.where(truths > 0, right / truths, np.nan)
    precision = np.where(found > 0, right / np.maximum(found, 1), 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        f = np.where((right > 0) & (truths > 0), 2.0 * precision * recall / (precision + recall), 0.0)
    return precision, recall, f


def by_collars(
    events: Spans, truths: Spans, onset: float, offset: float, share: float, *, greedy: bool = False,
    decimals: int | None = DECIMALS,
) -> Changes:  # fmt: skip
    """Events with a truth of their video and class of their own: whose onset is at most ``onset`` seconds away, and
    whose offset at most ``offset`` or, if that is more, ``share`` of the truth's length; ``offset`` below 0: any."""

    def count(items: Items, rule: Any, tp: Ints, fp: Ints) -> None:
        collar_changes(*items.arguments(), *rule, bool(greedy), tp, fp)

    return _changed(events, truths, count, [onset, offset, share], decimals)


def by_intersection(
    events: Spans, truths: Spans, of_event: float, of_truth: float, cross: float | None = None, *,
    decimals: int | None = DECIMALS,
) -> Changes:  # fmt: skip
    """An event is relevant when truths of its class cover ``of_event`` of it; a truth is found when relevant events
    cover ``of_truth`` of it. Right: the truths found; wrong: irrelevant events; cross trigger with a class: one that
    truths of that class cover to ``cross``."""

    def count(items: Items, rule: Any, tp: Ints, fp: Ints) -> Cross | None:
        own = Cross.empty(items.starts, items.key, items.g_starts, events.labels, cross is not None)
        places = (own.present_starts, own.present, own.rows, own.change, own.many)
        intersection_changes(*items.arguments(), *rule, events.labels, *places, tp, fp)
        return None if cross is None else own

    return _changed(events, truths, count, [of_event, of_truth, 1.0 if cross is None else cross], decimals)


@dataclass(frozen=True, eq=False)
class Items:
    """Items and truths as the kernels take them: ``starts`` (K + 1,) and ``key`` (K,) as :meth:`.Spans.grouped` has
    them, ``g_starts`` (N * C + 1,) where the truths of (video, label) begin."""

    spans: Spans
    starts: Ints
    key: Ints
    truths: Spans
    g_starts: Ints

    def arguments(self) -> tuple[Any, ...]:
        x, t = self.spans, self.truths
        return (self.starts, self.key, x.value, x.onset, x.offset, x.joins, self.g_starts, t.onset, t.offset)


def _changed(
    events: Spans, truths: Spans, count: Callable[[Items, tuple[Floats, float], Ints, Ints], Cross | None],
    rule: Sequence[float], decimals: int | None,
) -> Changes:  # fmt: skip
    """What ``count`` writes for items, by a rule and a scale. Raises: as :func:`.spans.check_numbers`."""
    check_numbers(events.value)
    items = Items(*events.grouped(), *truths.starts_by(truths.video, truths.label, truths.labels, truths.videos))
    tp, fp = np.zeros((2, len(events.value)), np.int64)
    cross = count(items, (np.array(rule, np.float64), 0.0 if decimals is None else 10.0**decimals), tp, fp)
    return Changes.of(items.spans, tp, fp, *truths_of(truths), cross)


def truths_of(truths: Spans) -> tuple[Ints, Floats]:
    """How many truths each video and class has, and their seconds, (N, C) each."""
    shape = (truths.videos, truths.labels)
    key = truths.video * truths.labels + truths.label
    size = shape[0] * shape[1]
    positives = np.bincount(key, minlength=size).astype(np.int64)
    lengths = np.bincount(key, weights=truths.offset - truths.onset, minlength=size)
    return positives.reshape(shape), lengths.astype(np.float64).reshape(shape)
