"""Sections of docstrings as this package writes them: ``name : what it is``, with no type of its own.

::

    Shapes
    ------
    events : one setting, N videos
    segments : (N,) int64, segments that are scored

They become lists. Other sections (``Raises``, ``Returns``) are those of NumPy, for napoleon.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

SECTIONS = ("Parameters", "Attributes", "Shapes", "Shapes and units", "Units")
ENTRY = re.compile(r"([\w*]+(?:, [\w*]+)*) : (.*)")


def listed(lines: list[str]) -> list[str]:
    """Lines of a docstring with its sections of names as lists."""
    out: list[str] = []
    number = 0
    while number < len(lines):
        title = lines[number].strip()
        if title in SECTIONS and number + 1 < len(lines) and set(lines[number + 1].strip()) == {"-"}:
            out += [f".. rubric:: {title}", ""]
            number += 2
            while number < len(lines) and not _begins_section(lines, number):
                entry = ENTRY.match(lines[number])
                if entry:
                    names = ", ".join(f"``{name}``" for name in entry[1].split(", "))
                    out.append(f"* {names}: {entry[2]}")
                elif lines[number].strip():
                    out.append("  " + lines[number].strip())
                else:
                    out.append("")
                number += 1
            out.append("")
        else:
            out.append(lines[number])
            number += 1
    return out


def _begins_section(lines: list[str], number: int) -> bool:
    after = lines[number + 1].strip() if number + 1 < len(lines) else ""
    paragraph = bool(lines[number]) and number > 0 and not lines[number - 1] and not ENTRY.match(lines[number])
    return (bool(lines[number].strip()) and bool(after) and set(after) == {"-"}) or (
        paragraph and not lines[number].startswith(" ")
    )


def process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = listed(lines)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", process, priority=400)  # before napoleon, which reads the other sections
    return {"parallel_read_safe": True, "parallel_write_safe": True}
