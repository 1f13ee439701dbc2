"""The score curves of a video against their moving thresholds, a facet per label (row) and track (column)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .columns import LONG_SEGMENTS, column_step, column_sums
from .data import ReportData, ReportRun
from .html_escape import literal
from .outcomes import segment_masks
from .style import (
    EDGE,
    GRID,
    HIT,
    INK,
    MUTED,
    SHADE,
    SPLIT_SEGMENTS,
    THRESHOLD,
    TIME_TITLE,
    TRACK_NAMES,
    TRUTH,
    base_layout,
    left_margin,
    note,
    panel_shape,
    spans,
    time_axis,
)

MAX_CURVES = 6
"""Labels drawn in a score figure."""

_COLUMNS = 300
"""Points of a curve: each is the segment of its column that comes nearest to the threshold, or goes farthest above."""
_FACET, _GAP, _HEAD, _Y_TICKS = 84.0, 14.0, 24.0, 34.0  # pixels
_COLUMN_GAP = 0.03  # of the width
_LEGEND = ("score", "threshold τ", "score above threshold", "ground truth")
# The label enters by ``meta``: inside a template it could hold a placeholder of its own.
_HOVER_INACTIVE = (
    "%{meta}<br>score %{y:.3f}, label not selected<br>segment %{customdata[1]}, around %{x:~g} s<extra></extra>"
)
_HOVER = _HOVER_INACTIVE.replace("label not selected", "threshold %{customdata[0]}")


def score_figure(data: ReportData, run: ReportRun, video: int) -> tuple[dict[str, Any], int] | None:
    """Scores against moving thresholds as a Plotly figure (data, layout), and how many labels it leaves out.

    None when the run has no trace, or no label of the video is in the truth, predicted or selected.
    """
    segments, seconds = int(data.segments_per_video[video]), data.seconds(video)
    labels, left_out = _chosen_labels(data, run, video)
    if run.trace is None or not labels or not segments:
        return None
    tracks, rows = run.trace.tracks, len(labels)
    flat, place_of = run.trace.rows(data.offsets, video), run.trace.place(video)
    names = [literal(data.labels[i], 20) for i in labels]
    height = _HEAD + rows * (_FACET + _GAP) - _GAP
    layout = base_layout(height, left=left_margin(names, extra=_Y_TICKS), right=14)
    layout |= {"barmode": "overlay", "bargap": 0, "annotations": [], "shapes": []}
    notes, traces = layout["annotations"], []
    for k, track in enumerate(tracks):
        left = k * (1 + _COLUMN_GAP) / len(tracks)
        right = left + (1 + _COLUMN_GAP) / len(tracks) - _COLUMN_GAP
        notes.append(note(f"<b>{TRACK_NAMES[track]}</b>", y=1, x=left, yref="paper", size=12.5, yshift=-8))
        truth = segment_masks(data.truth, video, track, segments) if data.truth else {}
        score = np.asarray(run.trace.score[track][flat], np.float64)
        tau = np.asarray(run.trace.tau[track][flat], np.float64)
        scale = _Scale.of(score[:, labels], tau[:, labels])
        for r, label in enumerate(labels):
            number = r * len(tracks) + k + 1
            axis = "" if number == 1 else str(number)
            top = 1 - (_HEAD + r * (_FACET + _GAP)) / height
            bottom = max(top - _FACET / height, 0.0)
            layout["xaxis" + axis] = _facet_x(segments, seconds, left, right, "y" + axis, last=r == rows - 1)
            if number > 1:
                layout["xaxis" + axis]["matches"] = "x"
            layout["yaxis" + axis] = _facet_y(scale, bottom, top, "x" + axis, first=k == 0)
            layout["shapes"].append(panel_shape(left, right, bottom, top, yref="paper"))
            active = bool(run.trace.active[track][place_of, label])
            if not active:
                place: dict[str, Any] = {"x": right, "y": top, "xshift": -4, "yshift": -9, "xanchor": "right"}
                notes.append(note("not selected", **place, yref="paper", size=10, color=MUTED))
            facet = _Facet(literal(data.labels[label]), track, seconds, scale, active)
            for trace in facet.traces(score[:, label], tau[:, label], truth.get(label)):
                traces.append(trace | {"xaxis": "x" + axis, "yaxis": "y" + axis})
            if k == 0:
                place = {"x": 0.0, "y": (bottom + top) / 2, "xshift": -_Y_TICKS, "xanchor": "right"}
                notes.append(note(names[r], **place, yref="paper", size=12))
    return {"data": _one_legend_entry_each(traces), "layout": layout}, left_out


def _chosen_labels(data: ReportData, run: ReportRun, video: int) -> tuple[list[int], int]:
    """The labels to draw: those in the truth, then predicted, then selected; and how many there are more."""
    if run.trace is None:
        return [], 0
    segments = int(data.segments_per_video[video])
    weights: dict[int, int] = {}
    for track in run.trace.tracks:
        truth = segment_masks(data.truth, video, track, segments) if data.truth else {}
        predicted = segment_masks(run.events, video, track, segments)
        active = set(np.flatnonzero(run.trace.active[track][run.trace.place(video)]).tolist())
        for label in truth.keys() | predicted.keys() | active:
            weight = 4 * (label in truth) + 2 * (label in predicted) + (label in active)
            weights[label] = max(weights.get(label, 0), weight)
    ranked = sorted(weights, key=lambda label: (-weights[label], label))
    return ranked[:MAX_CURVES], max(0, len(ranked) - MAX_CURVES)


@dataclass(frozen=True)
class _Scale:
    """The value axis all facets of a track share: its range, and where a far threshold is drawn."""

    low: float
    high: float
    cap: float

    @staticmethod
    def of(score: NDArray[np.float64], tau: NDArray[np.float64]) -> _Scale:
        s, t = score[np.isfinite(score)], tau[np.isfinite(tau)]
        low, high = min([0.0, *s.tolist()]), max([1.0, *s.tolist()])
        # A threshold far above every score would flatten the curves; it is drawn at the upper edge instead.
        cap = high + 0.25 * (high - low)
        top = min(cap, max([high, *t.tolist()]))
        return _Scale(low, top + 0.06 * (top - low), cap)

    @property
    def strip(self) -> float:
        """Height of the strip below the curves that shows the ground truth."""
        return 0.16 * (self.high - self.low)


@dataclass(frozen=True)
class _Facet:
    """One label of one track: shaded segments, strip of ground truth, threshold steps, score curve."""

    label: str
    track: str
    seconds: float
    scale: _Scale
    active: bool

    def traces(
        self, score: NDArray[np.float64], tau: NDArray[np.float64], truth: NDArray[np.bool_] | None
    ) -> list[dict[str, Any]]:
        """Plotly traces from score [T], tau [T] and truth [T] or None."""
        scale, step = self.scale, score_step(len(score))
        at = nearest_segments(score, tau, step)
        shown, limit = score[at], tau[at]
        with np.errstate(invalid="ignore"):
            above = shown > limit
        traces = []
        if above.any():
            shade = {"color": SHADE, "line": {"color": HIT, "width": 1}}
            traces.append(
                self._bars("score above threshold", above, step, len(score), scale.low, scale.high - scale.low, shade)
            )
        if truth is not None and truth.any():
            low, strip = scale.low - 0.85 * scale.strip, {"color": TRUTH, "line": {"width": 0}}
            there = column_sums(truth, step) > 0
            traces.append(self._bars("ground truth", there, step, len(score), low, 0.6 * scale.strip, strip))
        if self.active:
            steps = np.clip(np.append(limit, limit[-1:]), scale.low, scale.cap)
            traces.append(
                {
                    "type": "scatter",
                    "name": "threshold τ",
                    "mode": "lines",
                    "x0": 0,
                    "dx": self.seconds * step,
                    "y": _numbers(steps),
                    "line": {"shape": "hv", "color": THRESHOLD, "width": 2, "dash": "5px,2px"},
                    "hoverinfo": "skip",
                }
            )
        numbers = [round(float(t), 3) if np.isfinite(t) else "none" for t in limit]
        traces.append(
            {
                "type": "scatter",
                "name": "score",
                "mode": "lines+markers" if len(score) <= SPLIT_SEGMENTS else "lines",
                "x0": self.seconds * step / 2,
                "dx": self.seconds * step,
                "y": _numbers(shown),
                "line": {"color": INK if self.active else EDGE, "width": 1.6},
                "marker": {"size": 5},
                "meta": f"<b>{self.label}</b> · {TRACK_NAMES[self.track].lower()}",
                "customdata": [list(pair) for pair in zip(numbers, at.tolist(), strict=True)],
                "hovertemplate": _HOVER if self.active else _HOVER_INACTIVE,
            }
        )
        return traces

    def _bars(
        self,
        name: str,
        mask: NDArray[np.bool_],
        step: int,
        segments: int,
        base: float,
        height: float,
        marker: dict[str, Any],
    ) -> dict[str, Any]:
        """Bars over runs of True; ``step`` segments are one value of the mask."""
        edges = [(a * step, min(b * step, segments)) for a, b in spans(mask, split=False)]
        return {
            "type": "bar",
            "name": name,
            "x": [round((a + b) / 2 * self.seconds, 4) for a, b in edges],
            "width": [round((b - a) * self.seconds, 4) for a, b in edges],
            "base": [round(base, 4)] * len(edges),
            "y": [round(height, 4)] * len(edges),
            "marker": marker,
            "hoverinfo": "skip",
        }


def score_step(segments: int) -> int:
    """How many segments a point of a curve stands for."""
    return column_step(segments, _COLUMNS) if segments > LONG_SEGMENTS else 1


def nearest_segments(score: NDArray[np.float64], tau: NDArray[np.float64], step: int) -> NDArray[np.int64]:
    """Of each column of ``step`` segments the one whose score lies highest above its threshold, or is the highest."""
    gap = score - tau
    gap = np.where(np.isfinite(gap), gap, -np.inf) if np.isfinite(gap).any() else score
    gap = np.append(np.nan_to_num(gap, nan=-np.inf), np.full(-len(gap) % step, -np.inf)).reshape(-1, step)
    found: NDArray[np.int64] = gap.argmax(axis=1) + np.arange(len(gap)) * step
    return found


def _one_legend_entry_each(traces: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    seen: set[str] = set()
    shown = []
    for trace in traces:
        name = trace["name"]
        entry = {"legendgroup": name, "legendrank": _LEGEND.index(name) + 1, "showlegend": name not in seen}
        shown.append(trace | entry)
        seen.add(name)
    return shown


def _facet_x(segments: int, seconds: float, left: float, right: float, anchor: str, *, last: bool) -> dict[str, Any]:
    axis = time_axis(segments, seconds, narrow=True)
    axis |= {"domain": [left, min(right, 1.0)], "anchor": anchor, "showticklabels": last}
    if last:
        axis["title"] = TIME_TITLE
    return axis


def _facet_y(scale: _Scale, bottom: float, top: float, anchor: str, *, first: bool) -> dict[str, Any]:
    axis: dict[str, Any] = {
        "domain": [bottom, top],
        "anchor": anchor,
        "range": [scale.low - scale.strip, scale.high],
        "fixedrange": True,
        "showticklabels": first,
        "tickfont": {"size": 10, "color": MUTED},
        "gridcolor": GRID,
        "zeroline": False,
    }
    return axis | ({"tickvals": [0, 0.5, 1]} if scale.low == 0 and scale.high < 2 else {"nticks": 4})


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    return [round(float(v), 4) if np.isfinite(v) else None for v in values]
