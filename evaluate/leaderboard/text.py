"""A leaderboard in words and tables, for a terminal and for its page."""

from __future__ import annotations

from typing import Any

from rich.markup import escape

from ..intervals import Estimate
from ..text_tables import render, text_table
from ..tuning.honest.text import estimate_text
from ..tuning.text import shown_value
from .result import Leaderboard, Standing

NONE = "–"
CAUTION = (
    "Intervals and p values are each of one comparison: none is corrected for their number, and of many decoders the "
    "best one is the best by chance, too."
)


def lead_lines(b: Leaderboard) -> list[str]:
    """What was tuned and reported on what, and whether the best row is ahead beyond chance."""
    a = b.about
    tune, report = a["tune"], a["report"]
    searched = min(tune["videos"], tune["searched"] or tune["videos"])
    spread = f" with {100 * a['level']:.0f} % bootstrap intervals over videos" if a["resamples"] else ""
    return [
        f"{len(b.names)} decoders on {', '.join(b.stores)}: each tried {a['budget']} settings at most on {searched} "
        f"videos of {a['dataset']} {tune['split']} ({tune['videos']} of {tune['expected']} have data), ids "
        f"{tune['ids_sha256'][:16]}",
        f"reported on {report['videos']} of {report['expected']} videos of {report['split']}, ids "
        f"{report['ids_sha256'][:16]}; percent{spread}; ranked by {ranked_text(b)}",
        *lead_of_best(b),
    ]


def ranked_text(b: Leaderboard) -> str:
    """What ranks the rows: the objective."""
    return str(b.about["objective"])


def lead_of_best(b: Leaderboard) -> list[str]:
    """The best row, and whether the interval of its lead separates it from the second."""
    if b.lead is None:
        return []
    first, second = b.ranked[:2]
    ahead = b.lead.ahead
    of = f"best: {shown_key(b, first)}, ahead of {shown_key(b, second)} by {estimate_text(ahead, '+')}"
    if b.lead.separated is None:
        return [of]
    p = f"p {ahead.p:.3f}"
    return [f"{of}, {p}: " + ("separated" if b.lead.separated else "not separated, the interval holds zero")]


def shown_key(b: Leaderboard, one: Standing) -> str:
    """A row by name, with its store where there are several."""
    return one.row.name if len(b.stores) == 1 else one.key


def title_of(b: Leaderboard, name: str) -> str:
    """The title of a figure."""
    return b.titles.get(name, name)


def matrix(b: Leaderboard) -> tuple[list[str], list[list[str]]]:
    """Decoders by stores: heads and rows of what ranks, with intervals."""
    found = {(one.row.store, one.row.name): one.figure(b.rank_by) for one in b.standings}
    rows = [[name, *(cell(found[store, name]) for store in b.stores)] for name in b.names]
    return ["decoder", *b.stores], rows


def ranking(b: Leaderboard) -> tuple[list[str], list[list[str]]]:
    """The rows from the best down, then those without figures: what ranks, the difference to the baseline, settings."""
    heads = ["", "decoder", *(["store"] if len(b.stores) > 1 else []), title_of(b, b.rank_by),
             f"- {b.baseline}", "p", "settings"]  # fmt: skip
    rows = []
    for one in ordered(b):
        d = one.differences.get(b.rank_by)
        rows.append([
            NONE if one.rank is None else str(one.rank), one.row.name, *([one.row.store] if len(b.stores) > 1 else []),
            cell(one.figure(b.rank_by)), cell(d, "+"), p_text(d), tried_text(one),
        ])  # fmt: skip
    return heads, rows


def headline(b: Leaderboard) -> tuple[list[str], list[list[str]]]:
    """The other figures that tables show; no rows where there is none."""
    others = [name for name in b.shown if name != b.rank_by]
    rows = [[shown_key(b, one), *(cell(one.figure(name)) for name in others)] for one in b.ranked] if others else []
    return ["decoder", *(title_of(b, name) for name in others)], rows


def cost_columns(b: Leaderboard) -> tuple[list[str], list[list[str]]]:
    """What the rows cost here, in the order of :func:`ranking`: seconds of tuning, microseconds of decoding a video."""
    rows = []
    for one in ordered(b):
        row = one.row
        part = f" for {row.timed}" if row.timed != row.tried else ""
        tuning = NONE if row.seconds is None else f"{row.seconds:.1f} s{part}"
        rows.append([tuning, NONE if one.reached is None else f"{one.reached.microseconds:.1f} µs"])
    return ["tuning", "a video"], rows


def ordered(b: Leaderboard) -> list[Standing]:
    """From the best down, then those without figures."""
    return [*b.ranked, *(one for one in b.standings if one.rank is None)]


def cell(e: Estimate | None, sign: str = "") -> str:
    """An estimate with its interval; a dash where there is none."""
    return NONE if e is None or e.figure != e.figure else estimate_text(e, sign)


def p_text(e: Estimate | None) -> str:
    return NONE if e is None or e.p != e.p else f"{e.p:.3f}"


def tried_text(one: Standing) -> str:
    """How many settings were tried; that none was searched is said."""
    return NONE if one.rank is None else str(one.row.tried) if one.row.tuned else f"{one.row.tried}, not tuned"


def setting_text(one: Standing) -> str:
    """The options that were searched, as they are reported."""
    if one.row.params is None or not one.row.searched:
        return ""
    values = one.row.params.as_dict()
    return ", ".join(f"{name}={shown_value(values[name])}" for name in one.row.searched)


def note_lines(b: Leaderboard) -> list[str]:
    """What must be known of rows and of all."""
    rows = []
    for one in ordered(b):
        said = [*([f"does not run: {one.row.problem}"] if one.row.problem else []), *one.notes]
        rows += [f"{shown_key(b, one)}: {text}" for text in said if text not in b.notes]
    return [*b.notes, *rows]


def leaderboard_text(b: Leaderboard, form: str | None = None) -> str:
    """What ``avreplay leaderboard`` prints."""
    parts: list[Any] = [*map(escape, lead_lines(b)), ""]
    if len(b.stores) > 1:
        parts.append(text_table(*matrix(b)))
    heads, rows = ranking(b)
    more, costs = cost_columns(b)
    parts.append(text_table([*heads, *more], [[*row, *cost] for row, cost in zip(rows, costs, strict=True)], left=2))
    heads, rows = headline(b)
    if rows:
        parts.append(text_table(heads, rows))
    parts += map(escape, [*note_lines(b), CAUTION, "wrote " + ", ".join(b.files.values())])
    return render(*parts, form=form)
