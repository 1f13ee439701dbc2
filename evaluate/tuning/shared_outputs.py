"""The files that a search over several data sets leaves, and what it prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from ... import __version__
from ...cache.atomic_write import atomic_write
from ..text_tables import render
from ..tune_options import TuneSettings
from .former_names import present_columns
from .outputs import params_toml, shown_settings, write_json, write_timing
from .page import write_page
from .shared_result import SharedResult
from .text import shown_value
from .trials_file import option_kinds, read_trials, to_parquet

_HEADS = ["data set", "start", "own best", "shared", "cost of sharing"]


def write_shared(r: SharedResult, s: TuneSettings, out: Path) -> None:
    """Write the shared setting, its page and the summary; the files of each data set are in the folder of its name."""
    files = {"summary": "summary.json", "timing": "timing.json"}
    if r.found is not None:
        files |= {"params": "best.toml", "trials": "trials.csv", "page": "search.html"}
        files |= {"parquet": "trials.parquet"} if s.parquet else {}
        _write_setting(r, s, out)
    object.__setattr__(r, "files", {kind: str(out / name) for kind, name in files.items()})
    write_json(out / "summary.json", {**r.as_dict(), "settings": shown_settings(s)})
    write_timing(out, r.timing(), s)


def _write_setting(r: SharedResult, s: TuneSettings, out: Path) -> None:
    assert r.found is not None
    lines = [
        f"found by avreplay {__version__} tune: {s.sampler}, {r.found.done} trials, seed {s.seed}",
        f"{r.objective} = {r.found.best_value:.4f}: {', '.join(one.name for one in r.of_each)}",
    ]
    atomic_write(out / "best.toml", params_toml(lines, r.decoder, r.found.best, r.tuned_on).encode())
    of = type(r.start)
    trials = present_columns(of, read_trials(out / "trials.csv", r.found.done, option_kinds(of)))
    texts = {
        "title": "Search on " + ", ".join(one.name for one in r.of_each),
        "lead": lead_lines(r),
        "settings": [row[:3] for row in setting_rows(r)],
        "blocks": [{"title": "One setting for all, and one each", "heads": _HEADS, "rows": cost_rows(r)}],
        "ceiling_text": "",
    }
    write_page(
        out / "search.html", trials, r.names, r.found.best.as_dict(), r.start.as_dict(), None, r.found.best_value,
        r.start_value, texts,
    )  # fmt: skip
    if s.parquet:
        to_parquet(out / "trials.csv", out / "trials.parquet", option_kinds(of))


def lead_lines(r: SharedResult) -> list[str]:
    """What was searched, on what."""
    lines = []
    for one in r.of_each:
        p = one.alone.problem
        lines.append(
            f"{one.name}: searched on {p.num_videos} videos of {p.annotations.dataset} {p.annotations.split} "
            f"({p.available} of {p.expected} have data in the store), ids {p.annotations.ids_sha256[:16]}"
        )
    if r.found is None:
        return lines
    stopped = "; stopped: run the same command, without --overwrite, to go on" if r.found.stopped else ""
    return [
        f"{r.found.done} of {r.found.trials} trials for one setting, and as many for each data set{stopped}",
        *lines,
        f"{r.objective}: start {r.start_value:.2f}, best {r.found.best_value:.2f} (trial {r.found.best_trial})",
    ]


def cost_rows(r: SharedResult) -> list[list[str]]:
    """For each data set the objective of the start, of its own best and of the shared setting, and what that costs."""
    return [
        [one.name, f"{one.alone.start_value:.2f}", f"{one.own_value:.2f}"]
        + ([] if one.shared_value is None else [f"{one.shared_value:.2f}", f"{one.cost:.2f}"])
        for one in r.of_each
    ]


def setting_rows(r: SharedResult) -> list[list[str]]:
    """Each option that was searched: at the start, shared, and in the own best setting of each data set."""
    shared = [] if r.found is None else [r.found.best]
    settings = [r.of(p) for p in (r.start, *shared, *(one.own for one in r.of_each))]
    return [[name, *(shown_value(values[name]) for values in settings)] for name in r.names]


def shared_text(r: SharedResult, form: str | None = None) -> str:
    """What ``avreplay tune`` prints of several data sets."""
    shared = [] if r.found is None else ["shared"]
    parts: list[Any] = [
        *map(escape, lead_lines(r)),
        _table(["option", "start", *shared, *(f"{one.name}: own" for one in r.of_each)], setting_rows(r)),
        _table(_HEADS if shared else _HEADS[:3], cost_rows(r)),
        escape("wrote " + ", ".join(r.files.values()) + ", and those of " + ", ".join(one.name for one in r.of_each)),
    ]
    return render(*parts, form=form)


def _table(heads: list[str], rows: list[list[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for i, head in enumerate(heads):
        table.add_column(escape(head), justify="right" if i else "left")
    for row in rows:
        table.add_row(*map(escape, row))
    return table
