"""Progress of a search and what follows it, on stderr: a bar in a terminal, a line every half minute elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .search import Progress as Report

Counted = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

_SECONDS = 30.0
"""Between two lines where stderr is no terminal, as in the log of a job."""


@contextmanager
def search_progress(names: Sequence[str], enabled: bool | None = None) -> Iterator[Report]:
    """Yields the callback of a search. ``enabled``: whether a bar is shown, by default in a terminal."""
    with _shown(enabled) as show:

        def update(done: int, total: int, value: float, best: Mapping[str, Any]) -> None:
            text = " ".join(f"{n}={best[n]:.3g}" if isinstance(best[n], float) else f"{n}={best[n]}" for n in names)
            show("searching", done, total, f"best {value:.2f}: {text}")

        yield update


@contextmanager
def counted_progress(enabled: bool | None = None) -> Iterator[Counted]:
    """Yields the callback of work that is counted: the stage after a search, an exact response. ``enabled`` as for
    :func:`search_progress`."""
    with _shown(enabled) as show:
        yield lambda what, done, total: show(what, done, total, "")


@contextmanager
def _shown(enabled: bool | None) -> Iterator[Callable[[str, int, int, str], None]]:
    bar = sys.stderr.isatty() if enabled is None else enabled
    if not bar:
        yield _Lines().update
        return
    columns = (
        TextColumn("{task.fields[what]}"), BarColumn(), MofNCompleteColumn(), TextColumn("left:"),
        TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("work", total=None, what="", note="")
        yield lambda what, done, total, note: progress.update(task, total=total, completed=done, what=what, note=note)


class _Lines:
    """A line for the log when the last one, or the beginning, is some time ago."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def update(self, what: str, done: int, total: int, note: str) -> None:
        now = time.monotonic()
        if now - self._last >= _SECONDS and done < total:
            self._last = now
            print(f"{what}: {done:,} of {total:,}{', ' if note else ''}{note}", file=sys.stderr, flush=True)
