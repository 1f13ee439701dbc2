"""The timeline of a video: ground truth and predictions per track and label, hits and misses told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.events import TRACKS, Events
from .data import ReportData, ReportRun
from .html_escape import literal
from .style import (
    FALSE_ALARM,
    HIT,
    MISS,
    MUTED,
    PREDICTION,
    SPLIT_SEGMENTS,
    TIME_TITLE,
    TRACK_NAMES,
    TRUTH,
    base_layout,
    left_margin,
    note,
    panel_shape,
    right_margin,
    spans,
    time_axis,
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


def outcomes(truth: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> tuple[tuple[str, NDArray[np.bool_]], ...]:
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
    return _Timeline(data, video).figure()


class _Timeline:
    """Draws from top to bottom; heights are pixels, the y axis runs downwards."""

    def __init__(self, data: ReportData, video: int) -> None:
        self.data, self.video = data, video
        self.segments, self.seconds = int(data.segments_per_video[video]), data.seconds(video)
        self.nothing = np.zeros(self.segments, bool)
        self.lanes = [(literal(run.name, 16), run.events) for run in data.runs]
        kinds = ("ground truth", "hit", "false alarm", "miss") if data.truth else ("prediction",)
        self.bars: dict[str, list[tuple[float, float, float, str]]] = {kind: [] for kind in kinds}
        self.ticks: list[tuple[float, str]] = []
        self.notes: list[dict[str, Any]] = []
        self.panels: list[dict[str, Any]] = []
        self.y = 0.0

    def figure(self) -> dict[str, Any]:
        for track in TRACKS:
            self._track(track)
        height = self.y - _PANEL_GAP
        left = left_margin(text for _, text in self.ticks)
        layout = base_layout(height, left=left, right=right_margin([name for name, _ in self.lanes]))
        layout |= {
            "barmode": "overlay",
            "shapes": self.panels,
            "annotations": self.notes,
            "xaxis": time_axis(self.segments, self.seconds) | {"title": TIME_TITLE},
            "yaxis": {
                "range": [height, 0],
                "fixedrange": True,
                "tickvals": [y for y, _ in self.ticks],
                "ticktext": [text for _, text in self.ticks],
                "showgrid": False,
                "zeroline": False,
                "ticks": "",
                "ticklabelstandoff": 7,
                "tickfont": {"size": 12},
            },
        }
        return {"data": [self._trace(kind) for kind in self.bars], "layout": layout}

    def _track(self, track: str) -> None:
        """One panel: the name of the track and a row for each of its labels."""
        top = self.y
        truth = segment_masks(self.data.truth, self.video, track, self.segments) if self.data.truth else {}
        runs = [segment_masks(events, self.video, track, self.segments) for _, events in self.lanes]
        rows, left_out = _rank_labels(truth, runs)
        none = "" if rows else f"  <span style='color:{MUTED}'>no events</span>"
        self._left(f"<b>{TRACK_NAMES[track]}</b>{none}", _HEAD, size=12.5)
        for label in rows:
            self._row(track, label, truth, runs)
        if left_out:
            text = f"{left_out} more label{'s' if left_out > 1 else ''} not drawn"
            self._left(text, _LANE + 3, size=10.5, color=MUTED)
        self.panels.append(panel_shape(0, 1, top, self.y, yref="y"))
        self.y += _PANEL_GAP

    def _row(
        self,
        track: str,
        label: int,
        truth: dict[int, NDArray[np.bool_]],
        runs: list[dict[int, NDArray[np.bool_]]],
    ) -> None:
        """One label: the lane of ground truth above a lane for each run."""
        top, name = self.y, f"<b>{literal(self.data.labels[label])}</b>"
        if self.data.truth is not None:
            y = self._lane("truth")
            for index, onset, offset, _ in self.data.truth.track(self.video, track):
                if index == label:
                    self._bar("ground truth", y, onset, min(offset, self.segments), name)
        expected = truth.get(label, self.nothing)
        for (run, events), masks in zip(self.lanes, runs, strict=True):
            y, predicted = self._lane(run), masks.get(label, self.nothing)
            events_there = self._predicted_events(events, track, label)
            states = outcomes(expected, predicted) if self.data.truth else (("prediction", predicted),)
            for state, where in states:
                for start, stop in spans(where, self.segments <= SPLIT_SEGMENTS):
                    within = [text for onset, offset, text in events_there if onset < stop and offset > start]
                    self._bar(state, y, start, stop, name, run, *within[:3])
        self.ticks.append(((top + self.y) / 2, literal(self.data.labels[label], 26)))
        self.y += _ROW_GAP

    def _lane(self, name: str) -> float:
        """Begin a lane named at the right edge; returns the y of its middle."""
        y, self.y = self.y + _LANE / 2, self.y + _LANE
        self.notes.append(note(name, y=y, x=1, xshift=6, size=10, color=MUTED))
        return y

    def _left(self, text: str, height: float, **style: Any) -> None:
        self.notes.append(note(text, y=self.y + height / 2, x=0, xshift=6, **style))
        self.y += height

    def _predicted_events(self, events: Events, track: str, label: int) -> list[tuple[int, int, str]]:
        """``(onset, offset, text)`` of a label's predicted events, for the hover box."""
        found = []
        for index, onset, offset, score in events.track(self.video, track):
            if index == label:
                text = f"in the event {onset * self.seconds:g}–{offset * self.seconds:g} s"
                found.append((onset, offset, text + (f", score {score:.3f}" if np.isfinite(score) else "")))
        return found

    def _bar(self, kind: str, y: float, start: int, stop: int, name: str, run: str = "", *more: str) -> None:
        when = f"{start * self.seconds:g}–{stop * self.seconds:g} s, segments [{start}, {stop})"
        head = " · ".join(filter(None, (name, run, kind)))
        box = (start * self.seconds, (stop - start) * self.seconds, y, "<br>".join((head, when, *more)))
        self.bars[kind].append(box)

    def _trace(self, kind: str) -> dict[str, Any]:
        bars, marker = self.bars[kind], _OUTCOMES[kind]
        if self.segments > SPLIT_SEGMENTS:
            # A wide outline would swallow the short bars of a long video.
            marker = marker | {"line": marker["line"] | {"width": 1 if kind == "miss" else 0}}
        # Without bars it holds one empty bar: Plotly drops an empty trace, and its legend entry with it.
        return {
            "type": "bar",
            "orientation": "h",
            "name": kind,
            "base": [round(b[0], 4) for b in bars] or [0],
            "x": [round(b[1], 4) for b in bars] or [None],
            "y": [b[2] for b in bars] or [None],
            "width": _BAR,
            "hovertext": [b[3] for b in bars],
            "hoverinfo": "text",
            "marker": marker,
        }
