"""The exact response as a figure of Matplotlib, for notebooks and papers: the plane, and curves over each number."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ....core.errors import DataError, UsageError, did_you_mean
from ....core.exact.axes import PLANE
from ....core.installation import install_command
from ...report.style import HIT, INK, MUTED, THRESHOLD
from .curves import Curves
from .stage import Exact, ExactPlane

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OBJECTIVE = "objective"
_LOOKS = {"start": ("o", MUTED, "none"), "sharp": ("x", THRESHOLD, THRESHOLD)}
_LOOK = ("o", THRESHOLD, THRESHOLD)
_PANEL = (3.1, 2.7)
"""Inches."""
_LONGEST = 24
"""Signs beside an axis; a weighted sum may have more."""


def exact_figure(exact: Exact | None, objective: str, places: Mapping[str, Mapping[str, Any]], figure: str) -> Figure:
    """The plane of tau0 and tau_r where the objective is asked for, and a curve over each number, side by side.

    Parameters
    ----------
    exact : None where a search was stopped
    objective : in words
    places : the options of settings, by name, which are marked; the last one is that whose other options are fixed
    figure : ``objective`` or the name of one

    Raises
    ------
    UsageError
        Matplotlib is not installed, an unknown figure
    DataError
        there is no exact response
    """
    make = _maker()
    if exact is None:
        raise DataError("the search was stopped, so that it has no response to draw; go on with it")
    if exact.plane is None and not exact.curves:
        why = exact.note or next(iter(exact.sampled.values()), "this decoder has none")
        raise DataError(f"there is no exact response to draw: {why}")
    names = exact.curves[0].names if exact.curves else (OBJECTIVE,)
    if figure not in names:
        raise UsageError(f"there is no figure {figure!r} to draw{did_you_mean(figure, names)} ({', '.join(names)})")
    with_plane = exact.plane if figure == OBJECTIVE else None
    count = len(exact.curves) + (with_plane is not None)
    drawn = make(figsize=(_PANEL[0] * count + (0.7 if with_plane else 0), _PANEL[1]), layout="constrained")
    panels: list[Axes] = list(drawn.subplots(1, count, squeeze=False)[0])
    if with_plane is not None:
        _draw_plane(drawn, panels.pop(0), with_plane, places)
    what = objective if figure == OBJECTIVE and len(objective) <= _LONGEST else figure
    for panel, curves in zip(panels, exact.curves, strict=True):
        _draw_curve(panel, curves, curves.names.index(figure), places)
        if panel is not panels[0]:
            panel.sharey(panels[0])
    if panels:
        panels[0].set_ylabel(f"{what} (%)", parse_math=False)
        if with_plane is None:
            panels[0].legend(fontsize=7)
    return drawn


def _maker() -> Callable[..., Figure]:
    """Figures that a notebook shows without pyplot. Raises: UsageError without Matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError(f"this figure needs matplotlib: {install_command('notebook')}") from None

    class Shown(Figure):
        def _repr_png_(self) -> bytes:
            image = io.BytesIO()
            self.savefig(image, format="png", dpi=120)
            return image.getvalue()

    return Shown


def _draw_plane(drawn: Figure, panel: Axes, plane: ExactPlane, places: Mapping[str, Mapping[str, Any]]) -> None:
    """The surface, the border of its plateau, and where settings lie."""
    s = plane.surface
    colours = panel.pcolormesh(s.tau0, s.tau_r, s.objective.T, cmap="Blues", shading="nearest", rasterized=True)
    if s.safe.any() and not s.safe.all():
        panel.contour(s.tau0, s.tau_r, s.safe.T.astype(float), [0.5], colors=INK, linewidths=0.9)
    for name, options in places.items():
        marker, edge, face = _LOOKS.get(name, _LOOK)
        x, y = (options[n] for n in PLANE)
        edges = None if marker == "x" else edge
        panel.scatter(x, y, marker=marker, edgecolors=edges, facecolors=face, s=34, label=name, zorder=3)
    panel.scatter(plane.best.tau0, plane.best.tau_r, marker="*", c="#facc15", edgecolors=INK, linewidths=0.6, s=90,
                  label="optimum", zorder=4)  # fmt: skip
    panel.set(xlabel="tau0", ylabel="tau_r", xlim=(0, 1), ylim=(0, 1))
    panel.legend(fontsize=7, frameon=True, loc="lower left")
    drawn.colorbar(colours, ax=panel, label="objective (%)")


def _draw_curve(panel: Axes, curves: Curves, at: int, places: Mapping[str, Mapping[str, Any]]) -> None:
    """One figure over one number, its bootstrap band, and a line at each setting."""
    if curves.low is not None and curves.high is not None:
        panel.fill_between(curves.values, curves.low[:, at], curves.high[:, at], color=HIT, alpha=0.2, linewidth=0)
    panel.plot(curves.values, curves.figures[:, at], color=HIT, linewidth=1.5)
    for name, options in places.items():
        panel.axvline(float(options[curves.name]), color=_LOOKS.get(name, _LOOK)[1], linewidth=1,
                      linestyle="--" if name == "start" else "-", label=name)  # fmt: skip
    panel.set(xlabel=curves.name, xlim=(0, 1))
    panel.grid(alpha=0.25)
