"""OV-AVEL's tables as text, and Figure A4 as a page."""

from __future__ import annotations

import html
import os
from itertools import groupby

from rich import box
from rich.markup import escape
from rich.table import Table

from ...cache.atomic_write import atomic_write
from ...core.errors import UsageError
from ...core.metrics.ovavel import OVAVEL_METRIC_NAMES
from ..text_tables import render
from .ovavel import Reproduction, RowResult


def reproduction_text(found: Reproduction, form: str | None = None) -> str:
    """One table for each of the paper's: measured / printed, percent; below it what is missing and why."""
    parts: list[Table | str] = []
    for title, group in groupby([*found.rows, *found.rivals], key=lambda r: r.row.table):
        results = list(group)
        shown = any(r.evaluation or r.row.unpublished for r in results)
        parts.append(_table(title, results) if shown else escape(title))
        parts += [escape(line) for line in _notes(results)]
        parts.append("")
    better = found.classes_improved()
    if better:
        counts = ", ".join(f"{k} {better[k]}" for k in OVAVEL_METRIC_NAMES)
        parts.append(
            f"Figure A4: fine-tuning is better on this many of {better['classes']} classes: {counts} "
            f"(paper: about {better['printed']} of 67)"
        )
    parts.append(f"measured / printed; profile {found.profile}")
    return render(*parts, form=form, pairs=("measured", "paper"))


def _table(title: str, results: list[RowResult]) -> Table:
    table = Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD)
    for head in ("", ""):
        table.add_column(head)
    for head in ("Acc.", "Seg.", "Eve.", "Avg."):
        table.add_column(head, justify="right")
    for r in results:
        name = escape(r.row.name)
        # what can never be measured here is shown all the same
        for group in r.measured or (r.row.printed if r.row.unpublished else {}):
            figures, printed = r.measured.get(group, {}), r.row.printed.get(group, {})
            cells = [f"{_number(figures.get(k))} / {_number(printed.get(k))}" for k in OVAVEL_METRIC_NAMES]
            table.add_row(name, group, *cells)
            name = ""
    return table


def _notes(results: list[RowResult]) -> list[str]:
    scored: dict[str, list[str]] = {}
    reasons: dict[str, list[str]] = {}
    for r in results:
        if r.evaluation is not None:
            videos = f"{r.evaluation.videos_scored} of {r.evaluation.videos_expected} videos"
            if r.unscored:
                videos += f" ({', '.join(f'{n} {status}' for status, n in r.unscored.items())})"
            if r.evaluation.aligned.length_mismatches:
                videos += f", {r.evaluation.aligned.length_mismatches} of another length than annotated"
            scored.setdefault(videos, []).append(r.row.name)
        else:
            reasons.setdefault(r.missing, []).append(r.row.name)
    lines = [f"  {'; '.join(names)}: {videos}" for videos, names in scored.items()]
    return lines + [f"  not computed: {'; '.join(names)} ({why})" for why, names in reasons.items()]


def _number(value: float | None) -> str:
    return "–" if value is None or value != value else f"{value:.1f}"


def write_class_figure(found: Reproduction, path: str | os.PathLike[str]) -> None:
    """Figure A4 as one offline page: bars by class, a panel a figure, a colour a baseline.

    Raises: UsageError where neither baseline was measured, DataError where the page cannot be written.
    """
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    systems = found.by_class
    if not systems:
        raise UsageError("no baseline was measured, so there is no figure of classes; give a store of imagebind")
    classes = sorted({c for rows in systems.values() for c in rows})
    panels = {"acc": "Accuracy", "seg": "Segment F", "event": "Event F"}
    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, subplot_titles=list(panels.values()))
    colours = ("#6b7a90", "#c2571a")
    for row, key in enumerate(panels, 1):
        for (name, rows), colour in zip(systems.items(), colours, strict=False):
            values = [rows[c][key] if c in rows else None for c in classes]
            bars = go.Bar(
                x=[html.escape(c) for c in classes], y=values, name=name, marker_color=colour, showlegend=row == 1
            )
            figure.add_trace(bars, row=row, col=1)
    figure.update_yaxes(range=[0, 100], title_text="percent")
    figure.update_layout(height=1100, barmode="group", title_text="OV-AVEL, test videos of each class", margin_b=180)
    atomic_write(path, figure.to_html(include_plotlyjs=True, div_id="classes").encode())
