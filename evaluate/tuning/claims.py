"""Which trials of a study this process works on, so that processes that share it try no more than was asked for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from .samplers import optuna_module, sampler_of, seed_of_batch
from .space import Dimension

LOST_SECONDS = 30.0
"""How long trials of other processes stand still before they count as left by a kill, and are tried here."""
_LOOK_SECONDS = 0.2


class Claims:
    """Trials of a study that is to have ``trials`` of them.

    A study numbers its trials in the order in which they are asked for, whoever asks. A trial with as many before it as
    the study is to have is given up untried. What another process works on is waited for; where it was killed, its
    trials are tried here.
    """

    def __init__(self, study: Any, sampler: str, seed: int, space: Sequence[Dimension], trials: int) -> None:
        self._study, self._sampler, self._seed, self._space, self._trials = study, sampler, seed, space, trials
        self._states = optuna_module().trial.TrialState
        self._distributions = {d.name: _distribution(d) for d in space}

    def completed(self) -> list[Any]:
        """Trials with results, of whichever process."""
        found: list[Any] = self._study.get_trials(deepcopy=False, states=(self._states.COMPLETE,))
        return found

    def next(self, batch: int) -> list[Any]:
        """The next trials to try, at most ``batch``; none when the study has all results.

        They depend on the seed, their numbers and the trials before, and not on how often the search was stopped.
        """
        left = self._trials - len(self._counted())
        if left > 0 and (asked := self._within(self._ask(min(batch, left)))):
            return asked
        return self._lost()[:batch]

    def give_back(self, asked: Sequence[Any]) -> None:
        """Let others try what was not finished here."""
        known = {t.number for t in self.completed()}
        for trial in asked:
            if trial.number not in known:
                self._study.tell(trial, state=self._states.FAIL)

    def _counted(self) -> list[Any]:
        return [t for t in self._study.get_trials(deepcopy=False) if t.state != self._states.FAIL]

    def _ask(self, count: int) -> list[Any]:
        number = len(self._study.get_trials(deepcopy=False))
        self._study.sampler = sampler_of(self._sampler, seed_of_batch(self._sampler, self._seed, number))
        first = self._study.ask()
        if first.number != number:  # another machine took it meanwhile
            self._study.sampler = sampler_of(self._sampler, seed_of_batch(self._sampler, self._seed, first.number))
        self._suggest(first)
        return [first, *(self._study.ask(self._distributions) for _ in range(count - 1))]

    def _within(self, asked: list[Any]) -> list[Any]:
        """Those of the trials that are not too many; the others are given up."""
        numbers = sorted(t.number for t in self._counted())
        last = numbers[: self._trials][-1]
        for trial in asked:
            if trial.number > last:
                self._study.tell(trial, state=self._states.FAIL)
        return [trial for trial in asked if trial.number <= last]

    def _lost(self) -> list[Any]:
        """Trials of other processes that stand still; none once all have results."""
        waiting = (self._states.RUNNING, self._states.WAITING)
        before, since = -1, time.monotonic()
        while running := self._study.get_trials(deepcopy=False, states=waiting):
            done = len(self.completed())
            if done >= self._trials:
                return []
            if done != before:
                before, since = done, time.monotonic()
            elif time.monotonic() - since > LOST_SECONDS:
                trials = [optuna_module().trial.Trial(self._study, t._trial_id) for t in running]
                for trial in trials:
                    self._suggest(trial)
                return trials
            time.sleep(_LOOK_SECONDS)
        return []

    def _suggest(self, trial: Any) -> None:
        for d in self._space:
            if d.choices:
                trial.suggest_categorical(d.name, d.choices)
            else:
                trial.suggest_float(d.name, d.low, d.high, log=d.log)


def _distribution(d: Dimension) -> Any:
    distributions = optuna_module().distributions
    if d.choices:
        return distributions.CategoricalDistribution(d.choices)
    return distributions.FloatDistribution(d.low, d.high, log=d.log)
