"""Searches: a table of settings (grid, Sobol) in one streamed sweep, or an Optuna study in batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ...core.params.options import OptionSet
from ...core.params.table import ParamTable
from ...core.sweep import SweepPart, sweep
from .journal import Journal
from .objective import Objective
from .problem import Problem

_SAVE_SECONDS = 2.0

Progress = Callable[[int, int, float, Mapping[str, Any]], None]
"""Called with trials done, trials in all, the best objective and its values."""


@dataclass(frozen=True, eq=False)
class SearchResult:
    """What a search found: the best setting, and for each video the best objective any setting reached.

    ``video_best`` (N,) float64 percent; ``video_params`` the N settings behind it, none for a metric that is no mean
    over videos; ``stopped`` after Ctrl-C.
    """

    best: OptionSet
    best_trial: int
    best_value: float
    done: int
    trials: int
    video_best: NDArray[np.float64]
    video_params: list[dict[str, Any]]
    seconds: float
    new_trials: int
    stopped: bool


def search_table(
    problem: Problem,
    table: ParamTable[Any],
    objective: Objective,
    journal: Journal,
    *,
    threads: int | None = None,
    part: int | None = None,
    progress: Progress = lambda *_: None,
) -> SearchResult:
    """Score every setting of a table that the journal does not have yet; Ctrl-C keeps what was found.

    ``table`` holds at least the settings that the journal has.

    Raises
    ------
    DataError, UsageError
        as :func:`avreplay.core.sweep.sweep` and the journal do
    KeyboardInterrupt
        before anything was found
    """
    begin, before = time.perf_counter(), journal.done
    saved = begin
    stopped = False
    parts: Iterable[SweepPart] = sweep(
        problem.decoder, problem.inputs, table, problem.target, objective.weights, begin=journal.done, threads=threads,
        part=part,
    )  # fmt: skip
    best: Mapping[str, Any] = table.values(journal.best) if journal.best >= 0 else {}
    try:
        for p in parts:
            if journal.add(p, table):
                best = table.values(journal.best)
            if time.perf_counter() - saved > _SAVE_SECONDS:
                journal.save()
                saved = time.perf_counter()
            if journal.best >= 0:
                progress(journal.done, len(table), journal.best_value, best)
    except KeyboardInterrupt:
        stopped = True
    journal.save()
    if journal.best < 0:
        if journal.done:
            raise DataError(f"the objective {objective.text} is undefined for all {journal.done} settings tried")
        raise KeyboardInterrupt
    of_videos = [table.values(i) for i in journal.video_trial.tolist() if i >= 0]
    return SearchResult(
        table.params(journal.best), journal.best, journal.best_value, journal.done, len(table), journal.video_best,
        of_videos, time.perf_counter() - begin, journal.done - before, stopped,
    )  # fmt: skip


def best_of_each_video(
    problem: Problem, table: ParamTable[Any], objective: Objective, threads: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The highest objective of each video over a table of settings (N,), and the first setting that reaches it."""
    best = np.full(problem.bundle.num_videos, -np.inf)
    at = np.full(problem.bundle.num_videos, -1, np.int64)
    for p in sweep(problem.decoder, problem.inputs, table, problem.target, objective.weights, threads=threads):
        best, at = p.better_of_each_video(best, at)
    return best, at


def table_of(base: OptionSet, settings: Sequence[Mapping[str, Any]]) -> ParamTable[Any]:
    """Settings that change the same options of a base, as a table."""
    return ParamTable(base, {name: np.array([s[name] for s in settings]) for name in settings[0]})
