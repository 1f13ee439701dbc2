"""A search in words and tables, for a terminal and for its page."""

from __future__ import annotations

from typing import Any

from rich.markup import escape

from ..text_tables import render, text_table
from .exact.text import exact_sections, plane_line
from .honest.region import RULE as REGION_RULE
from .honest.text import VALUE_HEADS, estimate_text, honest_lines, optimum_text, region_text, value_rows
from .plot_style import Section
from .result import TuneResult, spread_rows


def shown_value(value: Any) -> str:
    """A value of an option, short."""
    return f"{value:.4g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def lead_lines(r: TuneResult, of_this_run: bool = True) -> list[str]:
    """What was searched, on what; ``of_this_run``: also what this run had to do of it, and how fast."""
    p, f = r.problem, r.found
    rate = f.new_trials * p.num_videos / max(f.seconds, 1e-9)
    speed = (
        f", {f.new_trials} of them now in {f.seconds:.1f} s ({rate:,.0f} video-settings/s)"
        if f.new_trials and of_this_run
        else ""
    )
    stopped = "; stopped: run the same command, without --overwrite, to go on" if f.stopped else ""
    return [
        f"{f.done} of {f.trials} trials{speed}{stopped}",
        f"searched on {p.num_videos} videos of {p.annotations.dataset} {p.annotations.split} "
        f"({p.available} of {p.expected} have data in the store), ids {p.annotations.ids_sha256[:16]}",
        f"objective {r.objective.text}: start {r.start_value:.2f}, best {f.best_value:.2f} (trial {f.best_trial})"
        + ("" if r.ceiling is None else f", ceiling {r.ceiling:.2f} with the best of these settings for each video"),
    ]


def setting_heads(r: TuneResult) -> list[str]:
    heads = ["option", "start", "sharp", "recommended"]
    if r.honest is None:
        return heads
    return [*heads, "safe", *(["optimum of resamples"] if r.honest.bootstrap() else [])]


def setting_rows(r: TuneResult) -> list[list[str]]:
    """Each option that was searched: at the start, in the sharp and in the recommended setting, how far it may move
    from that, and where the optimum of resamples of the videos lies."""
    start, sharp, recommended = r.start.as_dict(), r.found.best.as_dict(), r.recommended.as_dict()
    rows = [[n, shown_value(start[n]), shown_value(sharp[n]), shown_value(recommended[n])] for n in r.names]
    if r.honest is None:
        return rows
    best = r.honest.bootstrap()
    for row in rows:
        row.append(region_text(r.honest.region[row[0]]))
        if best is not None:
            row.append(optimum_text(best["options"][row[0]]))
    return rows


_FIGURE_HEADS = ["figure", "start", "sharp", "recommended", "recommended - start", "recommended - sharp"]


def figure_rows(r: TuneResult) -> list[list[str]]:
    """Figures of the report split: each setting and the differences, with their intervals."""
    return [
        [
            name,
            *(estimate_text(v[k]) for k in ("start", "sharp", "recommended")),
            *(estimate_text(v[k], "+") for k in ("gain", "over_sharp")),
        ]
        for name, v in spread_rows(r)
    ]


def report_line(r: TuneResult) -> str:
    """Which videos the figures stand on."""
    if r.report is None:
        return r.report_note
    e = r.report.first
    spread = f" with {100 * r.report.level:.0f} % bootstrap intervals over videos" if r.report.resamples else ""
    line = (
        f"{e.dataset} {e.split}, {e.videos_scored} of {e.videos_expected} videos, ids {e.ids_sha256[:16]}; percent"
        f"{spread}"
    )
    return f"{line}; {r.report_note}" if r.report_note else line


def kept_line(r: TuneResult) -> str:
    """Which setting best.toml holds, and why."""
    if r.honest is None:
        return "best.toml holds the best setting so far: what is recommended is found when the search has finished"
    if r.sharp:
        return "best.toml holds the sharp setting, the best one tried (without --sharp: the recommended one)"
    return "best.toml holds the recommended setting, the best among its neighbours (--sharp: the best one tried)"


def exact_lines(r: TuneResult) -> list[str]:
    """What the exact response around the setting in best.toml says."""
    return [] if r.exact is None else plane_line(r.exact, _kept_name(r))


def _kept_name(r: TuneResult) -> str:
    return "sharp" if r.sharp else "recommended"


def page_sections(r: TuneResult) -> list[Section]:
    """The sections of the page about the exact response."""
    if r.exact is None:
        return []
    settings = {"start": r.start, "sharp": r.found.best, "recommended": r.recommended}
    kept = _kept_name(r)
    settings[kept] = settings.pop(kept)  # the last one is that whose other options are fixed
    return exact_sections(r.exact, r.problem.decoder, settings)


def tune_text(r: TuneResult, form: str | None = None) -> str:
    """What ``avreplay tune`` prints."""
    parts: list[Any] = [*map(escape, lead_lines(r)), text_table(setting_heads(r), setting_rows(r))]
    if r.honest is not None:
        parts.append(text_table(VALUE_HEADS, value_rows(r.honest, r.start_value, r.found.best_value)))
        parts += map(escape, [*honest_lines(r.honest), *exact_lines(r), ""])
    parts.append(escape(report_line(r)))
    if r.report is not None:
        parts.append(text_table(_FIGURE_HEADS, figure_rows(r)))
    parts += [escape(kept_line(r)), escape("wrote " + ", ".join(r.files.values()))]
    return render(*parts, form=form)


def page_texts(r: TuneResult) -> dict[str, Any]:
    """What the page prints beside its pictures."""
    blocks = [{"title": report_line(r), "heads": _FIGURE_HEADS, "rows": figure_rows(r)}]
    return {
        "title": f"Search on {r.problem.annotations.dataset} {r.problem.annotations.split}",
        "lead": lead_lines(r, of_this_run=False),
        "setting_heads": setting_heads(r),
        "settings": setting_rows(r),
        "honest": [kept_line(r)]
        if r.honest is None
        else [kept_line(r), f"recommended: {r.honest.rule.text}", f"safe: {REGION_RULE}", *honest_lines(r.honest)],
        "values": None
        if r.honest is None
        else {"heads": VALUE_HEADS, "rows": value_rows(r.honest, r.start_value, r.found.best_value)},
        "blocks": blocks if r.report is not None else [{"title": report_line(r), "heads": [], "rows": []}],
        "ceiling_text": ""
        if r.ceiling is None
        else f"Each video under the best of the {r.found.done} settings for it, worst video first: "
        f"{r.ceiling:.2f} in the mean (blue), where one setting for all reaches {r.found.best_value:.2f} (orange) and "
        f"the start {r.start_value:.2f} (grey). No rule that picks among these settings can gain more than the rest.",
    }
