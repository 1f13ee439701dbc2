"""What summaries and `info` say of single videos of a store, a line each, and of the rest in numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..core.text import printable

MOST_LINES = 20
"""Videos that are named one by one."""


def failure_lines(failures: Iterable[tuple[str, str, str]], url: str, all_of_them: str) -> list[str]:
    """Lines for the first of the videos that are not ok; those without a file are a number.

    Parameters
    ----------
    failures : id, status and reason
    url : of their store
    all_of_them : the command or option that has the others
    """
    every = list(failures)
    named = [failure for failure in every if failure[1] != "missing"]
    lines = [f"  {printable(id)}: {status}, {printable(reason)}" for id, status, reason in named[:MOST_LINES]]
    if len(named) > MOST_LINES:
        lines.append(f"  and {len(named) - MOST_LINES} more; {all_of_them} has them all")
    if missing := len(every) - len(named):
        lines.append(f"  {missing} missing: `avreplay ids {url} --status missing` lists them")
    return lines


def note_lines(notes: Mapping[str, Sequence[str]], all_of_them: str) -> list[str]:
    """A line for each note of the first videos that have any; ``notes`` by video."""
    shown = list(notes.items())[:MOST_LINES]
    lines = [f"  {printable(id)}: {printable(text)}" for id, some in shown for text in some]
    if len(notes) > len(shown):
        lines.append(f"  and of {len(notes) - len(shown)} more; {all_of_them} has them all")
    return lines
