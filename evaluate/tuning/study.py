"""Searches that learn from their trials: any sampler of Optuna, in batches of one kernel call each.

Many machines can work on one study by its storage; each asks for trials that none of the others has.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...cache.places import cannot_write
from ...core.errors import DataError, UsageError
from ...core.params.options import OptionSet, present_names
from ...core.sweep import SweepPart
from .claims import Claims
from .former_names import stored_dimensions
from .objective import Objective
from .problem import Problem
from .samplers import optuna_module, sampler_of
from .search import Progress, SearchResult, best_of_each_video, evaluation, table_of
from .space import Dimension
from .storages import IDENTITY, open_study, without_password
from .trials_file import write_trials

_FIGURES = "figures"


def search_study(
    problem: Problem,
    base: OptionSet,
    space: Sequence[Dimension],
    objective: Objective,
    folder: Path,
    identity: dict[str, Any],
    *,
    sampler: str,
    trials: int,
    batch: int,
    seed: int,
    storage: str | None = None,
    name: str = "avreplay",
    fresh: bool = False,
    threads: int | None = None,
    progress: Progress = lambda *_: None,
) -> SearchResult:
    """Run a study until it has ``trials`` completed trials, those of other machines included; Ctrl-C keeps the batches
    that are finished, and a study in the folder goes on as if it had not been stopped.

    storage : an Optuna storage URL or ``journal:PATH`` (default: a log file in ``folder``); name : of the study in it

    Raises
    ------
    UsageError
        no such sampler, no trial, a study of that name with another search
    DataError
        a storage that cannot be reached
    """
    optuna = optuna_module()
    if trials < 1 or batch < 1:
        raise UsageError(f"a search needs at least 1 trial, in batches of at least 1; got {trials} and {batch}")
    of = type(base)
    study, log = open_study(folder, storage, name, sampler_of(sampler, seed), identity, fresh, of)
    own = stored_dimensions(of, space, study.user_attrs[IDENTITY])
    claims = Claims(study, sampler, seed, own, trials)
    evaluate = evaluation(problem, objective, threads)
    begin, new, stopped = time.perf_counter(), 0, False
    where = f"the study {name!r} in {without_password(storage) if storage else log.path}"
    asked: list[Any] = []
    done: list[Any] = []
    try:
        done = claims.completed()
        _refuse_foreign(done, own, len(problem.figures), where)
        while asked := claims.next(batch):
            table = table_of(base, [present_names(of, t.params) for t in asked])
            new += _told(study, asked, evaluate(table, 0))
            asked = []
            if storage is None:
                log.save()
            done = claims.completed()
            best = _best(done)
            progress(len(done), max(trials, len(done)), best.value, present_names(of, best.params))
        done = claims.completed()
    except KeyboardInterrupt:
        stopped = True
        if storage is not None:
            claims.give_back(asked)
            done = claims.completed()  # a batch that was not finished counts where others may go on with it
    except optuna.exceptions.StorageInternalError as error:
        raise DataError(f"the storage of the study failed ({error}); run the same command to go on") from error
    except OSError as error:
        raise cannot_write(log.path, error) from error
    if not done:
        raise KeyboardInterrupt
    done = sorted(done, key=lambda t: t.number)
    best = _best(done)
    if best.value == -np.inf:
        raise DataError(f"the objective {objective.text} is undefined for all {len(done)} settings tried")
    seconds = time.perf_counter() - begin
    settings = [present_names(of, t.params) for t in done]
    value, at = best_of_each_video(problem, table_of(base, settings), objective, threads)
    write_trials(
        folder / "trials.csv", [d.name for d in space], problem.figures,
        ((t.number, s, t.value, t.user_attrs[_FIGURES]) for t, s in zip(done, settings, strict=True)),
    )  # fmt: skip
    return SearchResult(
        base.override(best.params), best.number, best.value, len(done), max(trials, len(done)), value,
        [settings[i] for i in at.tolist() if i >= 0], seconds, new, stopped,
    )  # fmt: skip


def _told(study: Any, asked: list[Any], parts: Iterable[SweepPart]) -> int:
    """Tell a study the results of trials; how many were not known yet."""
    # Optuna before 4.3 has no class of its own for this
    finished = (getattr(optuna_module().exceptions, "UpdateFinishedTrialError", RuntimeError), ValueError)
    new = 0
    for p in parts:
        for i, value in enumerate(p.objective.tolist()):
            trial = asked[p.begin + i]
            try:
                trial.set_user_attr(_FIGURES, p.figures[i].tolist())
                # Optuna counts an undefined value as a failed trial, and would never come to an end of them
                study.tell(trial, -np.inf if np.isnan(value) else value)
                new += 1
            except finished:  # whose trial it was has told it meanwhile, the same
                continue
    return new


def _best(done: list[Any]) -> Any:
    """The first of the trials with the highest value."""
    return min(done, key=lambda t: (-t.value, t.number))


def _refuse_foreign(trials: list[Any], space: Sequence[Dimension], figures: int, where: str) -> None:
    """Raises: DataError for a trial that no search of this package made, or that was changed since."""
    names = {d.name for d in space}
    for t in trials:
        found = t.user_attrs.get(_FIGURES)
        known = isinstance(found, list) and len(found) == figures and all(isinstance(x, (int, float)) for x in found)
        if not known or set(t.params) != names or not isinstance(t.value, (int, float)):
            raise DataError(
                f"trial {t.number} of {where} is none of this search: it lacks figures or options; choose another "
                "--study or --out, or --overwrite"
            )
