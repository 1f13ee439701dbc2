"""The list of videos: their figures, what changed against the baseline, and which kinds of error they hold."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...core.errors import UsageError, shown
from ...core.events import Events
from .session import Answer, Session, known

KINDS = ("missed", "false_alarm", "boundary", "wrong_modality")
"""Of an error: an annotated event that nothing overlaps, a predicted one likewise, an annotated one that is overlapped
but not matched, and one whose label is found at that time in the other modality only."""

SORTS = ("id", "figure", "change", "errors", "events")

MATCH = 0.5
"""IoU from which a predicted event matches an annotated one, as in the event-level figures."""

_MOST = 1000


class ListForm(msgspec.Struct):
    """How the page wants its list."""

    sort: str = "id"
    figure: str | None = None
    descending: bool = False
    label: str | None = None
    kind: str | None = None
    text: str = ""
    offset: int = 0
    limit: int = 100


def error_counts(predicted: Events, truth: Events, label: int | None = None) -> NDArray[np.int64]:
    """Errors (4, M) of M videos in the order of :data:`KINDS`, of one label or of all; both tables of one setting."""
    p, t = _Table(predicted, label), _Table(truth, label)
    overlap = _best_overlap(t, p, t.own)
    wrong = (overlap == 0) & (_best_overlap(t, p, t.other) > 0)
    alone = _best_overlap(p, t, p.own) == 0
    moved = alone & (_best_overlap(p, t, p.other) > 0)

    def count(table: _Table, which: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(table.video[which], minlength=truth.num_videos)

    return np.stack([
        count(t, (overlap == 0) & ~wrong),
        count(p, alone & ~moved),
        count(t, (overlap > 0) & (overlap < MATCH)),
        np.maximum(count(t, wrong), count(p, moved)),
    ])  # fmt: skip


class _Table:
    """Events as columns; ``own`` and ``other`` name the track and label, and the label in the other modality."""

    def __init__(self, events: Events, label: int | None) -> None:
        row = np.repeat(np.arange(len(events.starts) - 1), np.diff(events.starts))
        kept = slice(None) if label is None else events.label == label
        self.video, self.track = row[kept] // 3, row[kept] % 3
        self.label, self.onset, self.offset = (a[kept] for a in (events.label, events.onset, events.offset))
        self.own = (self.video * 3 + self.track) * _LABELS + self.label
        # audio-visual events have no other modality; -1 is no key
        self.other = np.where(self.track < 2, (self.video * 3 + 1 - self.track) * _LABELS + self.label, -1)


_LABELS = 1 << 24


def _best_overlap(of: _Table, with_: _Table, keys: NDArray[np.int64]) -> NDArray[np.float64]:
    """The largest IoU of each event with those of another table whose track and label ``keys`` name; 0 for none."""
    order = np.argsort(with_.own, kind="stable")
    ordered = with_.own[order]
    first, last = np.searchsorted(ordered, keys, "left"), np.searchsorted(ordered, keys, "right")
    counts = last - first
    mine = np.repeat(np.arange(len(keys)), counts)
    ends = np.cumsum(counts)
    theirs = order[np.arange(len(mine)) + np.repeat(first - (ends - counts), counts)]
    both = np.minimum(of.offset[mine], with_.offset[theirs]) - np.maximum(of.onset[mine], with_.onset[theirs])
    either = np.maximum(of.offset[mine], with_.offset[theirs]) - np.minimum(of.onset[mine], with_.onset[theirs])
    best = np.zeros(len(keys))
    np.maximum.at(best, mine, np.maximum(both, 0) / either)
    return best


def listed(session: Session, form: ListForm, answer: Answer, baseline: Answer | None) -> dict[str, Any]:
    """The videos that a form asks for, in its order, from ``offset`` on.

    Raises: UsageError for an unknown sort, figure, label or kind.
    """
    n, m = len(session.video_ids), session.num_annotated
    figure = _figure(session, form, answer)
    values, change = np.full(n, np.nan), np.full(n, np.nan)
    of_videos = None if figure is None else answer.of_videos(figure)
    if figure is not None and of_videos is not None:
        values[:m] = of_videos
        before = None if baseline is None else baseline.of_videos(figure)
        if before is not None:
            change[:m] = of_videos - before
    errors = np.zeros((len(KINDS), n), np.int64)
    label = _label(session, form.label)
    if session.truth is not None and answer.fitted is not None:
        problem = session.problem(answer.setting)
        assert problem is not None
        asked = None if label is None else int(problem.target.to_label[label])
        if asked is None or asked >= 0:
            errors[:, :m] = error_counts(answer.fitted, session.truth.events, asked)
    events = answer.events.starts[3::3] - answer.events.starts[:-1:3]
    kept = _kept(session, form, answer, errors, label)
    keys = {"id": np.arange(n), "figure": values, "change": change, "errors": errors.sum(axis=0), "events": events}
    rows = _sorted(np.flatnonzero(kept), form, keys[form.sort], session)
    page = rows[form.offset : form.offset + min(max(form.limit, 0), _MOST)]
    lengths = session.bundle.segments_per_video * session.bundle.segment_seconds
    return {
        "total": len(rows),
        "figure": figure,
        "rows": [
            {
                "index": i, "id": session.video_ids[i], "figure": known(values[i]), "change": known(change[i]),
                "events": int(events[i]), **{k: int(c) for k, c in zip(KINDS, errors[:, i], strict=True)},
                "annotated": i < m, "seconds": float(lengths[i]),
            }
            for i in page.tolist()
        ],
    }  # fmt: skip


def _figure(session: Session, form: ListForm, answer: Answer) -> str | None:
    """The figure that ranks videos: the one asked for, else the metric's first."""
    if form.sort not in SORTS:
        raise UsageError(f"videos are sorted by {', '.join(SORTS)}; got {shown(form.sort)}")
    if form.kind is not None and form.kind not in KINDS:
        raise UsageError(f"kinds of error are {', '.join(KINDS)}; got {shown(form.kind)}")
    if answer.scores is None or not answer.scores.video_names:
        return None
    names = answer.scores.video_names
    if form.figure is not None:
        if form.figure not in answer.scores.names:
            raise UsageError(f"there is no figure {shown(form.figure)}; figures are {', '.join(answer.scores.names)}")
        return form.figure if form.figure in names else None
    problem = session.problem(answer.setting)
    first = () if problem is None else problem.target.metric.headline
    return next((name for name in first if name in names), names[0])


def _label(session: Session, label: str | None) -> int | None:
    if not label:
        return None
    if label not in session.labels:
        raise UsageError(f"there is no label {shown(label)} in the store")
    return session.labels.index(label)


def _kept(
    session: Session, form: ListForm, answer: Answer, errors: NDArray[np.int64], label: int | None
) -> NDArray[np.bool_]:
    kept = np.ones(len(session.video_ids), np.bool_)
    if form.text:
        wanted = form.text.casefold()
        kept &= np.array([wanted in video.casefold() for video in session.video_ids], np.bool_)
    if label is not None:
        has = np.zeros(len(kept), np.bool_)
        video = np.repeat(np.arange(len(kept)), np.diff(answer.events.starts[::3]))
        has[video[answer.events.label == label]] = True
        problem = session.problem(answer.setting)
        if problem is not None and session.truth is not None:
            t = session.truth.events
            owner = np.repeat(np.arange(t.num_videos), np.diff(t.starts[::3]))
            has[owner[t.label == int(problem.target.to_label[label])]] = True
        kept &= has
    if form.kind is not None:
        kept &= errors[KINDS.index(form.kind)] > 0
    return kept


def _sorted(rows: NDArray[np.int64], form: ListForm, key: NDArray[Any], session: Session) -> NDArray[np.int64]:
    """Rows by a key, of equals the first first; those without a value come last."""
    if form.sort == "id":
        found = np.array(sorted(rows.tolist(), key=lambda i: session.video_ids[i]), np.int64)
        return found[::-1] if form.descending else found
    values = key[rows].astype(np.float64)
    order = np.argsort(np.where(np.isnan(values), np.inf, -values if form.descending else values), kind="stable")
    return rows[order]
