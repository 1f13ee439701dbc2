"""What the page is told first: the store, the annotations, the figures there are, and where it begins."""

from __future__ import annotations

from typing import Any

from ...cache.inner_stores import backbone_name
from ...core.events import TRACKS
from ...core.registry import failures_of
from ..made_from import made_from, toy_note
from .session import Session


def session_summary(session: Session, name: str, media: bool) -> dict[str, Any]:
    """What there is to explore.

    name : of the store, as the user gave it
    media : whether folders of videos were given

    Raises: DataError for a metric of a plug-in that fails.
    """
    problem, truth = session.problem(session.start), session.truth
    metrics, ids = [], ""
    if problem is not None and truth is not None:
        metric = problem.target.metric
        ids = truth.ids_sha256
        with failures_of("metric", metric, metric.name):
            for figure in metric.names(problem.target.truth):
                group, title = metric.title(figure)
                metrics.append({"name": figure, "group": group, "title": title})
    toy = toy_note(made_from(session.store, session.scores), session.video_ids)
    why = session.why_no_words()
    return {
        "store": name,
        "encoder": backbone_name(session.store.config),
        "scores": session.scores,
        "videos": len(session.video_ids),
        "annotated_videos": session.num_annotated,
        "labels": list(session.labels),
        "words": list(session.words),
        "tracks": list(TRACKS),
        "annotated": truth is not None,
        "dataset": "" if truth is None else truth.dataset,
        "split": "" if truth is None else truth.split,
        "expected": session.expected,
        "ids_sha256": ids,
        "notes": [*(() if truth is None else truth.notes), *([] if toy is None else [toy])],
        "decoders": list(session.decoders),
        "metrics": metrics,
        "start": session.start.as_dict(),
        "media": media,
        "word": {"available": not why, "why": why},
    }
