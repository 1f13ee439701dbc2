"""PSDS: hits against false alarms over all thresholds, with cross triggers and the spread of the classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import UsageError
from ..events import Events
from ..kernels.threshold_curves import psds_block
from .base import Truth
from .event_f1 import check_decimals
from .ranking import RankingMetric, by_label, check_share
from .spans import Floats, Ints
from .threshold_counts import DECIMALS, Changes, by_intersection


def psds(
    changes: Changes, seconds: Floats, *, alpha_ct: float = 0.0, alpha_st: float = 0.0, max_efpr: float = 100.0,
    times: Ints | None = None,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Polyphonic sound detection score (B, P) and that of each class (B, P, C), in 0..1; NaN without a truth.

    A class has, at each threshold, its share of truths found and its rate of false alarms an hour, with ``alpha_ct``
    times the mean, over the other classes with truths, of cross triggers per hour of their truths added to it.
    The share found never falls with that rate. Of all classes: mean less ``alpha_st`` standard deviations, at least 0.
    The score is the area under it up to the rate ``max_efpr``, divided by that.

    changes : of :func:`.threshold_counts.by_intersection`, with ``cross`` where ``alpha_ct`` is above 0
    seconds : (N,) float64, length of each video
    times : (B, N) int64, how often each video counts in each sample; default: once
    """
    often = np.ones((1, len(seconds)), np.int64) if times is None else times
    classes = changes.positives.shape[1]
    groups = len(changes.starts) - 1
    total, of_class = np.empty((len(often), groups // classes)), np.empty((len(often), groups))
    cross = changes.cross
    psds_block(
        changes.starts, changes.value, changes.video, changes.tp, changes.fp, cross.starts, cross.label, cross.change,
        changes.positives, changes.lengths, np.ascontiguousarray(seconds, np.float64), float(alpha_ct), float(alpha_st),
        float(max_efpr), often, total, of_class,
    )  # fmt: skip
    return total, of_class.reshape(len(often), -1, classes)


@dataclass(frozen=True, eq=False)
class PsdsCurves:
    """The curves that :func:`psds` is the area under, of one setting.

    Shapes
    ------
    efpr, etpr : (K,) float64, rates of false alarms an hour, the last of which is ``max_efpr``, and at each the mean
        share found of the classes with truths less ``alpha_st`` standard deviations, at least 0
    of_class : of each class (n,) rates of false alarms and (n,) shares found, where these rise; empty without a truth
    """

    efpr: Floats
    etpr: Floats
    of_class: tuple[tuple[Floats, Floats], ...]


def psds_curves(
    changes: Changes, seconds: Floats, *, alpha_ct: float = 0.0, alpha_st: float = 0.0, max_efpr: float = 100.0,
    setting: int = 0,
) -> PsdsCurves:  # fmt: skip
    """The curves behind :func:`psds`, which takes the same arguments."""
    truths, lengths = changes.positives.sum(axis=0), changes.lengths.sum(axis=0)
    classes, total = len(truths), float(np.sum(seconds))
    found: list[tuple[Floats, Floats]] = []
    for c in range(classes):
        a, b = changes.starts[setting * classes + c : setting * classes + c + 2].tolist()
        if not truths[c]:
            found.append((np.zeros(0), np.zeros(0)))
            continue
        value = changes.value[a:b]
        ends = np.flatnonzero(np.append(value[1:] != value[:-1], True)) if b > a else np.zeros(0, np.int64)
        tp, fp = (np.append(0, np.cumsum(x[a:b])[ends]) for x in (changes.tp, changes.fp))
        others = [k for k in range(classes) if k != c and truths[k]]
        rate = fp / total
        if alpha_ct and len(changes.cross.starts) and others:
            crossed = np.cumsum(changes.cross.rows(a, b, classes)[:, others], axis=0, dtype=np.int64)[ends]
            # a class whose truths have no length crosses nothing
            rates = np.divide(crossed, lengths[others], out=np.zeros(crossed.shape), where=lengths[others] > 0.0)
            rate[1:] += alpha_ct * rates.sum(axis=1) / len(others)
        x, y = rate * 3600.0, tp / truths[c]
        order = np.lexsort((y, x))
        x, y = x[order], np.maximum.accumulate(y[order])
        kept = np.append(x[1:] > x[:-1], True) & (x <= max_efpr)  # the highest of each rate
        x, y = x[kept], y[kept]
        rises = np.append(True, y[1:] > y[:-1])
        found.append((x[rises], y[rises]))
    curves = [(x, y) for x, y in found if len(x)]
    efpr = np.unique(np.concatenate([np.zeros(0), *(x for x, _ in curves)]))
    if not len(efpr):
        return PsdsCurves(np.array([max_efpr]), np.array([np.nan]), tuple(found))
    at = np.array([y[np.searchsorted(x, efpr, "right") - 1] for x, y in curves])
    etpr = np.maximum(at.mean(axis=0) - alpha_st * at.std(axis=0), 0.0)
    return PsdsCurves(np.append(efpr, max_efpr), np.append(etpr, etpr[-1]), tuple(found))


@dataclass(frozen=True)
class Psds(RankingMetric):
    """``psds``, by default of DCASE's scenario 1; ``psds(dtc=0.1,gtc=0.1,alpha_ct=0.5)`` is its scenario 2.

    dtc, gtc : as :class:`.event_f1.IntersectionF1` has them
    cttc : least share of an irrelevant event that truths of another class cover to make it a cross trigger
    alpha_ct, alpha_st, max_efpr : as :func:`psds` has them
    decimals : of a second, to which times are rounded before they are compared; None: they are not
    """

    name: ClassVar[str] = "psds"
    about: ClassVar[str] = "polyphonic sound detection score: hits against false alarms over all thresholds"
    headline: ClassVar[tuple[str, ...]] = ("psds",)

    dtc: float = 0.7
    gtc: float = 0.7
    cttc: float = 0.3
    alpha_ct: float = 0.0
    alpha_st: float = 1.0
    max_efpr: float = 100.0
    decimals: int | None = DECIMALS

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("dtc", "gtc", "cttc"):
            check_share(getattr(self, name), name)
        for name in ("alpha_ct", "alpha_st", "max_efpr"):
            if not 0 <= getattr(self, name) < np.inf:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be at least 0 and finite")
        if self.max_efpr == 0:
            raise UsageError("max_efpr is 0; give a rate of false alarms an hour above 0")
        check_decimals(self.decimals)

    def own_names(self) -> tuple[str, ...]:
        return ("psds",)

    def figures(self, predicted: Events, truth: Truth, times: Ints) -> Floats:
        return self._of(predicted, truth, times)[0][..., None]

    def per_class(self, predicted: Events, truth: Truth) -> dict[str, dict[str, float]]:
        of_class = self._of(predicted, truth, None)[1][0, 0]
        return by_label(truth.labels, ~np.isnan(of_class), psds=100.0 * of_class)

    def _of(self, predicted: Events, truth: Truth, times: Ints | None) -> tuple[Floats, Floats]:
        found, true = self.spans(predicted, truth)
        cross = self.cttc if self.alpha_ct else None
        changes = by_intersection(found, true, self.dtc, self.gtc, cross, decimals=self.decimals)
        how: dict[str, Any] = {"alpha_ct": self.alpha_ct, "alpha_st": self.alpha_st, "max_efpr": self.max_efpr}
        return psds(changes, truth.segments * truth.seconds, times=times, **how)
