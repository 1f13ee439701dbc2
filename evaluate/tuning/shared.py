"""Several data sets or stores at once: one setting for all, one for each, and what sharing costs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...core.arguments import typed_arguments
from ...core.decoders.base import Decoder
from ...core.errors import UsageError
from ...core.params.table import ParamTable
from ...core.sweep import SweepPart
from ..made_from import settings_for
from ..tune_options import OWN_SAMPLERS, TuneSettings
from .display import search_progress
from .folder import search_folder
from .journal import Journal
from .result import TuneResult
from .run import refuse_constant, report_on, tune
from .search import SearchResult, evaluation, search_rounds
from .shared_outputs import write_shared
from .shared_result import OfOne, SharedResult
from .task import Task, check_request, plan_of, prepare, value_of

_ROUND = 64


@dataclass(frozen=True, eq=False)
class _Together:
    """What a journal must know of several data sets that are searched at once."""

    decoder: Decoder[Any]
    figures: Sequence[str]
    num_videos: int = 0


@typed_arguments
def tune_shared(stores: Sequence[str | os.PathLike[str]], settings: TuneSettings) -> SharedResult:
    """Search each data set by itself, in a folder of its name in ``settings.out``, then all of them together for one
    setting; a second run with the same settings goes on.

    Together, a setting is as good as the mean of its objectives on the data sets (``share="mean"``), or as the least
    of them (``worst``).

    Raises
    ------
    UsageError
        stores and annotations that do not pair, one of Optuna's samplers, and as :func:`.run.tune`
    DataError
        as :func:`.run.tune`
    KeyboardInterrupt
        stopped before all were searched; the same command goes on
    """
    pairs = settings.of_each([os.fspath(store) for store in stores])
    if len(pairs) == 1:
        raise UsageError("one store has nothing to share; name several, or tune it by itself")
    if settings.sampler not in OWN_SAMPLERS:
        raise UsageError(
            f"several data sets are searched by {', '.join(OWN_SAMPLERS)}; for {settings.sampler} search each by itself"
        )
    check_request(settings)
    pairs = _of_one_start(pairs)
    s, out = pairs[0][1], Path(settings.out)
    names = _names(pairs)
    tasks = [prepare(store, one) for store, one in pairs]
    start, space = tasks[0].start, tasks[0].space
    plan_of(s, start, space, s.trials)
    with ExitStack() as held:
        held.enter_context(search_folder(out))
        figures = [f"{name}:{figure}" for name, task in zip(names, tasks, strict=True)
                   for figure in ("objective", *task.problem.figures)]  # fmt: skip
        journal = Journal(out, _identity(s, names, tasks), _Together(tasks[0].problem.decoder, figures),
                          list(tasks[0].names), s.overwrite)  # fmt: skip
        own = [_alone(store, one, out / name) for (store, one), name in zip(pairs, names, strict=True)]
        found = None if s.share == "none" else _together(s, tasks, journal)
        if found is not None:
            refuse_constant(out, _text(s, tasks), found)
        of_each = [
            _of_one(name, one, task, alone, found)
            for name, (_, one), task, alone in zip(names, pairs, tasks, own, strict=True)
        ]
        combined = _combined(s.share)
        start_value = float(combined([np.array([task.start_value]) for task in tasks])[0])
        result = SharedResult(
            s.share, tuple(of_each), found, start, start_value, _text(s, tasks), tasks[0].names,
            tasks[0].problem.decoder,
        )  # fmt: skip
        write_shared(result, settings, out)
    return result


def _of_one_start(pairs: list[tuple[str, TuneSettings]]) -> list[tuple[str, TuneSettings]]:
    """Where no preset is given it is that of the first store's encoder for all: one setting begins at one start."""
    store, s = pairs[0]
    if s.params_file is not None:
        return pairs
    scores = None if s.scores is None else str(s.scores)
    chosen = settings_for(store, s.decoder, s.preset, s.profile, None, s.settings, scores)
    return [(of, replace(one, preset=chosen.preset)) for of, one in pairs]


def _alone(store: str, s: TuneSettings, out: Path) -> TuneResult:
    found = tune(store, replace(s, out=str(out)))
    if found.found.stopped:
        raise KeyboardInterrupt
    return found


def _together(s: TuneSettings, tasks: Sequence[Task], journal: Journal) -> SearchResult:
    plan, trials = plan_of(s, tasks[0].start, tasks[0].space, max(s.trials, journal.done), _ROUND)
    combined, evaluations = _combined(s.share), [evaluation(t.problem, t.objective, s.threads) for t in tasks]

    def evaluate(table: ParamTable[Any], begin: int) -> Iterator[SweepPart]:
        figures, objectives = [], []
        for one in evaluations:
            parts = list(one(table, begin))
            objectives.append(np.concatenate([p.objective for p in parts]))
            figures.append(np.column_stack([objectives[-1], np.concatenate([p.figures for p in parts])]))
        yield SweepPart(begin, np.column_stack(figures), combined(objectives), None)

    with search_progress(tasks[0].names) as progress:
        return search_rounds(evaluate, plan, trials, journal, _text(s, tasks), progress=progress)


def _of_one(name: str, s: TuneSettings, task: Task, alone: TuneResult, found: SearchResult | None) -> OfOne:
    """What one data set has of its own search and of the shared one: the better of both is its own best."""
    own, best = alone.found.best_value, alone.found.best
    if found is None:
        return OfOne(name, alone, own, best, None, None, "")
    shared = value_of(task.problem, task.objective, found.best, s.threads)
    if shared > own:
        own, best = shared, found.best
    return OfOne(name, alone, own, best, shared, *report_on(s, task, found.best))


def _combined(share: str) -> Callable[[list[Any]], Any]:
    def mean(objectives: list[Any]) -> Any:
        return sum(objectives[1:], objectives[0]) / len(objectives)

    def worst(objectives: list[Any]) -> Any:
        return np.min(objectives, axis=0)

    return worst if share == "worst" else mean


def _text(s: TuneSettings, tasks: Sequence[Task]) -> str:
    """The objective in words."""
    texts = list(dict.fromkeys(task.objective.text for task in tasks))
    of = "worst" if s.share == "worst" else "mean"
    return f"{of} over {len(tasks)} data sets of {' and '.join(texts)}"


def _identity(s: TuneSettings, names: Sequence[str], tasks: Sequence[Task]) -> dict[str, Any]:
    each = [task.identity(s) for task in tasks]
    differing = ("objective", "videos", "annotations", "scores")
    same = {key: value for key, value in each[0].items() if key not in differing}
    return {"share": s.share, "datasets": list(names), **same, **{key: [e[key] for e in each] for key in differing}}


def _names(pairs: Sequence[tuple[str, TuneSettings]]) -> list[str]:
    """A name for each data set that can be a folder: its dataset, store or split, whatever tells all apart."""
    stores = [store.rstrip("/").rpartition("/")[2].removesuffix(".store") for store, _ in pairs]
    datasets, splits = [str(s.dataset) for _, s in pairs], [str(s.split) for _, s in pairs]
    kinds = [datasets, stores, splits, [f"{d}-{n}" for d, n in zip(datasets, stores, strict=True)]]
    for found in ([re.sub(r"[^\w.-]+", "-", name).strip(".-") for name in kind] for kind in kinds):
        if len({name.casefold() for name in found}) == len(found) and all(found):
            return found
    return [f"data-{i + 1}" for i in range(len(pairs))]
