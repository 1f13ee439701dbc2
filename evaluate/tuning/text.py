"""A search in words and tables, for a terminal and for its page."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from ..text_tables import render
from .result import TuneResult, spread_rows


def shown_value(value: Any) -> str:
    """A value of an option, short."""
    return f"{value:.4g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def lead_lines(r: TuneResult, of_this_run: bool = True) -> list[str]:
    """What was searched, on what; ``of_this_run``: also what this run had to do of it, and how fast."""
    p, f = r.problem, r.found
    rate = f.new_trials * p.bundle.num_videos / max(f.seconds, 1e-9)
    speed = (
        f", {f.new_trials} of them now in {f.seconds:.1f} s ({rate:,.0f} video-settings/s)"
        if f.new_trials and of_this_run
        else ""
    )
    stopped = "; stopped: run the same command, without --overwrite, to go on" if f.stopped else ""
    return [
        f"{f.done} of {f.trials} trials{speed}{stopped}",
        f"searched on {p.bundle.num_videos} videos of {p.annotations.dataset} {p.annotations.split} "
        f"({p.available} of {p.expected} are in the store), ids {p.annotations.ids_sha256[:16]}",
        f"objective {r.objective.text}: start {r.start_value:.2f}, best {f.best_value:.2f} (trial {f.best_trial})"
        + ("" if r.ceiling is None else f", ceiling {r.ceiling:.2f} with the best of these settings for each video"),
    ]


def setting_rows(r: TuneResult) -> list[list[str]]:
    start, best = r.start.as_dict(), r.found.best.as_dict()
    return [[n, shown_value(start[n]), shown_value(best[n])] for n in r.names]


def figure_rows(r: TuneResult) -> list[list[str]]:
    """Figures of the report split: start, best and their difference, each with its interval."""
    if r.report is None:
        return []
    return [
        [
            name,
            f"{v['start']:.1f} [{v['start_low']:.1f}, {v['start_high']:.1f}]",
            f"{v['best']:.1f} [{v['best_low']:.1f}, {v['best_high']:.1f}]",
            f"{v['gain']:+.1f} [{v['gain_low']:+.1f}, {v['gain_high']:+.1f}]",
        ]
        for name, v in spread_rows(r.report, r.report.resamples)
    ]


def report_line(r: TuneResult) -> str:
    """Which videos the figures stand on."""
    if r.report is None:
        return r.report_note
    e = r.report.first
    line = (
        f"{e.dataset} {e.split}, {e.videos_scored} of {e.videos_expected} videos, ids {e.ids_sha256[:16]}; percent "
        f"with {100 * r.report.level:.0f} % bootstrap intervals over videos"
    )
    return f"{line}; {r.report_note}" if r.report_note else line


def tune_text(r: TuneResult) -> str:
    """What ``avreplay tune`` prints."""
    settings = Table(box=box.SIMPLE_HEAD)
    for head in ("option", "start", "best"):
        settings.add_column(head, justify="left" if head == "option" else "right")
    for row in setting_rows(r):
        settings.add_row(*map(escape, row))
    parts: list[Any] = [*map(escape, lead_lines(r)), settings, escape(report_line(r))]
    if r.report is not None:
        figures = Table(box=box.SIMPLE_HEAD)
        for head in ("figure", "start", "best", "difference"):
            figures.add_column(head, justify="left" if head == "figure" else "right")
        for row in figure_rows(r):
            figures.add_row(*map(escape, row))
        parts.append(figures)
    parts.append(escape("wrote " + ", ".join(r.files.values())))
    return render(*parts)


def page_texts(r: TuneResult) -> dict[str, Any]:
    """What the page prints beside its pictures."""
    blocks = [{"title": report_line(r), "heads": ["figure", "start", "best", "difference"], "rows": figure_rows(r)}]
    return {
        "title": f"Search on {r.problem.annotations.dataset} {r.problem.annotations.split}",
        "lead": lead_lines(r, of_this_run=False),
        "settings": setting_rows(r),
        "blocks": blocks if r.report is not None else [{"title": report_line(r), "heads": [], "rows": []}],
        "ceiling_text": ""
        if r.ceiling is None
        else f"Each video under the best of the {r.found.done} settings for it, worst video first: "
        f"{r.ceiling:.2f} in the mean (blue), where one setting for all reaches {r.found.best_value:.2f} (orange) and "
        f"the start {r.start_value:.2f} (grey). No rule that picks among these settings can gain more than the rest.",
    }
