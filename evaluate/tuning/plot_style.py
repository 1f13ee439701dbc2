"""How the pictures of a search look: layout, axes, lines; and how they are handed to a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..report.html import script_json
from ..report.html_escape import literal, plain
from ..report.style import FONT, GRID, INK, MUTED

LAYOUT: dict[str, Any] = {
    "font": {"family": FONT, "size": 12, "color": INK},
    "paper_bgcolor": "white",
    "plot_bgcolor": "white",
    "margin": {"l": 60, "r": 20, "t": 30, "b": 46},
    "hovermode": "closest",
    "showlegend": False,
}
Box = tuple[str, str, dict[str, Any]]
"""Name of an element, title, figure."""

AXIS = {"gridcolor": GRID, "zeroline": False, "linecolor": "#b8c0c8", "ticks": "outside", "tickcolor": "#b8c0c8"}


def axis(title: str, names: list[str] | None) -> dict[str, Any]:
    """An axis with a title; ``names`` of its positions 0, 1, ... where it holds text."""
    ticks = {} if names is None else {"tickvals": list(range(len(names))), "ticktext": [literal(n, 18) for n in names]}
    return {**AXIS, "title": {"text": literal(title), "font": {"size": 12, "color": MUTED}}, **ticks}


def line(x: list[float], y: list[float], color: str, dash: str, name: str) -> dict[str, Any]:
    """A curve, whose name is said beside the pointer."""
    return {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "y": y,
        "line": {"color": color, "width": 2, "dash": dash},
        "hovertemplate": f"{name} %{{y:.2f}}<extra></extra>",
    }


def mark(x: float, color: str) -> dict[str, Any]:
    """A vertical line at a value."""
    return {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper", "line": {"color": color, "width": 1.5}}


@dataclass(frozen=True, eq=False)
class Section:
    """Pictures of a page under one title, with what has to be known to read them."""

    title: str
    notes: Sequence[str]
    boxes: Sequence[Box]

    def for_page(self) -> dict[str, Any]:
        """What the template takes."""
        return {"title": self.title, "notes": list(self.notes), "boxes": boxes(self.boxes)}


def boxes(some: Sequence[Box]) -> list[dict[str, Any]]:
    """Pictures as the template takes them."""
    return [
        {"div": div, "title": plain(title), "figure": script_json(f), "height": f["layout"]["height"]}
        for div, title, f in some
    ]
