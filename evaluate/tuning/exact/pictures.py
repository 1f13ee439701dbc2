"""Pictures of the exact response: the surface of (tau0, tau_r), and every figure over each parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.decoders.base import Decoder
from ....core.exact.axes import PLANE
from ....core.params.options import OptionSet
from ...report.html_escape import literal
from ...report.style import HIT, INK, MUTED, THRESHOLD
from ..plot_style import AXIS, LAYOUT, Box, axis
from .curves import Curves
from .stage import WHOLE, ExactPlane

Places = Mapping[str, tuple[float, float]]
"""(tau0, tau_r) by name."""

_LOOKS = {
    "start": ("circle-open", MUTED),
    "sharp": ("x", THRESHOLD),
    "recommended": ("circle", THRESHOLD),
    "given": ("circle", THRESHOLD),
}
_BAND = "rgba(58, 134, 200, 0.22)"
_DIGITS = 3


def presets_like(decoder: Decoder[Any], setting: OptionSet) -> dict[str, tuple[float, float]]:
    """Where the presets lie that refine as a setting does (tau_r means nothing to others), those of one place
    together."""
    found: dict[tuple[float, float], list[str]] = {}
    for name, values in decoder.presets.items():
        preset = decoder.params().override(dict(values)).as_dict()
        if preset["refine"] == setting.as_dict()["refine"]:
            found.setdefault((preset["tau0"], preset["tau_r"]), []).append(name)
    return {", ".join(names): place for place, names in found.items()}


def surface_box(plane: ExactPlane, places: Places, presets: Places) -> Box:
    """The surface with its plateau, and where settings lie."""
    s = plane.surface
    edge_x, edge_y = outline(s.safe, s.tau0, s.tau_r)
    data: list[dict[str, Any]] = [
        {
            "type": "heatmap",
            "x": s.tau0.tolist(),
            "y": s.tau_r.tolist(),
            "z": np.round(s.objective.T, _DIGITS).tolist(),
            "colorscale": "Blues",
            "reversescale": False,
            "colorbar": {"thickness": 10, "outlinewidth": 0, "tickfont": {"size": 10, "color": MUTED}},
            "hovertemplate": "tau0 %{x:.3f}, tau_r %{y:.3f}: %{z:.2f}<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "lines",
            "x": edge_x,
            "y": edge_y,
            "line": {"color": INK, "width": 1.2},
            "hoverinfo": "skip",
            "name": "within one standard error",
        },
    ]
    if presets:
        data.append(_points("presets", presets, "diamond-open", "#7c3aed"))
    data += [_points(name, {name: place}, *_LOOKS[name]) for name, place in places.items()]
    data.append(_points("optimum of the plane", {"optimum": (plane.best.tau0, plane.best.tau_r)}, "star", "#facc15"))
    layout = {
        **LAYOUT,
        "height": 460,
        "xaxis": {**axis("tau0", None), "range": [-0.01, 1.01]},
        "yaxis": {**axis("tau_r", None), "range": [-0.01, 1.01]},
        "showlegend": True,
        "legend": {"orientation": "h", "x": 0, "y": -0.14, "yanchor": "top", "font": {"size": 11}},
        "margin": {**LAYOUT["margin"], "b": 110},
        "shapes": [] if all(plane.box[n] == WHOLE for n in PLANE) else [_frame(plane)],
    }
    return "exact-plane", "Objective by tau0 and tau_r", {"data": data, "layout": layout}


def _points(name: str, places: Places, symbol: str, color: str) -> dict[str, Any]:
    edge = {"width": 1, "color": INK if symbol == "star" else color}
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [x for x, _ in places.values()],
        "y": [y for _, y in places.values()],
        "text": [literal(text) for text in places],
        "name": name,
        "marker": {"symbol": symbol, "size": 11, "color": color, "line": edge},
        "hovertemplate": "%{text}: tau0 %{x:.4g}, tau_r %{y:.4g}<extra></extra>",
    }


def _frame(plane: ExactPlane) -> dict[str, Any]:
    """The ranges of the search."""
    (x0, x1), (y0, y1) = (plane.box[n] for n in PLANE)
    return {"type": "rect", "x0": x0, "x1": x1, "y0": y0, "y1": y1, "line": {"color": MUTED, "width": 1, "dash": "dot"}}


def outline(
    inside: NDArray[np.bool_], x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[list[float | None], list[float | None]]:
    """The border of some cells (A, B) of an even grid around x (A,) and y (B,): pieces of lines with None between."""
    half_x, half_y = (x[1] - x[0]) / 2, (y[1] - y[0]) / 2
    ex, ey = np.append(x - half_x, x[-1] + half_x), np.append(y - half_y, y[-1] + half_y)
    padded = np.pad(inside, 1)
    xs: list[float | None] = []
    ys: list[float | None] = []
    for across, runs in (
        ("x", padded[1:, 1:-1] != padded[:-1, 1:-1]),
        ("y", (padded[1:-1, 1:] != padded[1:-1, :-1]).T),
    ):
        for i, row in enumerate(runs):
            change = np.flatnonzero(np.diff(np.pad(row, 1).astype(np.int8)))
            for begin, end in zip(change[::2].tolist(), change[1::2].tolist(), strict=True):
                fixed, along = (ex, ey) if across == "x" else (ey, ex)
                at = [round(float(fixed[i]), 6)] * 2
                span = [round(float(along[begin]), 6), round(float(along[end]), 6)]
                xs += [*(at if across == "x" else span), None]
                ys += [*(span if across == "x" else at), None]
    return xs, ys


def curve_boxes(curves: Sequence[Curves], places: Mapping[str, Mapping[str, Any]]) -> list[Box]:
    """One picture for the objective and for each figure, with all parameters side by side on one scale.

    places : options of settings by name, marked by lines
    """
    return [_curve_box(i, name, curves, places) for i, name in enumerate(curves[0].names)] if curves else []


def _curve_box(i: int, name: str, curves: Sequence[Curves], places: Mapping[str, Mapping[str, Any]]) -> Box:
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {**LAYOUT, "height": 226, "margin": {"l": 44, "r": 14, "t": 26, "b": 42}, "shapes": []}
    gap = 0.035
    width = (1 - gap * (len(curves) - 1)) / len(curves)
    for k, c in enumerate(curves):
        ref, number = f"x{k + 1}" if k else "x", str(k + 1) if k else ""
        x, y = np.round(c.values, 6).tolist(), np.round(c.figures[:, i], _DIGITS).tolist()
        base = {"type": "scatter", "mode": "lines", "xaxis": ref, "yaxis": "y"}
        if c.low is not None and c.high is not None:
            low, high = (np.round(bound[:, i], _DIGITS).tolist() for bound in (c.low, c.high))
            band = {**base, "x": x + x[::-1], "y": high + low[::-1], "fill": "toself", "fillcolor": _BAND}
            data.append({**band, "line": {"width": 0}, "hoverinfo": "skip"})
        label = f"{c.name} %{{x:.3f}}: {literal(name)} %{{y:.2f}}<extra></extra>"
        data.append({**base, "x": x, "y": y, "line": {"color": HIT, "width": 2}, "hovertemplate": label})
        start = k * (width + gap)
        layout[f"xaxis{number}"] = {
            **axis(c.name, None), "domain": [start, min(start + width, 1.0)], "range": [0, 1], "anchor": "y",
            "tickvals": [0, 0.5, 1], "ticktext": ["0", ".5", "1"],
        }  # fmt: skip
        for of, options in places.items():
            at = float(options[c.name])
            layout["shapes"].append(
                {"type": "line", "xref": ref, "yref": "y domain", "x0": at, "x1": at, "y0": 0, "y1": 1,
                 "line": {"color": _LOOKS[of][1], "width": 1.5}}
            )  # fmt: skip
    layout["yaxis"] = {**AXIS, "nticks": 5}
    return f"exact-curve-{i}", name, {"data": data, "layout": layout}
