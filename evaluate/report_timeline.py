"""The timeline of a video: ground truth and predictions per track and label, hits and misses told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.events import TRACKS, Events
from .report_data import ReportData, ReportRun
from .report_style import (
    FALSE_ALARM, HIT, MISS, MUTED, PREDICTION, SPLIT_SEGMENTS, TRACK_NAMES, TRUTH, base_layout, left_margin, literal, note, panel_shape, right_margin, spans, time_axis,
)

MAX_ROWS = 12
"""Labels drawn in one track of a timeline; a note tells how many more there are."""
_LANE, _BAR, _ROW_GAP, _HEAD, _PANEL_GAP = 14.0, 11.0, 9.0, 27.0, 12.0
_OUTCOMES: dict[str, dict[str, Any]] = {
    "ground truth": {"color": TRUTH, "line": {"color": "white", "width": 1}},
    "prediction": {"color": PREDICTION, "line": {"color": "white", "width": 1}},
    "hit": {"color": HIT, "line": {"color": "white", "width": 1}},
    "false alarm": {
        "color": FALSE_ALARM,
        "line": {"color": "#9c5b10", "width": 1},
        "pattern": {"shape": "/", "fgcolor": "#7b3f00", "fillmode": "overlay", "size": 5, "solidity": 0.25},
    },
    "miss": {"color": "white", "line": {"color": MISS, "width": 1.6}},
}


@dataclass(frozen=True)
class VideoCounts:
    """Segments of one video and run that are hits, false alarms and misses, over all labels and tracks."""

    hits: int
    false_alarms: int
    misses: int


def segment_masks(events: Events, video: int, track: str, segments: int) -> dict[int, NDArray[np.bool_]]:
    """For each label of a track its segments, [T] bool."""
    masks: dict[int, NDArray[np.bool_]] = {}
    for label, onset, offset, _ in events.track(video, track):
        masks.setdefault(label, np.zeros(segments, bool))[max(onset, 0) : max(offset, 0)] = True
    return masks


def outcomes(
    truth: NDArray[np.bool_], predicted: NDArray[np.bool_]
) -> tuple[tuple[str, NDArray[np.bool_]], ...]:
    """Hit, false alarm and miss, each [T] bool, of one label."""
    return ("hit", predicted & truth), ("false alarm", predicted & ~truth), ("miss", truth & ~predicted)


def count_segments(data: ReportData, run: ReportRun, video: int) -> VideoCounts | None:
    """Hits, false alarms and misses of a video; None when there is no ground truth."""
    if data.truth is None:
        return None
    segments, totals = int(data.segments_per_video[video]), {"hit": 0, "false alarm": 0, "miss": 0}
    for track in TRACKS:
        truth = segment_masks(data.truth, video, track, segments)
        predicted = segment_masks(run.events, video, track, segments)
        none = np.zeros(segments, bool)
        for label in truth.keys() | predicted.keys():
            for name, mask in outcomes(truth.get(label, none), predicted.get(label, none)):
                totals[name] += int(mask.sum())
    return VideoCounts(totals["hit"], totals["false alarm"], totals["miss"])


class _Bars:
    """Collects horizontal bars by outcome, to become one trace each."""

    def __init__(self, names: Sequence[str], seconds: float) -> None:
        self.seconds = seconds
        self.bars: dict[str, list[tuple[float, float, float, str]]] = {name: [] for name in names}

    def add(self, name: str, y: float, start: int, stop: int, text: str) -> None:
        s = self.seconds
        when = f"{start * s:g}–{stop * s:g} s, segments [{start}, {stop})"
        self.bars[name].append((start * s, (stop - start) * s, y, f"{text}<br>{when}"))

    def traces(self) -> list[dict[str, Any]]:
        # A trace without bars holds one empty bar: Plotly drops empty traces, and their legend entry with them.
        return [
            {
                "type": "bar",
                "orientation": "h",
                "name": name,
                "base": [round(b[0], 4) for b in bars] or [0],
                "x": [round(b[1], 4) for b in bars] or [None],
                "y": [b[2] for b in bars] or [None],
                "width": _BAR,
                "hovertext": [b[3] for b in bars],
                "hoverinfo": "text",
                "marker": _OUTCOMES[name],
            }
            for name, bars in self.bars.items()
        ]


def _rank_labels(
    truth: dict[int, NDArray[np.bool_]], runs: Sequence[dict[int, NDArray[np.bool_]]]
) -> tuple[list[int], int]:
    """The labels drawn in a track, by onset, and how many were left out (those of the truth stay first)."""
    found = set(truth).union(*runs)

    def weight(label: int) -> tuple[int, int, int]:
        predicted = sum(int(masks[label].sum()) for masks in runs if label in masks)
        return (label not in truth, -predicted, label)

    def onset(label: int) -> tuple[int, int]:
        masks = [m[label] for m in (truth, *runs) if label in m]
        return (min(int(np.argmax(m)) for m in masks), label)

    return sorted(sorted(found, key=weight)[:MAX_ROWS], key=onset), max(0, len(found) - MAX_ROWS)


def timeline_figure(data: ReportData, video: int) -> dict[str, Any]:
    """Per track and label a lane of ground truth and a lane per run, as a Plotly figure (data, layout)."""
    segments, seconds = int(data.segments_per_video[video]), data.seconds(video)
    names = ("ground truth", "hit", "false alarm", "miss") if data.truth else ("prediction",)
    bars = _Bars(names, seconds)
    ticks: list[tuple[float, str]] = []
    notes: list[dict[str, Any]] = []
    panels: list[tuple[float, float]] = []
    lanes = [(literal(run.name, 16), run.events) for run in data.runs]
    y = 0.0
    for track in TRACKS:
        top, y = y, y + _HEAD
        notes.append(note(f"<b>{TRACK_NAMES[track]}</b>", y=top + _HEAD / 2, x=0, xshift=6, size=12.5))
        truth = segment_masks(data.truth, video, track, segments) if data.truth else {}
        runs = [segment_masks(events, video, track, segments) for _, events in lanes]
        rows, left_out = _rank_labels(truth, runs)
        for label in rows:
            text = literal(data.labels[label])
            height = _LANE * ((data.truth is not None) + len(lanes))
            ticks.append((y + height / 2, literal(data.labels[label], 26)))
            lane = y + _LANE / 2
            if data.truth is not None:
                notes.append(note("truth", y=lane, x=1, xshift=6, size=9.5, color=MUTED))
                for name, onset, offset, _ in data.truth.track(video, track):
                    if name == label:
                        bars.add("ground truth", lane, onset, offset, f"<b>{text}</b> · ground truth")
                lane += _LANE
            for (run, events), masks in zip(lanes, runs, strict=True):
                notes.append(note(run, y=lane, x=1, xshift=6, size=9.5, color=MUTED))
                mask = masks.get(label, np.zeros(segments, bool))
                states = (
                    outcomes(truth.get(label, np.zeros(segments, bool)), mask)
                    if data.truth
                    else (("prediction", mask),)
                )
                told = _event_texts(events, video, track, label, seconds)
                for state, where in states:
                    for start, stop in spans(where, segments <= SPLIT_SEGMENTS):
                        detail = "".join(f"<br>{t}" for a, b, t in told if a < stop and b > start)
                        bars.add(state, lane, start, stop, f"<b>{text}</b> · {run} · {state}{detail}")
                lane += _LANE
            y += height + _ROW_GAP
        if not rows:
            notes[-1]["text"] += f"  <span style='color:{MUTED}'>no events</span>"
            y -= 2
        if left_out:
            more = f"{left_out} more label{'s' if left_out > 1 else ''} not drawn"
            notes.append(note(more, y=y + 2, x=0, xshift=6, size=10.5, color=MUTED))
            y += 16
        panels.append((top, y))
        y += _PANEL_GAP
    y -= _PANEL_GAP
    shapes = [panel_shape(0, 1, top, bottom, yref="y") for top, bottom in panels]
    layout = base_layout(y, left=left_margin(t for _, t in ticks), right=right_margin([n for n, _ in lanes]))
    layout |= {
        "barmode": "overlay",
        "shapes": shapes,
        "annotations": notes,
        "xaxis": time_axis(segments, seconds) | {"title": {"text": "time (s)", "standoff": 6}},
        "yaxis": {
            "range": [y, 0],
            "fixedrange": True,
            "tickvals": [t for t, _ in ticks],
            "ticktext": [t for _, t in ticks],
            "showgrid": False,
            "zeroline": False,
            "ticks": "",
            "tickfont": {"size": 12},
        },
    }
    return {"data": bars.traces(), "layout": layout}


def _event_texts(
    events: Events, video: int, track: str, label: int, seconds: float
) -> list[tuple[int, int, str]]:
    """``(onset, offset, text)`` of a label's predicted events, for the hover box."""
    return [
        (
            onset,
            offset,
            f"predicted event {onset * seconds:g}–{offset * seconds:g} s"
            + (f", score {score:.3f}" if np.isfinite(score) else ""),
        )
        for name, onset, offset, score in events.track(video, track)
        if name == label
    ]


