"""Searches whose settings come from a plan: a table in one streamed sweep, or rounds that learn from those before."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ...core.params.options import OptionSet
from ...core.params.table import ParamTable
from ...core.sweep import SweepPart
from .journal import Journal
from .objective import Objective
from .problem import Problem
from .swept import swept

_SAVE_SECONDS = 2.0

Progress = Callable[[int, int, float, Mapping[str, Any]], None]
"""Called with trials done, trials in all, the best objective and its values."""

Evaluate = Callable[[ParamTable[Any], int], Iterable[SweepPart]]
"""Scores a table of settings from one of them on, in order."""


class Plan(Protocol):
    """Gives the settings of a search in rounds, none when there are no more, and is told their objectives."""

    def next_round(self) -> ParamTable[Any] | None: ...

    def tell(self, objectives: NDArray[np.float64]) -> None: ...


class TablePlan:
    """Settings that are known before the search, in rounds of ``size``: by default in one."""

    def __init__(self, table: ParamTable[Any], size: int | None = None) -> None:
        self._table, self._size, self._next = table, size or max(len(table), 1), 0

    def next_round(self) -> ParamTable[Any] | None:
        begin, self._next = self._next, self._next + self._size
        if begin >= len(self._table):
            return None
        return self._table.part(begin, self._next)

    def tell(self, objectives: NDArray[np.float64]) -> None:
        """Nothing is learned."""


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


def search_rounds(
    evaluate: Evaluate,
    plan: Plan,
    trials: int,
    journal: Journal,
    objective: str,
    *,
    progress: Progress = lambda *_: None,
) -> SearchResult:
    """Score the settings of a plan, round after round, that the journal does not have yet; Ctrl-C keeps what was found.

    Parameters
    ----------
    evaluate : scores a table of settings, from one of them on
    plan : gives the settings; a plan that learns is told the objectives of each round, the journal's too
    trials : how many; never fewer than the journal has
    objective : in words

    Raises
    ------
    DataError, UsageError
        as ``evaluate`` and the journal do
    KeyboardInterrupt
        before anything was found
    """
    start = saved = time.perf_counter()
    before = journal.done
    known = journal.objectives() if before else np.empty(0)
    trials, stopped = max(trials, before), False
    tables: list[tuple[int, ParamTable[Any]]] = []
    best: Mapping[str, Any] = {}
    end = 0
    try:
        while end < trials and (table := plan.next_round()) is not None:
            first, table = end, table.part(0, trials - end)
            end = first + len(table)
            tables.append((first, table))
            values = [known[first:end]]
            parts: Iterable[SweepPart] = evaluate(table, len(values[0])) if len(values[0]) < len(table) else ()
            for p in parts:
                rows = slice(p.begin, p.begin + len(p.objective))
                journal.add(replace(p, begin=first + p.begin), {n: c[rows].tolist() for n, c in table.columns.items()})
                values.append(p.objective)
                if time.perf_counter() - saved > _SAVE_SECONDS:
                    journal.save()
                    saved = time.perf_counter()
                if journal.best >= 0:
                    best = _setting(tables, journal.best)
                    progress(journal.done, trials, journal.best_value, best)
            plan.tell(np.concatenate(values))
    except KeyboardInterrupt:
        stopped = True
    journal.save()
    if journal.best < 0:
        if journal.done:
            raise DataError(f"the objective {objective} is undefined for all {journal.done} settings tried")
        raise KeyboardInterrupt
    of_videos = [_setting(tables, i) for i in journal.video_trial.tolist() if i >= 0]
    return SearchResult(
        tables[0][1].base.override(_setting(tables, journal.best)), journal.best, journal.best_value, journal.done,
        trials if stopped else journal.done, journal.video_best, of_videos, time.perf_counter() - start,
        journal.done - before, stopped,
    )  # fmt: skip


def _setting(tables: Sequence[tuple[int, ParamTable[Any]]], trial: int) -> dict[str, Any]:
    """What a trial changes in the base; ``tables`` are the rounds, each with its first trial."""
    first, table = tables[bisect_right(tables, trial, key=itemgetter(0)) - 1]
    return table.values(trial - first)


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
    """:func:`search_rounds` of settings that are known before; ``table`` holds at least those of the journal."""
    plan = TablePlan(table)
    return search_rounds(
        evaluation(problem, objective, threads, part), plan, len(table), journal, objective.text, progress=progress
    )


def evaluation(problem: Problem, objective: Objective, threads: int | None = None, part: int | None = None) -> Evaluate:
    """Scores settings on the videos of a problem."""

    def evaluate(table: ParamTable[Any], begin: int) -> Iterable[SweepPart]:
        return swept(problem, table, objective, begin=begin, threads=threads, part=part)

    return evaluate


def best_of_each_video(
    problem: Problem, table: ParamTable[Any], objective: Objective, threads: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The highest objective of each video over a table of settings (N,), and the first setting that reaches it."""
    best = np.full(problem.videos.num_videos, -np.inf)
    at = np.full(problem.videos.num_videos, -1, np.int64)
    for p in swept(problem, table, objective, threads=threads):
        best, at = p.better_of_each_video(best, at)
    return best, at


def table_of(base: OptionSet, settings: Sequence[Mapping[str, Any]]) -> ParamTable[Any]:
    """Settings that change the same options of a base, as a table."""
    return ParamTable(base, {name: np.array([s[name] for s in settings]) for name in settings[0]})
