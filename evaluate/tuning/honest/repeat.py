"""A search run again without each fold of its videos, all of them side by side: settings that several of them try (the
points that do not depend on objectives) are replayed once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.params.table import ParamTable
from ..search import Plan
from .scored import Scored, side_by_side
from .subsets import Step
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
        scored: Scored,
        training: Sequence[Any],
        threads: int | None = None,
        step: Step = lambda _: None,
        alone: Sequence[Scored] | None = None,
    ) -> list[Tried]:
        """What is tried on each of some parts of the videos, with its objective there; ``alone``: these by
        themselves, if they are at hand."""
        if self.fixed is not None:
            values = scored.values(self.fixed, training, threads, step)
            return [Tried(self.fixed, np.ascontiguousarray(column)) for column in values.T]
        assert self.begin is not None
        runs = [_Run(self.begin(), part, self.trials) for part in alone or scored.select_each(training)]
        while sum([run.ask() for run in runs]):
            known = _shared(scored, training, runs, threads, step)
            asked = [run.unknown(known, i) for i, run in enumerate(runs)]
            searches = [(run.scored, table) for run, table in zip(runs, asked, strict=True) if table is not None]
            found = iter(side_by_side(searches, threads))
            for run, table in zip(runs, asked, strict=True):
                run.tell(None if table is None else next(found))
                step(0 if table is None else len(table))
        return [run.tried() for run in runs]


class _Run:
    """One of the searches that run side by side."""

    def __init__(self, search: Plan, scored: Scored, trials: int) -> None:
        self._search, self.scored, self._left = search, scored, trials
        self._values, self._new = np.empty(0), np.empty(0, np.int64)
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

    def unknown(self, known: Mapping[Hashable, NDArray[np.float64]], index: int) -> ParamTable[Any] | None:
        """The settings of the round that are to be scored; the values of the others are those ``known``."""
        if self.round is None:
            return None
        keys = _keys(self.round)
        self._values = np.array([known[key][index] if key in known else 0.0 for key in keys])
        self._new = np.array([i for i, key in enumerate(keys) if key not in known], np.int64)
        return self.round.take(self._new) if len(self._new) else None

    def tell(self, values: NDArray[np.float64] | None) -> None:
        """Tell the search the values of its round, given those that were to be scored."""
        if self.round is None:
            return
        if values is not None:
            self._values[self._new] = values
        self._found.append(Tried(self.round, self._values))
        self._search.tell(self._values)

    def tried(self) -> Tried:
        """Everything that was scored."""
        return Tried.all_of(self._found)


def _keys(table: ParamTable[Any]) -> list[Hashable]:
    return list(zip(*(c.tolist() for c in table.columns.values()), strict=True))


def _shared(
    scored: Scored,
    training: Sequence[Any],
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
    return dict(zip(_keys(shared), scored.values(shared, training, threads, step), strict=True))
