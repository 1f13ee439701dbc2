"""What settings are scored on when a search is repeated: the videos of one data set, or of several with one setting
for all."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ....core.decoders.base import Inputs
from ....core.params.table import ParamTable
from ....core.threads import Pool
from ..objective import Objective
from ..problem import Problem, SweepJob
from .subsets import Step, on_subsets

Combined = Callable[[list[NDArray[np.float64]]], NDArray[np.float64]]
"""The objective of several data sets from that of each."""


def combined_by(share: str) -> Combined:
    """The ``mean`` of the objectives of the data sets, or the ``worst`` of them."""

    def mean(objectives: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        total: NDArray[np.float64] = np.stack(objectives).sum(axis=0)
        return total / len(objectives)

    def worst(objectives: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        least: NDArray[np.float64] = np.stack(objectives).min(axis=0)
        return least

    return worst if share == "worst" else mean


class Scored(Protocol):
    """Videos with an objective. A *part* says which of them, as the kind of videos has it."""

    @property
    def figures(self) -> tuple[tuple[str, ...], ...]:
        """Names of the figures of each data set."""

    @property
    def in_memory(self) -> bool:
        """Whether memory holds all scores; else one sweep at a time reads them in blocks."""

    @property
    def elsewhere(self) -> bool:
        """Whether other machines score them."""

    def whole(self) -> Any:
        """The part that is all of them."""

    def select_each(self, parts: Sequence[Any]) -> Sequence[Scored]:
        """Only each of some parts of them, which may be worked on side by side."""

    def values(
        self, table: ParamTable[Any], parts: Sequence[Any], threads: int | None = None, step: Step = lambda _: None
    ) -> NDArray[np.float64]:
        """The objective of P settings on S parts, (P, S), each setting replayed once. Raises: as a sweep does."""


@dataclass(frozen=True, eq=False)
class ScoredOne:
    """The videos of one data set; a part is an array of their indices."""

    problem: Problem
    objective: Objective

    @property
    def figures(self) -> tuple[tuple[str, ...], ...]:
        return (self.problem.target.names,)

    @property
    def in_memory(self) -> bool:
        return isinstance(self.problem.inputs, Inputs)

    @property
    def elsewhere(self) -> bool:
        return self.problem.elsewhere is not None

    def whole(self) -> NDArray[np.int64]:
        return np.arange(self.problem.num_videos)

    def select_each(self, parts: Sequence[NDArray[np.int64]]) -> list[ScoredOne]:
        return [ScoredOne(problem, self.objective) for problem in self.problem.select_each(parts)]

    def values(
        self, table: ParamTable[Any], parts: Sequence[Any], threads: int | None = None, step: Step = lambda _: None
    ) -> NDArray[np.float64]:
        return on_subsets(self.problem, table, self.objective, parts, threads, step)


@dataclass(frozen=True, eq=False)
class ScoredTogether:
    """The videos of several data sets; a part is a tuple with indices in each."""

    each: tuple[ScoredOne, ...]
    combined: Combined

    @property
    def figures(self) -> tuple[tuple[str, ...], ...]:
        return tuple(names for one in self.each for names in one.figures)

    @property
    def in_memory(self) -> bool:
        return all(one.in_memory for one in self.each)

    @property
    def elsewhere(self) -> bool:
        return all(one.elsewhere for one in self.each)

    def whole(self) -> tuple[NDArray[np.int64], ...]:
        return tuple(one.whole() for one in self.each)

    def select_each(self, parts: Sequence[Sequence[NDArray[np.int64]]]) -> list[ScoredTogether]:
        of_each = [one.select_each([part[i] for part in parts]) for i, one in enumerate(self.each)]
        return [ScoredTogether(ones, self.combined) for ones in zip(*of_each, strict=True)]

    def values(
        self, table: ParamTable[Any], parts: Sequence[Any], threads: int | None = None, step: Step = lambda _: None
    ) -> NDArray[np.float64]:
        return self.combined([
            one.values(table, [part[i] for part in parts], threads, step) for i, one in enumerate(self.each)
        ])  # fmt: skip


Search = tuple[Scored, ParamTable[Any]]
"""Videos, and the settings that are to be scored on all of them."""


def side_by_side(searches: Sequence[Search], threads: int | None = None) -> list[NDArray[np.float64]]:
    """The objective (P,) of the settings of each search. Raises: as a sweep does."""
    if not searches:
        return []
    first = searches[0][0]
    if first.elsewhere:
        return _elsewhere(searches)
    workers = threads or os.cpu_count() or 1
    at_once = min(workers, len(searches)) if first.in_memory else 1
    each = max(1, workers // len(searches)) if first.in_memory else workers

    def values(search: Search) -> NDArray[np.float64]:
        scored, table = search
        found: NDArray[np.float64] = scored.values(table, [scored.whole()], each)[:, 0]
        return found

    with Pool(at_once) as pool:
        return list(pool.map(values, searches))


def _elsewhere(searches: Sequence[Search]) -> list[NDArray[np.float64]]:
    """The same by other machines, which get the settings of all searches at once."""
    scored = searches[0][0]
    if isinstance(scored, ScoredTogether):
        of_each = [
            _elsewhere([(one.each[i], table) for one, table in searches if isinstance(one, ScoredTogether)])
            for i in range(len(scored.each))
        ]
        return [scored.combined(list(of_one)) for of_one in zip(*of_each, strict=True)]
    jobs = [
        SweepJob(one.problem, table, one.objective, [one.whole()])
        for one, table in searches
        if isinstance(one, ScoredOne)
    ]
    found = [np.empty(len(job.table)) for job in jobs]
    machines = jobs[0].problem.elsewhere
    assert machines is not None
    for number, part in machines.sweeps(jobs):
        found[number][part.begin : part.begin + len(part.figures)] = part.figures[:, 0]
    return found
