"""Searches that learn from their trials: any sampler of Optuna, in batches of one kernel call each.

Many machines can work on one study by its storage URL; each asks for trials that none of the others has.
"""

from __future__ import annotations

import csv
import inspect
import re
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ...cache.atomic_write import atomic_text
from ...cache.places import cannot_write
from ...core.errors import DataError, UsageError
from ...core.params.options import OptionSet, present_names
from ...core.sweep import sweep
from .former_names import present_identity, stored_dimensions
from .journal import STATE, difference
from .objective import Objective
from .problem import Problem
from .search import Progress, SearchResult, best_of_each_video, table_of
from .space import Dimension
from .study_log import ANEW, STUDY_LOG, StudyLog

_IDENTITY, _FIGURES = "avreplay_identity", "figures"


def optuna_module() -> ModuleType:
    """Optuna, quiet. Raises UsageError where it is not installed."""
    try:
        import optuna
    except ImportError:
        raise UsageError(
            'this sampler needs Optuna: pip install "avreplay[tune]" (or use --sampler sobol or grid)'
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def sampler_names() -> list[str]:
    """Samplers of the installed Optuna by short name: tpe, cmaes, gp, nsgaii, ..."""
    samplers = optuna_module().samplers
    other = ("GridSampler", "PartialFixedSampler", "BruteForceSampler")
    names = [n for n in samplers.__all__ if n.endswith("Sampler") and not n.startswith("Base") and n not in other]
    return sorted(n.removesuffix("Sampler").lower() for n in names)


def _sampler(name: str, seed: int) -> Any:
    samplers = optuna_module().samplers
    classes = {n.removesuffix("Sampler").lower(): getattr(samplers, n) for n in samplers.__all__ if "Sampler" in n}
    if name not in sampler_names():
        raise UsageError(f"there is no sampler {name!r}; samplers are sobol, grid, {', '.join(sampler_names())}")
    takes = inspect.signature(classes[name]).parameters
    # trials of a batch do not know of each other's result: assume the worst of them, so that they spread
    wishes = {"seed": seed, "constant_liar": True, "warn_independent_sampling": False}
    try:
        with warnings.catch_warnings():
            # that Optuna may change a sampler or an argument is no news to whoever searches
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", optuna_module().exceptions.ExperimentalWarning)
            return classes[name](**{k: v for k, v in wishes.items() if k in takes})
    except ImportError as error:
        raise UsageError(f"the sampler {name} needs another package: {str(error).strip().splitlines()[0]}") from error


def _own_seed(sampler: str, seed: int, first: int) -> int:
    """The seed of the batch whose first trial has the number ``first``: of each batch another, so that processes that
    share a study, and one that goes on with it, do not try the same settings again."""
    # points of one sequence, which the study deals out
    if sampler == "qmc" or first == 0:
        return seed
    return int(np.random.SeedSequence([seed, first]).generate_state(1)[0])


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

    Each other machine may add a batch more, which it was working on when the last trial was done.

    storage : an Optuna storage URL (default: a log file in ``folder``); name : of the study in it

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
    study, log = _open_study(folder, storage, name, _sampler(sampler, seed), identity, fresh, of)
    own = stored_dimensions(of, space, study.user_attrs[_IDENTITY])
    distributions = {d.name: _distribution(optuna, d) for d in own}
    begin, new = time.perf_counter(), 0
    stopped = False
    complete = (optuna.trial.TrialState.COMPLETE,)
    where = f"the study {name!r} in {without_password(storage) if storage else log.path}"

    def completed() -> list[Any]:
        found: list[Any] = study.get_trials(deepcopy=False, states=complete)
        return found

    done: list[Any] = []
    try:
        done = completed()
        _refuse_foreign(done, own, len(problem.target.names), where)
        left = trials - len(done)
        while left > 0:
            asked = _ask(study, sampler, seed, own, distributions, min(batch, left))
            table = table_of(base, [present_names(of, t.params) for t in asked])
            for p in sweep(problem.decoder, problem.inputs, table, problem.target, objective.weights, threads=threads):
                for i, value in enumerate(p.objective.tolist()):
                    trial = asked[p.begin + i]
                    trial.set_user_attr(_FIGURES, p.figures[i].tolist())
                    # Optuna counts an undefined value as a failed trial, and would never come to an end of them
                    study.tell(trial, -np.inf if np.isnan(value) else value)
            if storage is None:
                log.save()
            now = completed()
            done, new = now, new + len(asked)
            left = trials - len(done)
            best = _best(done)
            progress(len(done), max(trials, len(done)), best.value, present_names(of, best.params))
    except KeyboardInterrupt:
        stopped = True
        if storage is not None:  # a batch that was not finished counts where others may go on with it
            done = completed()
    except optuna.exceptions.StorageInternalError as error:
        raise DataError(f"the storage of the study failed ({error}); run the same command to go on") from error
    except OSError as error:
        raise cannot_write(log.path, error) from error
    if not done:
        raise KeyboardInterrupt
    done = sorted(done, key=lambda t: t.number)
    if _best(done).value == -np.inf:
        raise DataError(f"the objective {objective.text} is undefined for all {len(done)} settings tried")
    seconds = time.perf_counter() - begin
    settings = [present_names(of, t.params) for t in done]
    value, at = best_of_each_video(problem, table_of(base, settings), objective, threads)
    best = _best(done)
    _write_trials(folder / "trials.csv", done, settings, [d.name for d in space], problem.target.names)
    return SearchResult(
        base.override(best.params), best.number, best.value, len(done), max(trials, len(done)), value,
        [settings[i] for i in at.tolist() if i >= 0], seconds, new, stopped,
    )  # fmt: skip


def without_password(url: str) -> str:
    """A storage URL as it may be shown."""
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url)


def _open_study(
    folder: Path,
    storage: str | None,
    name: str,
    sampler: Any,
    identity: dict[str, Any],
    fresh: bool,
    of: type[OptionSet],
) -> tuple[Any, StudyLog]:
    """The study, begun or gone on with, and its log."""
    log = _open_folder(folder, storage, name, fresh)
    if storage is not None:
        return _study_of(storage, log, name, sampler, identity, fresh, of), log
    try:
        study = _study_of(None, log, name, sampler, identity, fresh, of)
        log.save()
    except OSError as error:
        raise cannot_write(log.path, error) from error
    return study, log


def _study_of(
    storage: str | None, log: StudyLog, name: str, sampler: Any, identity: dict[str, Any], fresh: bool,
    of: type[OptionSet],
) -> Any:  # fmt: skip
    """The study of a name in a storage, or in a log, which says what it searches."""
    optuna = optuna_module()
    for wait in (0.3, 0.6, 1.2, None):
        try:
            # a log file is many times faster than SQLite, which waits for the disk at every trial
            backend = storage or optuna.storages.JournalStorage(
                optuna.storages.journal.JournalFileBackend(str(log.path), log.lock)
            )
            if fresh and storage is not None and name in optuna.get_all_study_names(backend):
                optuna.delete_study(study_name=name, storage=backend)
            study = optuna.create_study(
                storage=backend, study_name=name, sampler=sampler, direction="maximize", load_if_exists=True
            )
            break
        # a storage may fail in any way its driver knows
        except Exception as error:
            # of machines that begin at once, one makes the tables of a database, and the others fail to
            if wait is not None and "DatabaseError" in [c.__name__ for c in type(error).__mro__]:
                time.sleep(wait)
                continue
            if storage is None and isinstance(error, OSError):
                raise
            url = log.path if storage is None else without_password(storage)
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            mend = f"; {ANEW}" if storage is None else ""
            raise DataError(f"cannot open the study {name!r} in {url}: {reason}{mend}") from error
    found = study.user_attrs.get(_IDENTITY)
    if found is None:
        study.set_user_attr(_IDENTITY, identity)
    elif not isinstance(found, dict):
        raise DataError(f"the study {name!r} does not say what it searched; choose another --study, or --overwrite")
    elif other := difference(present_identity(of, found), identity):
        raise UsageError(
            f"the study {name!r} is a search with {other}; choose another --study or --out, or --overwrite"
        )
    return study


def _open_folder(folder: Path, storage: str | None, name: str, fresh: bool) -> StudyLog:
    """The log of a study in its folder; of a study in a storage elsewhere it stays as it is."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if fresh:
            (folder / STATE).unlink(missing_ok=True)
        elif (folder / STATE).exists():
            raise UsageError(f"{folder} holds a search of another kind; choose another --out, or --overwrite")
        return StudyLog(folder, f"cannot open the study {name!r} in {folder / STUDY_LOG}", fresh, storage is None)
    except OSError as error:
        raise cannot_write(folder, error) from error


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


def _ask(
    study: Any, sampler: str, seed: int, space: Sequence[Dimension], distributions: dict[str, Any], count: int
) -> list[Any]:
    """The next trials. They depend on the seed, their numbers and the trials before, and not on how often the search
    was stopped."""
    number = len(study.get_trials(deepcopy=False))
    study.sampler = _sampler(sampler, _own_seed(sampler, seed, number))
    first = study.ask()
    if first.number != number:  # another machine took it meanwhile
        study.sampler = _sampler(sampler, _own_seed(sampler, seed, first.number))
    for d in space:
        _suggest(first, d)
    return [first, *(study.ask(distributions) for _ in range(count - 1))]


def _suggest(trial: Any, d: Dimension) -> None:
    if d.choices:
        trial.suggest_categorical(d.name, d.choices)
    else:
        trial.suggest_float(d.name, d.low, d.high, log=d.log)


def _distribution(optuna: ModuleType, d: Dimension) -> Any:
    if d.choices:
        return optuna.distributions.CategoricalDistribution(d.choices)
    return optuna.distributions.FloatDistribution(d.low, d.high, log=d.log)


def _best(done: list[Any]) -> Any:
    """The first of the trials with the highest value."""
    return min(done, key=lambda t: (-t.value, t.number))


def _write_trials(
    path: Path, done: list[Any], settings: Sequence[Mapping[str, Any]], names: list[str], figures: Sequence[str]
) -> None:
    with atomic_text(path) as text:
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["trial", *names, "objective", *figures])
        for t, params in zip(done, settings, strict=True):
            rows.writerow([t.number, *(params[n] for n in names), t.value, *t.user_attrs[_FIGURES]])
