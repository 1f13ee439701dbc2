"""How every figure of a report looks: colours, axes, margins and notes."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

TRACK_NAMES = {"audio": "Audio", "visual": "Visual", "audio_visual": "Audio-visual"}
SPLIT_SEGMENTS = 40
"""Videos up to this many segments show each segment as a cell; longer ones show runs of equal outcome."""

# Outcomes differ by shape and pattern first (full, striped, hollow), then by lightness and hue, so that the figures
# survive grey print and colour blindness. Text has a contrast of 4.5 or more on its ground, all that carries meaning 3.
GROUND, INK, MUTED, GRID, PANEL, EDGE = "white", "#1f2933", "#5a6673", "#e3e7ec", "#f6f7f9", "#75808c"
TRUTH, HIT, FALSE_ALARM, MISS = "#3d4a57", "#3a86c8", "#b45309", "#b8322a"
THRESHOLD, SHADE, PREDICTION = "#c2410c", "#cfe1f5", "#5b6abf"
DARK = {
    GROUND: "#14191f", INK: "#e6eaee", MUTED: "#a3afbb", GRID: "#333d47", PANEL: "#1d252d", EDGE: "#7b8894",
    TRUTH: "#b9c4cf", HIT: "#6fb1ec", FALSE_ALARM: "#f0a13a", MISS: "#ff9d94",
    THRESHOLD: "#ff8f6b", SHADE: "#24405c", PREDICTION: "#98a5f0",
}  # fmt: skip
"""For each colour of a figure the one on a dark ground, which the page's script puts in where the reader prefers it."""
TIME_TITLE: dict[str, Any] = {"text": "time (s)", "standoff": 6, "font": {"size": 11, "color": MUTED}}
FONT = '"Helvetica Neue", Helvetica, Arial, "Liberation Sans", sans-serif'


def spans(mask: NDArray[np.bool_], split: bool) -> list[tuple[int, int]]:
    """Half-open runs of True; each segment on its own when ``split``."""
    if split:
        return [(int(t), int(t) + 1) for t in np.flatnonzero(mask)]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def note(
    text: str,
    *,
    x: float,
    y: float,
    yref: str = "y",
    xanchor: str = "left",
    xshift: float = 0,
    yshift: float = 0,
    size: float,
    color: str = INK,
) -> dict[str, Any]:
    return {
        "text": text,
        "x": x,
        "y": y,
        "xref": "paper",
        "yref": yref,
        "xanchor": xanchor,
        "yanchor": "middle",
        "xshift": xshift,
        "yshift": yshift,
        "showarrow": False,
        "font": {"size": size, "color": color},
    }


def panel_shape(x0: float, x1: float, y0: float, y1: float, *, xref: str = "paper", yref: str) -> dict[str, Any]:
    return {
        "type": "rect",
        "x0": x0,
        "x1": x1,
        "y0": y0,
        "y1": y1,
        "xref": xref,
        "yref": yref,
        "layer": "below",
        "fillcolor": PANEL,
        "line": {"width": 0},
    }


def time_axis(segments: int, seconds: float, narrow: bool = False) -> dict[str, Any]:
    few = segments <= 20
    return {
        "range": [0, segments * seconds or 1],
        "showgrid": True,
        "gridcolor": GRID,
        "zeroline": False,
        "ticks": "outside",
        "ticklen": 3,
        "tickcolor": EDGE,
        "tickfont": {"size": 10 if narrow else 11, "color": MUTED},
        **({"tick0": 0, "dtick": seconds * (2 if narrow else 1)} if few else {"nticks": 6 if narrow else 13}),
    }


def base_layout(plot_height: float, *, left: float, right: float) -> dict[str, Any]:
    """The layout both figures share; ``plot_height`` is the height between the margins, in pixels."""
    top, bottom = 34, 44
    return {
        "height": round(plot_height + top + bottom),
        "margin": {"l": left, "r": right, "t": top, "b": bottom},
        "font": {"family": FONT, "size": 12, "color": INK},
        "paper_bgcolor": GROUND,
        "plot_bgcolor": "rgba(0,0,0,0)",
        "showlegend": True,
        "hovermode": "closest",
        "hoverlabel": {
            "bgcolor": GROUND,
            "bordercolor": EDGE,
            "align": "left",
            "font": {"family": FONT, "size": 12, "color": INK},
        },
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": EDGE, "activecolor": INK},
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "font": {"size": 11.5},
            "itemclick": False,
            "itemdoubleclick": False,
            "traceorder": "normal",
        },
        "dragmode": "zoom",
    }


def left_margin(texts: Iterable[str], extra: float = 0) -> float:
    longest = max((len(html.unescape(t)) for t in texts), default=0)
    return min(max(70.0, 7.2 * longest + 16), 200.0) + extra


def right_margin(names: Sequence[str]) -> float:
    return max([len(html.unescape(n)) for n in names] + [5]) * 5.6 + 18
