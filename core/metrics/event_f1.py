"""F1 of events that match a truth: by collars around its onset and offset, or by intersection."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ..errors import UsageError
from ..events import Events
from .base import Truth
from .ranking import RankingMetric, by_label, check_share, mean_of_classes
from .spans import Floats, Ints, Spans
from .threshold_counts import DECIMALS, Changes, Summary, by_collars, by_intersection, precision_recall_f

UNFOUND = ("zero", "leave_out")
MATCHING = ("optimal", "greedy")


@dataclass(frozen=True)
class EventF1(RankingMetric):
    """F1, precision and recall of events: means over the classes that have a truth, and of the counts of all classes
    together (``micro``).

    best : of the events from the confidence on that is best for the F1 of their class, instead of all; the figures are
        then named ``<name>_best_...``
    unfound : a class of which nothing is found counts with F1 0, and without any event with precision 1 (``zero``,
        sed_scores_eval), or is left out of the means (``leave_out``, psds_eval)
    decimals : of a second, to which times are rounded before they are compared (sed_scores_eval: 6); None: they are
        not (sed_eval, psds_eval), so that a time right at the limit falls either way
    """

    prefix: ClassVar[str]

    best: bool = False
    unfound: str = "zero"
    decimals: int | None = DECIMALS

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.unfound not in UNFOUND:
            raise UsageError(f"unfound is {self.unfound!r}; choose {' or '.join(UNFOUND)}")
        check_decimals(self.decimals)

    @property
    def reads(self) -> frozenset[str]:  # type: ignore[override]
        """Scores only where the best threshold on them is sought."""
        return frozenset({"events", "durations", *(("scores",) if self.best else ())})

    @abstractmethod
    def changes(self, events: Spans, truths: Spans) -> Changes:
        """How the counts change as a threshold on confidence falls."""

    def own_names(self) -> tuple[str, ...]:
        head = f"{self.prefix}_best" if self.best else self.prefix
        means = tuple(f"{head}_{figure}" for figure in ("f1", "precision", "recall"))
        return (*means, *(f"{name}_micro" for name in means))

    def figures(self, predicted: Events, truth: Truth, times: Ints) -> Floats:
        counts = self._summary(predicted, truth, times).counts(self.best)
        counted = counts[..., 2] > 0
        if self.unfound == "leave_out":
            counted = counted & (counts[..., 0] > 0)
        p, r, f = (mean_of_classes(x, counted) for x in precision_recall_f(counts))
        together = counts.sum(axis=2)
        q, s, g = precision_recall_f(together)
        q = np.where(together[..., 0] + together[..., 1] > 0, q, 0.0)
        return np.stack([f, p, r, np.where(together[..., 2] > 0, g, np.nan), q, s], axis=-1)

    def per_class(self, predicted: Events, truth: Truth) -> dict[str, dict[str, float]]:
        found = self._summary(predicted, truth, np.ones((1, len(truth.segments)), np.int64))
        counts = found.counts(self.best)[0, 0]
        p, r, f = precision_recall_f(counts)
        columns = {"f1": 100 * f, "precision": 100 * p, "recall": 100 * r, "truths": counts[:, 2]}
        at = {"confidence": np.where(np.isinf(x := found.threshold[0, 0]), np.nan, x)} if self.best else {}
        return by_label(truth.labels, counts[:, 2] > 0, **columns, **at)

    def _summary(self, predicted: Events, truth: Truth, times: Ints) -> Summary:
        found, true = self.spans(predicted, truth, ranked=self.best)
        if not self.best:
            found = replace(found, value=np.zeros_like(found.value))
        return self.changes(found, true).summary(times)


@dataclass(frozen=True)
class CollarF1(EventF1):
    """``collar_f1`` and others: an event matches a truth of its class that begins and ends near it; matched one to one.

    onset : most that the onsets may differ, in seconds
    offset : most that the offsets may differ, in seconds; below 0: offsets do not matter
    offset_share : or this share of the truth's length, if that is more
    matching : as many pairs as possible (``optimal``), or each truth in turn the first event that fits (``greedy``)
    """

    name: ClassVar[str] = "collar_f1"
    about: ClassVar[str] = "F1 of events with onset and offset within collars (sed_eval)"
    headline: ClassVar[tuple[str, ...]] = ("collar_f1", "collar_best_f1")
    prefix: ClassVar[str] = "collar"

    onset: float = 0.2
    offset: float = 0.2
    offset_share: float = 0.2
    matching: str = "optimal"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.onset < np.inf or not -np.inf < self.offset < np.inf:
            raise UsageError(
                f"the collars are {self.onset} and {self.offset} seconds; give finite numbers, the onset's at least 0"
            )
        if not 0 <= self.offset_share < np.inf:
            raise UsageError(f"offset_share is {self.offset_share}; it must be at least 0 and finite")
        if self.matching not in MATCHING:
            raise UsageError(f"matching is {self.matching!r}; choose {' or '.join(MATCHING)}")

    def changes(self, events: Spans, truths: Spans) -> Changes:
        greedy = self.matching == "greedy"
        return by_collars(
            events, truths, self.onset, self.offset, self.offset_share, greedy=greedy, decimals=self.decimals
        )


@dataclass(frozen=True)
class IntersectionF1(EventF1):
    """``intersection_f1`` and others: an event is right where truths of its class cover a share of it, a truth is found
    where right events cover a share of it. Found truths and wrong events are counted.

    dtc : least share of an event (detection tolerance criterion)
    gtc : least share of a truth (ground truth intersection criterion)
    """

    name: ClassVar[str] = "intersection_f1"
    about: ClassVar[str] = "F1 of events that truths cover, and truths that events cover (psds_eval)"
    headline: ClassVar[tuple[str, ...]] = ("intersection_f1", "intersection_best_f1")
    prefix: ClassVar[str] = "intersection"

    dtc: float = 0.5
    gtc: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share(self.dtc, "dtc")
        check_share(self.gtc, "gtc")

    def changes(self, events: Spans, truths: Spans) -> Changes:
        return by_intersection(events, truths, self.dtc, self.gtc, decimals=self.decimals)


def check_decimals(decimals: int | None) -> None:
    """Raises: UsageError for a number of decimals outside 0 to 12."""
    if decimals is not None and not 0 <= decimals <= 12:
        raise UsageError(f"decimals is {decimals}; give 0 to 12, or none for no rounding")
