"""Error rates of sound event detection as `sed_eval` counts them: substitutions, deletions and insertions, of segments
or of events, each video by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, UsageError
from .spans import Floats, Ints, Spans


@dataclass(frozen=True, eq=False)
class ErrorCounts:
    """Counts of segments or events.

    Shapes
    ------
    tp, truths, found : (C,) int64 of each class: right ones, annotated ones, detected ones
    right : right ones of all classes
    substitutions : detected in place of one of another class
    deletions, insertions : missed and added ones that substitute nothing
    """

    tp: Ints
    truths: Ints
    found: Ints
    right: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def fp(self) -> Ints:
        """(C,) int64, detected and not annotated."""
        return self.found - self.tp

    @property
    def fn(self) -> Ints:
        """(C,) int64, annotated and not detected."""
        return self.truths - self.tp

    @property
    def rates(self) -> tuple[float, float, float]:
        """Substitutions, deletions and insertions for each annotated one; NaN without any."""
        truths = int(self.truths.sum())
        if not truths:
            return (float("nan"),) * 3
        return self.substitutions / truths, self.deletions / truths, self.insertions / truths

    @property
    def error_rate(self) -> float:
        """Substitutions, deletions and insertions together for each annotated one; NaN without any."""
        truths = int(self.truths.sum())
        return (self.substitutions + self.deletions + self.insertions) / truths if truths else float("nan")

    @property
    def class_error_rate(self) -> Floats:
        """(C,) float64, missed and added ones for each annotated one of the class; NaN without any."""
        return np.where(self.truths > 0, (self.fn + self.fp) / np.maximum(self.truths, 1), np.nan)

    @property
    def precision_recall_f(self) -> tuple[float, float, float]:
        """Of all classes together; NaN where nothing is detected, or nothing annotated."""
        return tuple(float(x) for x in _precision_recall_f(self.right, self.found.sum(), self.truths.sum()))  # type: ignore[return-value]

    @property
    def class_f(self) -> Floats:
        """(C,) float64, F1 of each class; NaN as :attr:`precision_recall_f`, 0 where nothing is right."""
        return _precision_recall_f(self.tp, self.found, self.truths)[2]


def _precision_recall_f(right: ArrayLike, found: ArrayLike, truths: ArrayLike) -> tuple[Floats, Floats, Floats]:
    with np.errstate(invalid="ignore", divide="ignore"):
        p, r = np.divide(right, found), np.divide(right, truths)
        return p, r, np.where((p == 0) & (r == 0), 0.0, 2 * p * r / (p + r))


def segment_errors(events: Spans, truths: Spans, seconds: ArrayLike, length: float) -> ErrorCounts:
    """Errors in segments of ``length`` seconds from the start of each video; a segment is detected or annotated where a
    span touches it, from the one that its onset lies in to the one that its offset does, times not being rounded.

    In a segment, as many of the detected classes as can are substitutions for annotated ones.

    Parameters
    ----------
    events, truths : of one setting
    seconds : (N,) float64, length of each video; later segments do not count
    length : seconds, above 0

    Raises
    ------
    UsageError
        a length that is not above 0
    DataError
        other videos, several settings
    """
    if not length > 0:
        raise UsageError(f"length is {length}; it must be above 0 seconds")
    _check(events, truths)
    counts = np.ceil(np.asarray(seconds, np.float64) / length).astype(np.int64)
    if len(counts) != truths.videos:
        raise DataError(f"there are {len(counts)} lengths and {truths.videos} videos; give one of each")
    first = np.append(0, np.cumsum(counts))
    found, true = (_roll(spans, counts, first, length) for spans in (events, truths))
    right, n_found, n_true = (x.sum(axis=1) for x in (found & true, found, true))
    return ErrorCounts(
        (found & true).sum(axis=0), true.sum(axis=0), found.sum(axis=0), int(right.sum()),
        int((np.minimum(n_found, n_true) - right).sum()), int(np.maximum(n_true - n_found, 0).sum()),
        int(np.maximum(n_found - n_true, 0).sum()),
    )  # fmt: skip


def _roll(spans: Spans, counts: Ints, first: Ints, length: float) -> NDArray[np.bool_]:
    """Which segments (S, C) of all videos spans touch."""
    roll = np.zeros((int(first[-1]), spans.labels), np.bool_)
    begin, end = np.floor(spans.onset / length).astype(np.int64), np.ceil(spans.offset / length).astype(np.int64)
    end = np.minimum(end, counts[spans.video])
    columns = (spans.video, spans.label, begin, end)
    for v, c, a, b in zip(*(x.tolist() for x in columns), strict=True):
        roll[first[v] + a : first[v] + max(b, a), c] = True
    return roll


def event_errors(
    events: Spans,
    truths: Spans,
    onset: float,
    offset: float,
    share: float,
    *,
    greedy: bool = False,
    decimals: int | None = None,
) -> ErrorCounts:
    """Errors of events that are matched to truths as :func:`.threshold_counts.by_collars` does.

    An event that is matched to none substitutes, whatever its class, the first truth that is not matched and that it
    lies within the collars of. What is left are deletions and insertions. The order of the events and truths of a
    video matters where more than one fits.

    Parameters: as :func:`.threshold_counts.by_collars`; times are not rounded unless ``decimals`` says so.

    Raises: DataError for other videos, or several settings.
    """
    _check(events, truths)
    found, true = (np.bincount(x.label, minlength=x.labels) for x in (events, truths))
    tp = np.zeros_like(true)
    substitutions = 0
    for v in range(truths.videos):
        e, t = (x.taken(np.flatnonzero(x.video == v)) for x in (events, truths))
        near = np.abs(t.onset[:, None] - e.onset) - onset
        far = np.abs(t.offset[:, None] - e.offset) - np.maximum(offset, share * (t.offset - t.onset))[:, None]
        if decimals is not None:
            near, far = np.round(near, decimals), np.round(far, decimals)
        fits = (near <= 0) & ((far <= 0) | (offset < 0))
        same = fits & (t.label[:, None] == e.label)
        event_of = _first_free(same) if greedy else _most(same)
        tp += np.bincount(t.label[event_of >= 0], minlength=t.labels)
        free_truths = np.flatnonzero(event_of < 0)
        free_events = np.setdiff1d(np.arange(len(e.label)), event_of)
        substitutions += int((_first_free(fits[np.ix_(free_truths, free_events)]) >= 0).sum())
    right = int(tp.sum())
    missed, added = int(true.sum()) - right - substitutions, int(found.sum()) - right - substitutions
    return ErrorCounts(tp, true, found, right, substitutions, missed, added)


def _first_free(fits: NDArray[np.bool_]) -> Ints:
    """The event (G,) that each truth in turn takes, the first that fits (G, E) and is free; -1 for none."""
    taken = np.full(len(fits), -1)
    free = np.ones(fits.shape[1], np.bool_)
    for t, row in enumerate(fits):
        able = np.flatnonzero(row & free)
        if len(able):
            taken[t] = able[0]
            free[able[0]] = False
    return taken


def _most(fits: NDArray[np.bool_]) -> Ints:
    """The event (G,) of each truth where as many as possible get one; -1 for none. Events take the first free truth in
    the order of the first truth that they fit, before any is given another one."""
    event_of = np.full(len(fits), -1)
    some = np.flatnonzero(fits.any(axis=0))
    waiting: list[int] = []
    if not len(some):
        return event_of
    for e in some[np.argsort(fits[:, some].argmax(axis=0), kind="stable")].tolist():
        able = np.flatnonzero(fits[:, e] & (event_of < 0))
        if len(able):
            event_of[able[0]] = e
        else:
            waiting.append(e)
    for e in waiting:
        _make_room(fits, e, event_of)
    return event_of


def _make_room(fits: NDArray[np.bool_], event: int, event_of: Ints) -> None:
    """Give an event a truth by the shortest chain of events that change theirs, if there is one."""
    came_from: dict[int, int] = {}
    layer = [event]
    while layer:
        after = []
        for e in layer:
            for t in np.flatnonzero(fits[:, e]).tolist():
                if t in came_from:
                    continue
                came_from[t] = e
                if event_of[t] < 0:
                    while True:
                        e, t = came_from[t], _swap(event_of, t, came_from[t])
                        if e == event:
                            return
                after.append(int(event_of[t]))
        layer = after


def _swap(event_of: Ints, truth: int, event: int) -> int:
    """Give a truth to an event; returns the truth that the event had, -1 for none."""
    had = np.flatnonzero(event_of == event)
    event_of[had] = -1
    event_of[truth] = event
    return int(had[0]) if len(had) else -1


def _check(events: Spans, truths: Spans) -> None:
    if events.videos != truths.videos or events.labels != truths.labels:
        raise DataError(
            f"events are of {events.videos} videos and {events.labels} labels, truths of {truths.videos} and "
            f"{truths.labels}; align them first"
        )
    if events.settings != 1:
        raise DataError(f"events are of {events.settings} settings; take one")
