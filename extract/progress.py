"""Progress on stderr: what is done, rate and time left; silent where stderr is not a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} videos/s")


@contextmanager
def training_progress(
    epochs: int, steps: int, done: int = 0, enabled: bool | None = None
) -> Iterator[tuple[Callable[[], None], Callable[[str], None]]]:
    """Yields a function to call after each step of the training, and one to print a line above the bar.

    ``done`` epochs were trained before. ``enabled=None``: only if stderr is a terminal; nothing is printed otherwise.
    """
    shown = sys.stderr.isatty() if enabled is None else enabled
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps, left:"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not shown) as progress:
        task = progress.add_task("steps", total=epochs * steps, completed=done * steps)
        yield (
            lambda: progress.advance(task),
            lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True) if shown else None,
        )


@contextmanager
def video_progress(total: int, enabled: bool | None = None) -> Iterator[Callable[[], None]]:
    """Yields a function to call after each video. ``enabled=None``: only if stderr is a terminal."""
    shown = sys.stderr.isatty() if enabled is None else enabled
    columns = (
        TextColumn("extracting"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as progress:
        task = progress.add_task("videos", total=total)
        yield lambda: progress.advance(task)
