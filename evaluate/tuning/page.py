"""The page of a search: how the objective answers to each parameter and each pair, and what is left to gain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.atomic_write import atomic_write
from ..report.html import page_template, plotly_js
from ..report.html_escape import plain
from ..report.style import HIT, MUTED, THRESHOLD
from .plot_style import LAYOUT, Section, axis, boxes, line, mark

_BINS = 24


def write_page(
    path: Path,
    trials: Mapping[str, NDArray[Any]],
    names: Sequence[str],
    best: Mapping[str, Any],
    start: Mapping[str, Any],
    video_best: NDArray[np.float64] | None,
    best_value: float,
    start_value: float,
    texts: Mapping[str, Any],
    exact: Sequence[Section] = (),
) -> None:
    """Write the page.

    exact : sections of the exact response
    trials : columns of the trials (sampled); names : the options searched; best, start : their values in the best
    setting and in the one the search began from; video_best : (N,) each video's best objective, None for a metric that
    is no mean over videos; texts : what the template prints (tables as lists of rows)

    Raises: DataError where it cannot be written.
    """
    order = np.argsort(trials["trial"], kind="stable")
    columns = {k: v[order] for k, v in trials.items()}
    figures = [("history", "Best objective so far", history_figure(columns))]
    figures += [
        (f"response-{i + 1}", f"Objective by {name}", response_figure(columns, name, best[name], start[name]))
        for i, name in enumerate(names)
    ]
    pairs = [
        (f"pair-{i + 1}-{j + 1}", f"Objective by {a} and {b}", pair_figure(columns, a, b, best, start))
        for (i, a), (j, b) in combinations(enumerate(names), 2)
    ]
    one_scale([figure for _, _, figure in pairs])
    title = "Best objective of each video"
    ceiling = [] if video_best is None else [("ceiling", title, ceiling_figure(video_best, best_value, start_value))]
    page = page_template(Path(__file__).parent / "search.html.j2").render(
        plain=plain,
        plotly_js=plotly_js(),
        responses=boxes(figures),
        pairs=boxes(pairs),
        ceiling=boxes(ceiling),
        exact=[section.for_page() for section in exact],
        **texts,
    )
    atomic_write(path, page.encode("utf-8", "backslashreplace"))


def one_scale(maps: Sequence[dict[str, Any]]) -> None:
    """Give maps that stand side by side the same colours for the same values."""
    values = [v for figure in maps for row in figure["data"][0]["z"] for v in row if v is not None]
    for figure in maps if values else ():
        figure["data"][0] |= {"zmin": min(values), "zmax": max(values)}


def _values(column: NDArray[Any]) -> tuple[NDArray[np.float64], list[str] | None]:
    """A column as positions on an axis, and the names of the positions where it holds text."""
    if column.dtype.kind in "fi":
        return column.astype(np.float64), None
    names, at = np.unique(column, return_inverse=True)
    return at.astype(np.float64), [str(n) for n in names]


def _position(value: Any, names: list[str] | None) -> float:
    return float(value) if names is None else float(names.index(str(value))) if str(value) in names else np.nan


def history_figure(columns: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Best objective so far against trials."""
    running = np.maximum.accumulate(columns["objective"])
    step = np.flatnonzero(np.concatenate([[True], running[1:] > running[:-1]]))
    keep = np.unique(np.concatenate([step, [len(running) - 1]]))
    x = columns["trial"][keep] + 1
    curve = {"type": "scatter", "mode": "lines+markers", "x": x.tolist(), "y": running[keep].tolist()}
    curve |= {"line": {"shape": "hv", "color": HIT, "width": 2}, "marker": {"size": 5}}
    layout = {
        **LAYOUT,
        "height": 300,
        "xaxis": {**axis("trials", None), "type": "log"},
        "yaxis": axis("objective", None),
    }
    return {"data": [curve], "layout": layout}


def response_figure(columns: Mapping[str, NDArray[Any]], name: str, best: Any, start: Any) -> dict[str, Any]:
    """Every trial by one option, with the best and the median of each bin: a flat upper line means that it matters
    little, whatever the others are."""
    x, names = _values(columns[name])
    y = columns["objective"]
    bins = np.unique(x) if len(np.unique(x)) <= _BINS else np.linspace(x.min(), x.max(), _BINS + 1)
    if len(bins) <= _BINS:
        middle, at = bins, np.searchsorted(bins, x)
    else:
        middle, at = (bins[1:] + bins[:-1]) / 2, np.clip(np.searchsorted(bins, x, "right") - 1, 0, _BINS - 1)
    filled = [i for i in range(len(middle)) if (at == i).any()]
    top = [float(y[at == i].max()) for i in filled]
    median = [float(np.median(y[at == i])) for i in filled]
    shown = np.linspace(0, len(x) - 1, min(len(x), 1500)).astype(int)
    data: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "markers",
            "x": x[shown].tolist(),
            "y": y[shown].tolist(),
            "marker": {"size": 3, "color": "#9fb3c8", "opacity": 0.45},
            "hovertemplate": "%{x:.4g}, objective %{y:.2f}<extra></extra>",
        },
        line([float(middle[i]) for i in filled], median, MUTED, "dot", "median"),
        line([float(middle[i]) for i in filled], top, HIT, "solid", "best"),
    ]
    layout = {
        **LAYOUT,
        "height": 300,
        "xaxis": axis(name, names),
        "yaxis": axis("objective", None),
        "shapes": [mark(_position(start, names), MUTED), mark(_position(best, names), THRESHOLD)],
    }
    layout["shapes"] = [s for s in layout["shapes"] if s["x0"] == s["x0"]]
    return {"data": data, "layout": layout}


def pair_figure(
    columns: Mapping[str, NDArray[Any]], a: str, b: str, best: Mapping[str, Any], start: Mapping[str, Any]
) -> dict[str, Any]:
    """The best objective of each cell of two options, over everything else."""
    x, x_names = _values(columns[a])
    y, y_names = _values(columns[b])
    (xe, xi), (ye, yi) = _cells(x, len(columns["trial"])), _cells(y, len(columns["trial"]))
    cells = np.full((len(ye), len(xe)), -np.inf)
    np.maximum.at(cells, (yi, xi), columns["objective"])
    z = [[None if np.isneginf(v) else float(v) for v in row] for row in cells]
    points = [
        (start, "circle-open", "start", "#f6ad55"),
        (best, "x", "best", THRESHOLD),
    ]
    data: list[dict[str, Any]] = [
        {
            "type": "heatmap",
            "x": xe.tolist(),
            "y": ye.tolist(),
            "z": z,
            "colorscale": "Blues",
            "reversescale": False,
            "colorbar": {"thickness": 10, "outlinewidth": 0, "tickfont": {"size": 10, "color": MUTED}},
            "hovertemplate": "%{x:.4g}, %{y:.4g}: best %{z:.2f}<extra></extra>",
        }
    ]
    for values, symbol, label, color in points:
        px, py = _position(values[a], x_names), _position(values[b], y_names)
        if px == px and py == py:
            data.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "x": [px],
                    "y": [py],
                    "marker": {"symbol": symbol, "size": 10, "color": color, "line": {"width": 2, "color": color}},
                    "hovertemplate": f"{label}<extra></extra>",
                }
            )
    layout = {**LAYOUT, "height": 320, "xaxis": axis(a, x_names), "yaxis": axis(b, y_names)}
    return {"data": data, "layout": layout}


def _cells(x: NDArray[np.float64], trials: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Middles of the cells along an axis, and the cell of each value; more trials allow finer cells."""
    distinct = np.unique(x)
    count = int(np.clip(np.sqrt(trials / 8), 4, _BINS))
    if len(distinct) <= count:
        return distinct, np.searchsorted(distinct, x)
    edges = np.linspace(x.min(), x.max(), count + 1)
    return (edges[1:] + edges[:-1]) / 2, np.clip(np.searchsorted(edges, x, "right") - 1, 0, count - 1)


def ceiling_figure(video_best: NDArray[np.float64], best_value: float, start_value: float) -> dict[str, Any]:
    """Each video's best objective under any setting tried, from worst to best."""
    y = np.sort(video_best)
    x = (np.arange(len(y)) + 1) * 100 / len(y)
    curve = {"type": "scatter", "mode": "lines", "x": x.tolist(), "y": y.tolist(), "line": {"color": HIT, "width": 2}}
    curve["hovertemplate"] = "%{x:.0f} % of the videos are at %{y:.1f} or below<extra></extra>"
    levels = [(float(np.mean(video_best)), HIT), (best_value, THRESHOLD), (start_value, MUTED)]
    shapes = [
        {"type": "line", "x0": 0, "x1": 1, "xref": "paper", "y0": v, "y1": v, "line": {"color": c, "dash": "dot"}}
        for v, c in levels
    ]
    layout = {
        **LAYOUT,
        "height": 300,
        "shapes": shapes,
        "xaxis": axis("videos (%)", None),
        "yaxis": axis("objective", None),
    }
    return {"data": [curve], "layout": layout}
