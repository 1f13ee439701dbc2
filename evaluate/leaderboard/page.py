"""The pages of a leaderboard: one of its figures, and one of what they cost on this machine."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ... import __version__
from ...cache.atomic_write import atomic_write
from ..intervals import Estimate
from ..report import html as report_html
from ..report.html_escape import plain
from .result import Leaderboard
from .text import (
    CAUTION,
    cell,
    cost_columns,
    headline,
    lead_lines,
    matrix,
    note_lines,
    ordered,
    p_text,
    ranked_text,
    setting_text,
    shown_key,
    title_of,
    tried_text,
)

_WIDTH, _HEIGHT = 160, 18
"""Of the picture of an interval, in its own units."""


def write_page(path: Path, b: Leaderboard) -> None:
    """Write the page of the figures. It holds no script and asks nobody for anything.

    Raises: DataError where it cannot be written.
    """
    standings = ordered(b)
    figures = [one.figure(b.rank_by) for one in standings]
    baselines = {one.baseline for one in standings}
    gains = [one.differences.get(b.rank_by) for one in standings]
    rows = [
        {
            "rank": "" if one.rank is None else one.rank,
            "name": one.row.name,
            "store": one.row.store,
            "figure": cell(figure),
            "picture": interval_picture(figure, figures, title_of(b, b.rank_by)),
            "gain": "baseline" if one.key in baselines else cell(gain, "+"),
            "gain_picture": interval_picture(gain, gains, f"minus {b.baseline}", zero=True),
            "p": p_text(gain),
            "tried": tried_text(one),
            "link": None if one.row.folder is None else f"{one.row.folder}/search.html",
        }
        for one, figure, gain in zip(standings, figures, gains, strict=True)
    ]
    settings = [[shown_key(b, one), setting_text(one)] for one in b.ranked if setting_text(one)]
    heads, others = headline(b)
    _write(
        path, "leaderboard.html.j2",
        title=f"Leaderboard on {b.about['dataset']} {b.about['report']['split']}", lead=lead_lines(b), rows=rows,
        several=len(b.stores) > 1, matrix=matrix(b), rank_title=title_of(b, b.rank_by), ranked_by=ranked_text(b),
        baseline=b.baseline, headline={"heads": heads, "rows": others}, settings=settings, notes=note_lines(b),
        caution=CAUTION,
    )  # fmt: skip


def write_timing_page(path: Path, b: Leaderboard) -> None:
    """Write the page of what the rows cost here. Raises: DataError where it cannot be written."""
    heads, rows = cost_columns(b)
    table = [[shown_key(b, one), tried_text(one), *row] for one, row in zip(ordered(b), rows, strict=True)]
    _write(
        path, "timing.html.j2", title="What the leaderboard cost here", heads=["decoder", "settings", *heads],
        rows=table, seconds=f"{b.seconds:.1f}",
    )  # fmt: skip


def interval_picture(e: Estimate | None, every: Sequence[Estimate | None], what: str, *, zero: bool = False) -> Any:
    """An estimate and its interval as a small SVG, on one scale for ``every`` one; nothing where there is none.

    zero : the scale holds zero, where a line stands
    """
    from markupsafe import Markup

    if e is None or e.figure != e.figure:
        return Markup("")
    some = [x for one in every if one is not None for x in (one.low, one.figure, one.high) if x == x]
    low, high = min([*some, *([0.0] if zero else [])]), max([*some, *([0.0] if zero else [])])
    span = (high - low) or 1.0

    def at(value: float) -> str:
        return f"{6 + (_WIDTH - 12) * (value - low) / span:.1f}"

    middle = _HEIGHT // 2
    parts = [f'<line class="zero" x1="{at(0)}" x2="{at(0)}" y1="0" y2="{_HEIGHT}"/>'] if zero else []
    if e.low == e.low:
        parts.append(f'<line class="span" x1="{at(e.low)}" x2="{at(e.high)}" y1="{middle}" y2="{middle}"/>')
    parts.append(f'<circle class="point" cx="{at(e.figure)}" cy="{middle}" r="4"/>')
    label = html.escape(plain(f"{what}: {cell(e, '+' if zero else '')}"))
    return Markup(f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>')


def _write(path: Path, template: str, **values: Any) -> None:
    from markupsafe import Markup

    css = (Path(report_html.__file__).parent / "page.css").read_text(encoding="utf-8")
    page = report_html.page_template(Path(__file__).parent / template)
    text = page.render(plain=plain, css=Markup(css), version=__version__, **values)
    atomic_write(path, text.encode("utf-8", "backslashreplace"))
