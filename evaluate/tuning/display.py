"""Progress of a search on stderr, with the best setting so far; silent where stderr is not a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .search import Progress as Report


@contextmanager
def search_progress(names: Sequence[str], enabled: bool | None = None) -> Iterator[Report]:
    """Yields the callback of a search. ``enabled=None``: only if stderr is a terminal."""
    shown = sys.stderr.isatty() if enabled is None else enabled
    columns = (
        TextColumn("searching"), BarColumn(), MofNCompleteColumn(), TextColumn("left:"), TimeRemainingColumn(),
        TextColumn("{task.fields[best]}"),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as progress:
        task = progress.add_task("trials", total=None, best="")

        def update(done: int, total: int, value: float, best: Mapping[str, Any]) -> None:
            text = " ".join(f"{n}={best[n]:.3g}" if isinstance(best[n], float) else f"{n}={best[n]}" for n in names)
            progress.update(task, total=total, completed=done, best=f"best {value:.2f}: {text}")

        yield update


@contextmanager
def honest_progress(enabled: bool | None = None) -> Iterator[Callable[[str, int, int], None]]:
    """Yields the callback of the stage after a search, which says what is being done."""
    shown = sys.stderr.isatty() if enabled is None else enabled
    columns = TextColumn("{task.fields[what]}"), BarColumn(), MofNCompleteColumn(), TextColumn("left:")
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not shown) as progress:
        task = progress.add_task("settings", total=None, what="")

        def update(what: str, done: int, total: int) -> None:
            progress.update(task, total=total, completed=done, what=what)

        yield update
