"""Progress on stderr: what is done, rate and time left; silent where stderr is not a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeAlias

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.table import Table

from ..core.text import printable
from .course import State

Show: TypeAlias = bool | Callable[[Callable[[], State]], AbstractContextManager[object]] | None
"""Whether to show progress on stderr (None: if that is a terminal), or what does so elsewhere: called with a function
that says how far it is, it gives a context manager that lasts as long as the work."""

_REFRESHED = 4
"""Times a second."""


@contextmanager
def training_progress(
    epochs: int, steps: int, done: int = 0, enabled: bool | None = None
) -> Iterator[tuple[Callable[[], None], Callable[[str], None]]]:
    """Yields a function to call after each step of the training, and one to print a line above the bar.

    ``done`` epochs were trained before. ``enabled=None``: only if stderr is a terminal; nothing is printed otherwise.
    """
    if not _wanted(enabled):
        yield lambda: None, lambda line: None
        return
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps, left:"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("steps", total=epochs * steps, completed=done * steps)
        yield (
            lambda: progress.advance(task),
            lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True),
        )


@contextmanager
def count_progress(what: str, enabled: bool | None = None) -> Iterator[Callable[[int, int], None]]:
    """Yields a function to call with the number of videos that are done, and of all. ``enabled`` : as above."""
    if not _wanted(enabled):  # a bar that is disabled writes an empty line in old versions of Rich
        yield lambda done, total: None
        return
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("videos, left:"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("videos", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def waiting(words: str) -> AbstractContextManager[object]:
    """Says what is being done, for as long as the context lasts."""
    console = Console(stderr=True)
    return console.status(escape(printable(words))) if _wanted(None) else nullcontext()


def extraction_progress(state: Callable[[], State], show: Show = None) -> AbstractContextManager[object]:
    """Shows how far an extraction is, for as long as the context lasts; ``state`` is asked from another thread."""
    if callable(show):
        return show(state)
    return _Extraction(state) if _wanted(show) else nullcontext()


class _Extraction(Progress):
    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state  # which is asked for at once
        super().__init__(console=Console(stderr=True), refresh_per_second=_REFRESHED)

    def get_renderables(self) -> Iterator[RenderableType]:
        yield progress_line(self._state())


def progress_line(state: State) -> Table:
    """Videos done, the bar of the work, videos a second since the beginning, the time left, and the long video at
    work."""
    line = Table.grid(padding=(0, 1))
    rate = f"{_rate(state.done / state.seconds)} videos/s" if state.done and state.seconds > 0 else ""
    left = "-:--:--" if state.left is None else _clock(state.left)
    bar = ProgressBar(total=1.0, completed=state.share, width=24)
    words = (f"{state.done}/{state.files}", rate, f"left: {left}", printable(state.current))
    line.add_row("extracting", bar, *(escape(word) for word in words if word))
    return line


def _rate(of: float) -> str:
    return f"{of:.1f}" if of >= 1 else f"{of:.2g}"


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def _wanted(enabled: bool | None) -> bool:
    return sys.stderr.isatty() if enabled is None else enabled
