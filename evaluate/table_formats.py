"""Tables for papers, notes and spreadsheets: Markdown, LaTeX (booktabs) and csv of what is printed on a terminal."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "±": r"$\pm$", "−": "$-$", "–": "--", "²": r"\textsuperscript{2}",
}  # fmt: skip
_MINUS = re.compile(r"(?<![\w)-])-(?=\d)")
_INTERVAL = re.compile(r"(\S+) \[(\S+), (\S+)\]")
_MARKDOWN = re.compile(r"([\\|*_`<&~$]|\](?=\())")


@dataclass(frozen=True)
class PlainTable:
    """A table as text.

    Attributes
    ----------
    title : empty where it has none
    heads : of each column its lines
    rows : cells
    right : whether a column is set flush right
    ends : numbers of the rows after which a group of rows ends
    """

    title: str
    heads: list[list[str]]
    rows: list[list[str]]
    right: list[bool]
    ends: frozenset[int]


def formatted(parts: Sequence[Any], form: str, pairs: Sequence[str] = ()) -> str:
    """Rich tables and lines of markup as ``md``, ``latex`` or ``csv``, with the figures as they are printed.

    Lines between tables are paragraphs in Markdown and comments in LaTeX; csv has none, a column for each figure and
    end of an interval, and the title of a table, where there is one, in its rows. ``pairs`` name the figures of cells
    ``a / b`` whose head does not.
    """
    write = _WRITERS[form]
    found = [plain_table(part) if isinstance(part, Table) else Text.from_markup(str(part)).plain for part in parts]
    blocks = [write(part, pairs) for part in found if isinstance(part, PlainTable) or part.strip()]
    return "\n\n".join(block for block in blocks if block)


def plain_table(table: Table) -> PlainTable:
    """What a rich table holds."""
    columns = [[_plain(cell) for cell in column.cells] for column in table.columns]
    return PlainTable(
        _plain(table.title or ""),
        [_plain(column.header).split("\n") for column in table.columns],
        [list(row) for row in zip(*columns, strict=True)],
        [column.justify == "right" for column in table.columns],
        frozenset(i for i, row in enumerate(table.rows) if row.end_section),
    )


def _plain(cell: Any) -> str:
    return cell.plain if isinstance(cell, Text) else Text.from_markup(str(cell)).plain


def _markdown(part: PlainTable | str, pairs: Sequence[str]) -> str:
    if isinstance(part, str):
        return _in_markdown(part.strip())
    heads = [_in_markdown(" ".join(lines)) for lines in part.heads]
    rules = ["---:" if right else "---" for right in part.right]
    rows = [heads, rules, *([_in_markdown(cell) for cell in row] for row in part.rows)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*([f"**{_in_markdown(part.title)}**", ""] if part.title else []), *lines])


def _in_markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text.replace("\n", " "))


def _latex(part: PlainTable | str, pairs: Sequence[str]) -> str:
    if isinstance(part, str):
        return "\n".join(f"% {line.strip()}" for line in part.strip().splitlines())
    depth = max(len(lines) for lines in part.heads)
    heads = [[lines[i] if i < len(lines) else "" for lines in part.heads] for i in range(depth)]
    body = [*map(_latex_row, heads), r"\midrule"]
    for i, row in enumerate(part.rows):
        body.append(_latex_row(row))
        if i in part.ends and i + 1 < len(part.rows):
            body.append(r"\addlinespace")
    columns = "".join("r" if right else "l" for right in part.right)
    return "\n".join(
        [
            *([f"% {part.title}"] if part.title else []),
            rf"\begin{{tabular}}{{{columns}}}", r"\toprule", *body, r"\bottomrule", r"\end{tabular}",
        ]
    )  # fmt: skip


def _latex_row(cells: Sequence[str]) -> str:
    escaped = ["".join(_LATEX.get(c, c) for c in cell) for cell in cells]
    row = " & ".join(_MINUS.sub("$-$", cell) for cell in escaped)
    if row[:1] in ("[", "*"):  # would be an argument of what ends the row before
        row = f"{{{row[0]}}}{row[1:]}"
    return rf"{row} \\"


def _csv(part: PlainTable | str, pairs: Sequence[str]) -> str:
    if isinstance(part, str):
        return ""
    columns: list[tuple[str, list[str]]] = [("table", [part.title] * len(part.rows))] if part.title else []
    for number, lines in enumerate(part.heads):
        cells = [row[number] for row in part.rows]
        if number == 0:
            columns.append((" ".join(lines) or "name", _filled(cells)))
        else:
            columns += _figures(lines, cells, pairs) or [(" ".join(lines) or "kind", cells)]
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow([head for head, _ in columns])
    table.writerows(zip(*(cells for _, cells in columns), strict=True))
    return text.getvalue().rstrip("\n")


def _figures(lines: Sequence[str], cells: Sequence[str], pairs: Sequence[str]) -> list[tuple[str, list[str]]]:
    """The columns of one whose cells hold several figures: pairs, or an interval; none where they do not."""
    named = lines[-1].split(" / ") if len(lines) > 1 else list(pairs)
    halves = [cell.split(" / ") for cell in cells]
    if cells and len(named) == 2 and all(len(both) == 2 for both in halves):
        return [(f"{lines[0]} {name}", [both[i] for both in halves]) for i, name in enumerate(named)]
    found = [_INTERVAL.fullmatch(cell) for cell in cells]
    spreads = [one.groups() for one in found if one is not None]
    if cells and len(spreads) == len(cells):
        head = " ".join(lines)
        return [(f"{head}{end}", [s[i] for s in spreads]) for i, end in enumerate(("", " low", " high"))]
    return []


def _filled(cells: Sequence[str]) -> list[str]:
    """Names of rows; one that stands for several rows stands in each of them."""
    found: list[str] = []
    for cell in cells:
        found.append(cell or (found[-1] if found else ""))
    return found


_WRITERS: dict[str, Callable[[PlainTable | str, Sequence[str]], str]] = {
    "md": _markdown,
    "latex": _latex,
    "csv": _csv,
}
