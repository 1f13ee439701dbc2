"""The tables of a report as plain rows of text: metrics, parameters and classes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.events import TRACKS
from ..titles import own_title
from .data import ReportData, ReportRun
from .html_escape import plain

Groups = list[tuple[str, list[str]]]
"""A table's head of two lines: groups of columns as (title, names of the columns)."""


@dataclass(frozen=True)
class Cell:
    """One table cell: its text, an exact value for the tooltip, and whether it is the best of its column."""

    text: str
    exact: str = ""
    best: bool = False


@dataclass(frozen=True)
class MetricsTable:
    """Figures in groups of columns, and rows of (kind, name, cells).

    ``kind`` is ``run``, ``difference`` or ``paper``.
    """

    groups: Groups
    rows: list[tuple[str, str, list[Cell]]]


def number(value: float | None, signed: bool = False) -> str:
    """A percentage with one decimal, an en dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:+.1f}" if signed else f"{value:.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "−")


def metric_name(titles: Mapping[str, tuple[str, str]], key: str) -> tuple[str, str]:
    """Group and column title of a figure's name: as given, else as the package's own metrics have it."""
    group, column = titles.get(key) or own_title(key)
    return plain(group), plain(column)


def metrics_table(data: ReportData) -> MetricsTable | None:
    """Runs, last minus first, papers' rows, and last minus the paper's row where there is only one."""
    papers = list(data.paper_rows or ())
    rows_of_figures = [run.metrics for run in data.runs] + [row for _, row in papers]
    groups, order = _grouped(data.titles, dict.fromkeys(key for row in rows_of_figures for key in row))
    if not order:
        return None
    best = {key: max((number(r.metrics.get(key)) for r in data.runs), key=_sortable) for key in order}
    rows = [("run", plain(run.name), _cells(run.metrics, order, best)) for run in data.runs]
    if len(data.runs) > 1:
        first, last = data.runs[0], data.runs[-1]
        name = f"{plain(last.name)} − {plain(first.name)}"
        rows.append(("difference", name, _differences(last.metrics, first.metrics, order)))
    rows += [("paper", plain(name), _cells(row, order)) for name, row in papers]
    if len(papers) == 1 and data.runs:
        name = f"{plain(data.runs[-1].name)} − paper"
        rows.append(("difference", name, _differences(data.runs[-1].metrics, papers[0][1], order)))
    return MetricsTable(groups, rows)


def _grouped(titles: Mapping[str, tuple[str, str]], keys: Iterable[str]) -> tuple[Groups, list[str]]:
    """The head of a table of figures, and their names in the order of its columns."""
    groups: dict[str, list[str]] = {}
    for key in keys:
        groups.setdefault(metric_name(titles, key)[0], []).append(key)
    head = [(title, [metric_name(titles, key)[1] for key in group]) for title, group in groups.items()]
    return head, [key for group in groups.values() for key in group]


def _sortable(text: str) -> float:
    return -math.inf if text == "–" else float(text.replace("−", "-"))


def _cells(row: Mapping[str, float], keys: Sequence[str], best: Mapping[str, str] | None = None) -> list[Cell]:
    cells = []
    for key in keys:
        value = row.get(key)
        text = number(value)
        marked = bool(best) and text != "–" and best is not None and text == best[key]
        cells.append(Cell(text, "" if text == "–" else f"{value:.6g}", marked))
    return cells


def _differences(row: Mapping[str, float], other: Mapping[str, float], keys: Iterable[str]) -> list[Cell]:
    values = [_minus(row.get(key), other.get(key)) for key in keys]
    return [Cell(number(v, signed=True)) for v in values]


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


@dataclass(frozen=True)
class ParametersTable:
    """Parameters that differ between the runs, as (name, value per run), and those that do not."""

    differing: list[tuple[str, list[str]]]
    shared: list[tuple[str, str]]


def parameters_table(runs: Sequence[ReportRun]) -> ParametersTable:
    """Every parameter of the runs, in the order first given."""
    table = ParametersTable([], [])
    for name in dict.fromkeys(name for run in runs for name in run.params):
        values = [_value(run.params[name]) if name in run.params else "–" for run in runs]
        if len(set(values)) > 1:
            table.differing.append((plain(name), values))
        else:
            table.shared.append((plain(name), values[0]))
    return table


def _value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return f"{value:g}"
    return plain(json.dumps(value, sort_keys=True, default=str, ensure_ascii=False))


@dataclass(frozen=True)
class ClassTable:
    """Per label: events in the truth by track (empty without truth), then figures of the main run.

    ``rows``: (label, events by track, (figure, difference to the first run or "") by column).
    """

    groups: Groups
    run: str
    other: str
    rows: list[tuple[str, list[int], list[tuple[str, str]]]]


def class_table(data: ReportData) -> ClassTable | None:
    """Figures per class of the last run that has them, beside the first's; only labels that occur."""
    given = data.per_class or {}
    tables = {run.name: given[run.name] for run in data.runs if run.name in given}
    if not tables:
        return None
    run, other = list(tables)[-1], next(iter(tables))
    main, base = tables[run], tables[other] if other != run else {}
    groups, order = _grouped(data.titles, main)
    support = _events_per_label(data)
    rows = []
    for i, label in enumerate(data.labels):
        values = [float(main[key][i]) for key in order]
        if not any(map(math.isfinite, values)) and (support is None or not support[:, i].any()):
            continue
        changes = [
            _minus(v, float(base[key][i])) if key in base else None for key, v in zip(order, values, strict=True)
        ]
        cells = [
            (number(v), "" if c is None or not math.isfinite(c) else number(c, signed=True))
            for v, c in zip(values, changes, strict=True)
        ]
        rows.append((plain(label), [] if support is None else support[:, i].tolist(), cells))
    return ClassTable(groups, plain(run), plain(other) if base else "", rows)


def _events_per_label(data: ReportData) -> NDArray[np.int64] | None:
    """[3, C] int64, events of each label in each track of the truth."""
    if data.truth is None:
        return None
    per_row = np.diff(data.truth.starts)
    track = np.repeat(np.tile(np.arange(len(TRACKS)), len(data.video_ids)), per_row)
    flat = track * len(data.labels) + data.truth.label
    size = len(TRACKS) * len(data.labels)
    return np.bincount(flat, minlength=size).reshape(len(TRACKS), -1).astype(np.int64)
