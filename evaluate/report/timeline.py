"""The timeline of a video: ground truth and predictions per track and label, hits and misses told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.events import TRACKS, Events
from .columns import LONG_SEGMENTS, MAX_BARS, MAX_DETAIL, MAX_TOLD, State, blocks, column_step
from .data import ReportData
from .html_escape import literal, wrapped
from .outcomes import outcomes, rank_labels, segment_masks
from .style import (
    FALSE_ALARM,
    GROUND,
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
from .why import Lost, lost_events

MAX_ROWS = 12
"""Labels drawn in one track of a timeline; a note tells how many more there are."""
_LANE, _BAR, _ROW_GAP, _HEAD, _PANEL_GAP = 14.0, 11.0, 9.0, 27.0, 12.0
_OUTCOMES: dict[str, dict[str, Any]] = {
    "ground truth": {"color": TRUTH, "line": {"color": GROUND, "width": 1}},
    "prediction": {"color": PREDICTION, "line": {"color": GROUND, "width": 1}},
    "hit": {"color": HIT, "line": {"color": GROUND, "width": 1}},
    "false alarm": {
        "color": FALSE_ALARM,
        "line": {"color": FALSE_ALARM, "width": 1},
        "pattern": {"shape": "/", "fgcolor": GROUND, "fillmode": "overlay", "size": 5, "solidity": 0.3},
    },
    "miss": {"color": GROUND, "line": {"color": MISS, "width": 1.6}},
}


def timeline_figure(data: ReportData, video: int, lost: Sequence[Sequence[Lost]] | None = None) -> dict[str, Any]:
    """Per track and label a lane of ground truth and a lane per run, as a Plotly figure (data, layout).

    ``lost`` is what :func:`lost_events` gives for each run, where it is known already.

    Traces have a ``meta``: ``segments``, or ``columns`` for the sums that a long video shows first. The latter's
    ``layout.meta.detail`` is the length in seconds from which on its segments can be told apart.
    """
    return _Timeline(data, video, lost or [lost_events(data, run, video) for run in data.runs]).figure()


@dataclass(frozen=True)
class _Bar:
    """Segments ``[start, stop)`` of a lane whose middle is ``y``; height in pixels."""

    start: int
    stop: int
    y: float
    text: str
    height: float = _BAR


@dataclass(frozen=True)
class _Lane:
    """A lane of a long video: its states are summed up once all lanes are known."""

    y: float
    head: str
    states: Sequence[State]


class _Timeline:
    """Draws from top to bottom; heights are pixels, the y axis runs downwards."""

    def __init__(self, data: ReportData, video: int, lost: Sequence[Sequence[Lost]]) -> None:
        self.data, self.video = data, video
        self.segments, self.seconds = int(data.segments_per_video[video]), data.seconds(video)
        tables = [run.events for run in data.runs] + ([] if data.truth is None else [data.truth])
        count = sum(len(events.label[events.rows(video, track)]) for events in tables for track in TRACKS)
        self.brief = self.segments > LONG_SEGMENTS and count > MAX_TOLD
        self.nothing = np.zeros(self.segments, bool)
        self.lanes = [
            (literal(run.name, 16), run.events, _by_row(found)) for run, found in zip(data.runs, lost, strict=True)
        ]
        self.kinds = ("ground truth", "hit", "false alarm", "miss") if data.truth else ("prediction",)
        self.bars: dict[str, list[_Bar]] = {kind: [] for kind in self.kinds}
        self.long_lanes: list[_Lane] = []
        self.ticks: list[tuple[float, str]] = []
        self.notes: list[dict[str, Any]] = []
        self.panels: list[dict[str, Any]] = []
        self.y = 0.0

    def figure(self) -> dict[str, Any]:
        for track in TRACKS:
            self._track(track)
        height = self.y - _PANEL_GAP
        left = left_margin(text for _, text in self.ticks)
        layout = base_layout(height, left=left, right=right_margin([name for name, _, _ in self.lanes]))
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
        if self.segments <= LONG_SEGMENTS:
            return {"data": [self._trace(kind, self.bars[kind], "segments") for kind in self.kinds], "layout": layout}
        summed = self._columns()
        traces = [self._trace(kind, summed[kind], "columns") for kind in self.kinds]
        if sum(map(len, self.bars.values())) <= MAX_DETAIL:
            traces += [self._trace(kind, self.bars[kind], "segments") | {"visible": False} for kind in self.kinds]
            layout["meta"] = {"detail": round(LONG_SEGMENTS * self.seconds, 4)}
        return {"data": traces, "layout": layout}

    def _track(self, track: str) -> None:
        """One panel: the name of the track and a row for each of its labels."""
        top = self.y
        truth = segment_masks(self.data.truth, self.video, track, self.segments) if self.data.truth else {}
        runs = [segment_masks(events, self.video, track, self.segments) for _, events, _ in self.lanes]
        rows, left_out = rank_labels(truth, runs, MAX_ROWS)
        self._left(f"<b>{TRACK_NAMES[track]}</b>" + ("" if rows else "  no events"), _HEAD, size=12.5)
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
        expected = truth.get(label, self.nothing)
        if self.data.truth is not None:
            y = self._lane("truth", name, (("ground truth", expected),))
            for index, onset, offset, _ in self.data.truth.track(self.video, track):
                if index == label:
                    self._bar("ground truth", y, onset, min(offset, self.segments), name)
        for (run, events, lost), masks in zip(self.lanes, runs, strict=True):
            predicted = masks.get(label, self.nothing)
            events_there = [] if self.brief else self._predicted_events(events, track, label)
            states = outcomes(expected, predicted) if self.data.truth else (("prediction", predicted),)
            y = self._lane(run, f"{name} · {run}", states)
            reasons = [] if self.brief else lost.get((track, label), [])
            for state, where in states:
                for start, stop in spans(where, self.segments <= SPLIT_SEGMENTS):
                    within = [text for onset, offset, text in events_there if onset < stop and offset > start]
                    why = _reasons(reasons, start, stop) if state in ("miss", "false alarm") else []
                    self._bar(state, y, start, stop, name, run, *within[:3], *why)
        self.ticks.append(((top + self.y) / 2, literal(self.data.labels[label], 26)))
        self.y += _ROW_GAP

    def _lane(self, name: str, head: str, states: Sequence[State]) -> float:
        """Begin a lane named at the right edge; returns the y of its middle."""
        y, self.y = self.y + _LANE / 2, self.y + _LANE
        self.notes.append(note(name, y=y, x=1, xshift=6, size=10, color=MUTED))
        if self.segments > LONG_SEGMENTS:
            self.long_lanes.append(_Lane(y, head, states))
        return y

    def _left(self, text: str, height: float, **style: Any) -> None:
        self.notes.append(note(text, y=self.y + height / 2, x=0, xshift=6, **style))
        self.y += height

    def _predicted_events(self, events: Events, track: str, label: int) -> list[tuple[int, int, str]]:
        """``(onset, offset, text)`` of a label's predicted events, for the hover box."""
        found = []
        rows = events.rows(self.video, track)
        for i, (index, onset, offset, score) in enumerate(events.track(self.video, track), rows.start):
            if index == label:
                start, end = onset * self.seconds, offset * self.seconds
                if events.seconds is not None:
                    start, end = events.seconds[i].tolist()
                text = f"in the event {start:g}–{end:g} s"
                text += f", score {score:.3f}" if np.isfinite(score) else ""
                text += "" if events.confidence is None else f", confidence {events.confidence[i]:.3f}"
                found.append((onset, offset, text))
        return found

    def _bar(self, kind: str, y: float, start: int, stop: int, name: str, run: str = "", *more: str) -> None:
        when = f"{self._time(start, stop)}, segments [{start}, {stop})"
        head = " · ".join(filter(None, (name, run, kind)))
        self.bars[kind].append(_Bar(start, stop, y, "<br>".join((head, when, *more))))

    def _time(self, start: int, stop: int) -> str:
        return f"{start * self.seconds:g}–{stop * self.seconds:g} s"

    def _columns(self) -> dict[str, list[_Bar]]:
        """The bars of a long video by kind, in columns so wide that there are at most :data:`MAX_BARS`, where they can
        be."""
        step = column_step(self.segments)
        while True:
            found = [(lane, block) for lane in self.long_lanes for block in blocks(lane.states, step)]
            if len(found) <= MAX_BARS or step >= self.segments:
                break
            step *= 2
        bars: dict[str, list[_Bar]] = {kind: [] for kind in self.kinds}
        for lane, b in found:
            y = lane.y + _BAR / 2 - (b.low + b.high) / 2 * _BAR
            text = f"{lane.head} · {b.state}<br>{self._time(b.start, b.stop)}: {b.count} of {b.stop - b.start} segments"
            bars[b.state].append(_Bar(b.start, b.stop, y, text, (b.high - b.low) * _BAR))
        return bars

    def _trace(self, kind: str, bars: Sequence[_Bar], detail: str) -> dict[str, Any]:
        marker = _OUTCOMES[kind]
        if self.segments > SPLIT_SEGMENTS:
            # A wide outline would swallow the short bars of a long video.
            marker = marker | {"line": marker["line"] | {"width": 1 if kind == "miss" else 0}}
        if detail == "columns":
            # Stripes of a few pixels are not seen, and thousands of them fill megabytes of paper; the order in the lane
            # (from below: hits, false alarms, misses) takes their place.
            marker = {key: value for key, value in marker.items() if key != "pattern"}
        heights = [round(b.height, 2) for b in bars]
        # Without bars it holds one empty bar: Plotly drops an empty trace, and its legend entry with it.
        return {
            "type": "bar",
            "orientation": "h",
            "name": kind,
            "meta": detail,
            "base": [round(b.start * self.seconds, 4) for b in bars] or [0],
            "x": [round((b.stop - b.start) * self.seconds, 4) for b in bars] or [None],
            "y": [round(b.y, 2) for b in bars] or [None],
            "width": heights if set(heights) - {_BAR} else _BAR,
            "hovertext": [b.text for b in bars],
            "hoverinfo": "text",
            "marker": marker,
        }


def _by_row(lost: Sequence[Lost]) -> dict[tuple[str, int], list[Lost]]:
    found: dict[tuple[str, int], list[Lost]] = {}
    for event in lost:
        found.setdefault((event.track, event.label), []).append(event)
    return found


def _reasons(lost: Sequence[Lost], start: int, stop: int) -> list[str]:
    """The lines of a hover box that tell why segments are missing or too many."""
    texts = [event.text for event in lost if event.text and any(a < stop and b > start for a, b in event.where)]
    return [line for text in texts[:2] for line in wrapped(text)]
