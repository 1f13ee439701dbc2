"""A search run again without each fold of its videos, all of them side by side: settings that several of them try (the
points that do not depend on objectives) are replayed once."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.params.table import ParamTable
from ..objective import Objective
from ..problem import Problem
from ..search import Plan
from .subsets import Step, Videos, on_subsets
from .tried import Tried


@dataclass(frozen=True, eq=False)
class Procedure:
    """A search as it can be repeated on some of its videos: a table of settings, or rounds.

    about : one sentence that says what is repeated
    fixed : settings that are tried whatever the videos are; None for a search in rounds
    begin : a new search in rounds, of ``trials`` settings
    """

    about: str
    fixed: ParamTable[Any] | None = None
    begin: Callable[[], Plan] | None = None
    trials: int = 0

    def repeated(
        self,
        problem: Problem,
        objective: Objective,
        training: Sequence[Videos],
        threads: int | None = None,
        step: Step = lambda _: None,
    ) -> list[Tried]:
        """What is tried on each of some parts of the videos, with its objective there."""
        if self.fixed is not None:
            values = on_subsets(problem, self.fixed, objective, training, threads, step)
            return [Tried(self.fixed, np.ascontiguousarray(column)) for column in values.T]
        assert self.begin is not None
        runs = [_Run(self.begin(), problem.select(videos), objective, self.trials) for videos in training]
        workers = threads or os.cpu_count() or 1
        each = max(1, workers // len(runs))
        with ThreadPoolExecutor(min(workers, len(runs))) as pool:
            while sum([run.ask() for run in runs]):
                known = _shared(problem, objective, training, runs, threads, step)
                futures = [pool.submit(run.score, known, i, each) for i, run in enumerate(runs)]
                for future in futures:
                    step(future.result())
        return [run.tried() for run in runs]


class _Run:
    """One of the searches that run side by side."""

    def __init__(self, search: Plan, problem: Problem, objective: Objective, trials: int) -> None:
        self._search, self._problem, self._objective, self._left = search, problem, objective, trials
        self._everybody = np.arange(problem.bundle.num_videos)
        self._found: list[Tried] = []
        self.round: ParamTable[Any] | None = None

    def ask(self) -> bool:
        """Have the next :attr:`round`; False where there is none."""
        given = self._search.next_round() if self._left > 0 else None
        self.round = None if given is None else given.part(0, self._left)
        if self.round is None:
            return False
        self._left -= len(self.round)
        return True

    def score(self, known: Mapping[Hashable, NDArray[np.float64]], index: int, threads: int) -> int:
        """Score what of the round is not known, and tell the search; how many settings that were."""
        if self.round is None:
            return 0
        keys = _keys(self.round)
        values = np.array([known[key][index] if key in known else 0.0 for key in keys])
        new = np.array([i for i, key in enumerate(keys) if key not in known], np.int64)
        if len(new):
            table = self.round.take(new)
            values[new] = on_subsets(self._problem, table, self._objective, [self._everybody], threads)[:, 0]
        self._found.append(Tried(self.round, values))
        self._search.tell(values)
        return len(new)

    def tried(self) -> Tried:
        """Everything that was scored."""
        return Tried.all_of(self._found)


def _keys(table: ParamTable[Any]) -> list[Hashable]:
    return list(zip(*(c.tolist() for c in table.columns.values()), strict=True))


def _shared(
    problem: Problem,
    objective: Objective,
    training: Sequence[Videos],
    runs: Sequence[_Run],
    threads: int | None,
    step: Step,
) -> dict[Hashable, NDArray[np.float64]]:
    """The objective on each part of the videos (S,) of the settings that more than one search asks for in a round."""
    rounds = [run.round for run in runs if run.round is not None]
    times = Counter(key for table in rounds for key in dict.fromkeys(_keys(table)))
    wanted = {key for key, count in times.items() if count > 1}
    tables = []
    for table in rounds:
        rows = [i for i, key in enumerate(_keys(table)) if key in wanted]
        if rows:
            tables.append(table.take(np.array(rows, np.int64)))
            wanted -= set(_keys(table))
    if not tables:
        return {}
    shared = ParamTable.joined(tables)
    return dict(zip(_keys(shared), on_subsets(problem, shared, objective, training, threads, step), strict=True))
