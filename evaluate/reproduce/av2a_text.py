"""AV²A's tables as text."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from rich import box
from rich.markup import escape
from rich.table import Table

from ..paper import paper_tables
from ..text_tables import render
from .av2a import Reproduction, RowResult
from .av2a_rows import SCOPE

_COLUMNS = {"audio": "Audio", "visual": "Visual", "av": "AV", "type_av": "Type@AV", "event_av": "Event@AV"}


def reproduction_text(found: Reproduction, form: str | None = None) -> str:
    """One table for each of the paper's, measured above printed, percent; below it what is missing and why."""
    parts: list[Table | str] = []
    for title, group in groupby([*found.rows, *found.rivals], key=lambda r: r.row.table):
        results = list(group)
        heads = _heads(results)
        shown = [r for r in results if r.runs or (r.row.table == SCOPE and r.row.printed)]
        if shown:
            table = Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD)
            table.add_column("")
            table.add_column("")
            for head in heads.values():
                table.add_column(head, justify="right")
            for r in shown:
                name = escape(r.row.name)
                if r.runs:
                    table.add_row(name, "measured", *_cells(heads, r.measured, r.deviation))
                if r.row.printed:
                    table.add_row("" if r.runs else name, "paper", *_cells(heads, r.row.printed, {}))
                table.add_section()
            parts.append(table)
        else:
            parts.append(escape(title))
        parts += [escape(line) for line in _notes(results)]
        parts.append("")
    available = paper_tables()["av2a_llp_test_videos_available_to_the_authors"]
    parts.append(f"segment / event; profile {found.profile}. AV²A's LLP figures are of {available} videos.")
    return render(*parts, form=form, pairs=("segment", "event"))


def _heads(results: list[RowResult]) -> dict[str, str]:
    if results[0].row.dataset == "ave":
        return {"accuracy": "Accuracy"}
    names = results[0].row.printed
    return {k: v for k, v in _COLUMNS.items() if f"{k}_seg" in names}


def _cells(heads: Mapping[str, str], figures: Mapping[str, float], deviation: Mapping[str, float]) -> list[str]:
    def one(name: str) -> str:
        spread = f" ± {deviation[name]:.1f}" if name in deviation else ""
        return f"{figures[name]:.1f}{spread}"

    return [one(k) if k in figures else f"{one(f'{k}_seg')} / {one(f'{k}_event')}" for k in heads]


def _notes(results: list[RowResult]) -> list[str]:
    lines: list[str] = []
    reasons: dict[str, list[str]] = {}
    for r in results:
        if r.missing:
            reasons.setdefault(r.missing, []).append(r.row.name)
    for videos, names in _scored(results).items():
        lines.append(f"  {', '.join(names)}: {videos}")
    lines += [f"  {r.row.name}: {r.row.condition}" for r in results if r.runs and r.row.condition]
    return lines + [f"  not computed: {', '.join(names)} ({why})" for why, names in reasons.items()]


def _scored(results: list[RowResult]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for r in results:
        if r.runs:
            runs = f", mean ± sd of {len(r.runs)} runs" if len(r.runs) > 1 else ""
            text = f"{r.runs[0].videos_scored} of {r.runs[0].videos_expected} videos{runs}"
            found.setdefault(text, []).append(r.row.name)
    return found
