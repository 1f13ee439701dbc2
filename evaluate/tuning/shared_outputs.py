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
from .honest.several import SharedHonest
from .honest.text import VALUE_HEADS, start_lines, with_interval
from .outputs import params_toml, shown_settings, write_json, write_timing
from .page import write_page
from .shared_result import SharedResult
from .text import shown_value
from .trials_file import option_kinds, read_trials, to_parquet


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
    assert r.kept is not None
    what, value = ("sharp", r.found.best_value) if s.sharp else ("recommended", r.recommended_value)
    lines = [
        f"found by avreplay {__version__} tune: {s.sampler}, {r.found.done} trials, seed {s.seed}",
        f"the {what} setting: {r.objective} = {value:.4f}: {', '.join(one.name for one in r.of_each)}",
    ]
    atomic_write(out / "best.toml", params_toml(lines, r.decoder, r.kept, r.tuned_on).encode())
    of = type(r.start)
    trials = present_columns(of, read_trials(out / "trials.csv", r.found.done, option_kinds(of)))
    texts = {
        "title": "Search on " + ", ".join(one.name for one in r.of_each),
        "lead": lead_lines(r),
        "setting_heads": setting_heads(r),
        "settings": setting_rows(r),
        "honest": honest_lines(r),
        "values": None if r.honest is None else {"heads": VALUE_HEADS, "rows": value_rows(r, r.honest)},
        "blocks": [{"title": "One setting for all, and one each", "heads": cost_heads(r), "rows": cost_rows(r)}],
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


def cost_heads(r: SharedResult) -> list[str]:
    heads = ["data set", "start", "own best"]
    if r.found is None:
        return heads
    return [*heads, "shared, sharp", "cost of sharing", "recommended", *(["cross-validated"] if _held_out(r) else [])]


def cost_rows(r: SharedResult) -> list[list[str]]:
    """For each data set the objective of the start and of its own best, of the shared setting and what that costs, and
    of the recommended shared setting, on these videos and held out."""
    rows = []
    for i, one in enumerate(r.of_each):
        values = [one.alone.start_value, one.own_value]
        if one.shared_value is not None and one.recommended_value is not None:
            values += [one.shared_value, one.own_value - one.shared_value, one.recommended_value]
            held_out = None if r.honest is None else r.honest.held_out(i)
            values += [] if held_out is None else [held_out["recommended"]]
        rows.append([one.name, *(f"{v:.2f}" for v in values)])
    return rows


def _held_out(r: SharedResult) -> bool:
    return r.honest is not None and bool(r.honest.of_each)


def setting_heads(r: SharedResult) -> list[str]:
    shared = [] if r.found is None else ["sharp", "recommended"]
    return ["option", "start", *shared, *(f"{one.name}: own" for one in r.of_each)]


def setting_rows(r: SharedResult) -> list[list[str]]:
    """Each option that was searched: at the start, in the shared settings, and in the own best of each data set."""
    shared = [] if r.found is None or r.recommended is None else [r.found.best, r.recommended]
    settings = [r.of(p) for p in (r.start, *shared, *(one.own for one in r.of_each))]
    return [[name, *(shown_value(values[name]) for values in settings)] for name in r.names]


def value_rows(r: SharedResult, h: SharedHonest) -> list[list[str]]:
    """The objective of all data sets of the start, the sharp and the recommended setting: in-sample, and held out."""
    assert r.found is not None
    in_sample = {"start": r.start_value, "sharp": r.found.best_value, h.kept_rule: h.recommended_value}

    def row(name: str, rule: str) -> list[str]:
        v = h.values.get(rule)
        return [name, f"{in_sample[rule]:.2f}", "" if v is None else with_interval(v.value, v.low, v.high, digits=2)]

    return [row("start", "start"), row("sharp", "sharp"), row("recommended", h.kept_rule)]


def honest_lines(r: SharedResult) -> list[str]:
    """Which setting best.toml holds, and what the figures held out are of."""
    h = r.honest
    if h is None:
        return ["best.toml holds the best setting so far: what is recommended is found when the search has finished"]
    lines = ["best.toml holds the sharp setting" if r.sharp else "best.toml holds the recommended setting",
             f"recommended: {h.rule.text}"]  # fmt: skip
    if h.folds:
        lines.append(f"cross-validated on {h.folds} folds of the videos of each data set: {h.procedure}")
    if h.note:
        lines.append(f"cross-validation: {h.note}")
    lines += start_lines(h.values, h.kept_rule)
    if not h.smoothed:
        lines.append("the sharp setting is the recommended one: smoothing costs when both are cross-validated")
    return lines


def shared_text(r: SharedResult, form: str | None = None) -> str:
    """What ``avreplay tune`` prints of several data sets."""
    parts: list[Any] = [
        *map(escape, lead_lines(r)),
        _table(setting_heads(r), setting_rows(r)),
        _table(cost_heads(r), cost_rows(r)),
    ]
    if r.honest is not None:
        parts.append(_table(list(VALUE_HEADS), value_rows(r, r.honest)))
    if r.found is not None:
        parts += map(escape, honest_lines(r))
    files = ", ".join(r.files.values())
    parts.append(escape(f"wrote {files}, and those of {', '.join(one.name for one in r.of_each)}"))
    return render(*parts, form=form)


def _table(heads: list[str], rows: list[list[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for i, head in enumerate(heads):
        table.add_column(escape(head), justify="right" if i else "left")
    for row in rows:
        table.add_row(*map(escape, row))
    return table
