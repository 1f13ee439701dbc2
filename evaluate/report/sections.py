"""What the page shows of one drawn video: its figures, why events were lost, and its events as a table."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from ...core.events import TRACKS, Events
from .columns import LONG_SEGMENTS
from .data import ReportData, ReportRun
from .html import script_json
from .html_escape import plain
from .outcomes import count_segments
from .scores import score_figure, score_step
from .style import TRACK_NAMES
from .timeline import timeline_figure
from .why import MISSED, Lost, lost_events

FIRST_WHY, MAX_WHY, MAX_EVENTS = 12, 200, 400
"""Lines of a video that are open, all lines, and table rows; how many more there are is said."""


def video_section(data: ReportData, video: int, number: int) -> dict[str, Any]:
    """What the template needs of one drawn video."""
    segments = int(data.segments_per_video[video])
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", data.video_ids[video])[:80].lstrip(".-") or f"video_{number}"
    lost = [lost_events(data, run, video) for run in data.runs]
    scores = []
    for k, run in enumerate(data.runs):
        figure = score_figure(data, run, video)
        if figure is not None:
            box = _box(figure[0], f"video-{number}-scores-{k + 1}", f"{name}_scores_{k + 1}")
            scores.append(box | {"run": plain(run.name), "left_out": figure[1]})
    return {
        "number": number,
        "id": plain(data.video_ids[video]),
        "segments": segments,
        "seconds": f"{segments * data.seconds(video):g}",
        "step": score_step(segments),
        "long": segments > LONG_SEGMENTS,
        "counts": [(plain(run.name), count_segments(data, run, video)) for run in data.runs],
        "timeline": _box(timeline_figure(data, video, lost), f"video-{number}-timeline", f"{name}_timeline")
        if segments
        else None,
        "scores": scores,
        "why": _why(data, video, lost),
        "events": event_table(data, video, lost),
    }


def _box(figure: dict[str, Any], div: str, file: str) -> dict[str, Any]:
    layout = figure["layout"]
    detail = layout.get("meta", {}).get("detail", 0)
    return {
        "div": div,
        "figure": script_json(figure),
        "height": layout["height"],
        "file": file,
        "detail": f"{detail:g}" if detail else "",
    }


def _why(data: ReportData, video: int, lost: Sequence[Sequence[Lost]]) -> list[dict[str, Any]]:
    """Of each run that has a trace, else of the main one, what became of the events that it has not as annotated; the
    missed ones first."""
    if data.truth is None:
        return []
    traced = [i for i, run in enumerate(data.runs) if run.trace is not None] or [len(data.runs) - 1]
    found = []
    for i in traced if data.runs else ():
        events = sorted(lost[i], key=lambda event: event.outcome != MISSED)
        lines = [
            {
                "outcome": event.outcome,
                "track": TRACK_NAMES[event.track],
                "label": plain(data.labels[event.label]),
                "when": _when(data, video, event.onset, event.offset),
                "text": plain(event.text),
            }
            for event in events[:MAX_WHY]
        ]
        found.append(
            {
                "run": plain(data.runs[i].name),
                "first": lines[:FIRST_WHY],
                "rest": lines[FIRST_WHY:],
                "more": len(events) - len(lines),
                "untold": "" if data.runs[i].trace is not None else "the run has no trace, which would tell why",
            }
        )
    return found


def event_table(data: ReportData, video: int, lost: Sequence[Sequence[Lost]]) -> dict[str, Any]:
    """The events that the timeline draws, as rows of text: by track, then onset; the truth before the runs."""
    segments = int(data.segments_per_video[video])
    outcomes = [{(e.track, e.label, e.onset, e.offset): e.outcome for e in of} for of in lost]
    found: list[tuple[int, int, int, int, int, float]] = []  # track, onset, offset, label, table, score
    for k in range(len(TRACKS)):
        for t, events in enumerate((data.truth, *(run.events for run in data.runs))):
            listed = () if events is None else events.track(video, k)
            found += [(k, onset, offset, label, t, score) for label, onset, offset, score in listed]
    rows = []
    for k, onset, offset, label, t, score in sorted(found, key=lambda event: event[:5])[:MAX_EVENTS]:
        if t == 0:
            key = (TRACKS[k], label, onset, min(offset, segments))
            result = _of_truth([of.get(key, "found") for of in outcomes], data.runs)
        else:
            result = _of_prediction(data.truth, video, k, (label, onset, offset))
        rows.append(
            {
                "track": TRACK_NAMES[TRACKS[k]],
                "label": plain(data.labels[label]),
                "in": "ground truth" if t == 0 else plain(data.runs[t - 1].name),
                "when": _when(data, video, onset, offset),
                "score": f"{score:.3f}" if t and math.isfinite(score) else "–",
                "result": result,
            }
        )
    return {"rows": rows, "more": len(found) - len(rows), "all": len(found)}


def _of_truth(outcomes: list[str], runs: Sequence[ReportRun]) -> str:
    """What each run made of an annotated event."""
    if len(outcomes) == 1:
        return outcomes[0]
    return "; ".join(f"{plain(run.name)}: {outcome}" for run, outcome in zip(runs, outcomes, strict=True))


def _of_prediction(truth: Events | None, video: int, track: int, event: tuple[int, int, int]) -> str:
    """What a predicted event is, beside the annotated ones that it overlaps."""
    if truth is None:
        return ""
    label, onset, offset = event
    rows = truth.rows(video, track)
    same = truth.label[rows] == label
    a, b = truth.onset[rows][same], truth.offset[rows][same]
    if ((a == onset) & (b == offset)).any():
        return "as annotated"
    return "other boundaries" if ((a < offset) & (b > onset)).any() else "false alarm"


def _when(data: ReportData, video: int, onset: int, offset: int) -> str:
    seconds = data.seconds(video)
    return f"{onset * seconds:g}–{offset * seconds:g} s, segments [{onset}, {offset})"
