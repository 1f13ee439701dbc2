"""Several data sets or stores at once: one setting for all, one for each, and what sharing costs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...cache.cluster import connect
from ...cache.several import LIST_SUFFIX
from ...core.arguments import typed_arguments
from ...core.decoders.base import Decoder
from ...core.errors import UsageError
from ...core.params.options import OptionSet
from ...core.params.table import ParamTable
from ...core.sweep import SweepPart
from ..inputs import memory_of
from ..made_from import settings_for
from ..tune_options import OWN_SAMPLERS, TuneSettings
from .display import counted_progress, search_progress
from .folder import search_folder
from .honest.of_task import shared_honest_of
from .honest.scored import Combined, combined_by
from .honest.several import SharedHonest
from .journal import Journal
from .result import TuneResult
from .run import on_cluster, refuse_constant, report_on, tune
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
    _refuse_repeated(pairs)
    if settings.sampler not in OWN_SAMPLERS:
        raise UsageError(
            f"several data sets are searched by {', '.join(OWN_SAMPLERS)}; for {settings.sampler} search each by itself"
        )
    check_request(settings)
    pairs = [(of, replace(one, memory=str(memory_of(one.memory) // len(pairs)))) for of, one in _of_one_start(pairs)]
    s, out = pairs[0][1], Path(settings.out)
    names = _names(pairs)
    with ExitStack() as held:
        cluster = None if s.ray is None else held.enter_context(connect(s.ray))
        tasks = [prepare(store, one) for store, one in pairs]
        start, space = tasks[0].start, tasks[0].space
        plan_of(s, start, space, s.trials)
        held.enter_context(search_folder(out))
        figures = [f"{name}:{figure}" for name, task in zip(names, tasks, strict=True)
                   for figure in ("objective", *task.problem.figures)]  # fmt: skip
        journal = Journal(out, _identity(s, names, tasks), _Together(tasks[0].problem.decoder, figures),
                          list(tasks[0].names), s.overwrite)  # fmt: skip
        own = [_alone(store, one, out / name) for (store, one), name in zip(pairs, names, strict=True)]
        if cluster is not None:  # after those that are searched alone, of which each has workers of its own
            given = [(store, one, task) for (store, one), task in zip(pairs, tasks, strict=True)]
            tasks = held.enter_context(on_cluster(cluster, given))
        found = None if s.share == "none" else _together(s, tasks, journal)
        if found is not None:
            refuse_constant(out, _text(s, tasks), found)
        combined = combined_by(s.share)
        found, honest = _judged(s, tasks, found, out, combined)
        recommended = None if found is None else found.best if honest is None else start.override(honest.recommended)
        of_each = [
            _of_one(name, one, task, alone, found, recommended)
            for name, (_, one), task, alone in zip(names, pairs, tasks, own, strict=True)
        ]
        start_value = float(combined([np.array([task.start_value]) for task in tasks])[0])
        result = SharedResult(
            s.share, tuple(of_each), found, start, start_value, _text(s, tasks), tasks[0].names,
            tasks[0].problem.decoder, recommended, honest, s.sharp,
        )  # fmt: skip
        write_shared(result, settings, out)
    return result


def _refuse_repeated(pairs: Sequence[tuple[str, TuneSettings]]) -> None:
    """Raises: UsageError for the same scores, annotations and split twice, which would weigh double in the mean."""
    seen: dict[tuple[Any, ...], str] = {}
    for store, s in pairs:
        data = (*(one if "://" in one else os.path.realpath(one) for one in (store, str(s.annotations))),
                s.dataset, s.split, s.scores)  # fmt: skip
        if data in seen:
            raise UsageError(
                f"{seen[data]} and {store} are the same data set, {s.dataset} {s.split} by {s.annotations}; name it "
                "once, or give the second store another --split, --annotations or --scores"
            )
        seen[data] = store


def _of_one_start(pairs: list[tuple[str, TuneSettings]]) -> list[tuple[str, TuneSettings]]:
    """Where no preset is given it is that of the first store whose encoder has one, for all: one setting begins at one
    start."""
    if pairs[0][1].params_file is not None:
        return pairs
    for store, s in pairs:
        scores = None if s.scores is None else str(s.scores)
        chosen = settings_for(store, s.decoder, s.preset, s.profile, None, s.settings, scores)
        if chosen.preset is not None:
            return [(of, replace(one, preset=chosen.preset)) for of, one in pairs]
    return pairs


def _alone(store: str, s: TuneSettings, out: Path) -> TuneResult:
    found = tune(store, replace(s, out=str(out)))
    if found.found.stopped:
        raise KeyboardInterrupt
    return found


def _together(s: TuneSettings, tasks: Sequence[Task], journal: Journal) -> SearchResult:
    plan, trials = plan_of(s, tasks[0].start, tasks[0].space, max(s.trials, journal.done), _ROUND)
    combined, evaluations = combined_by(s.share), [evaluation(t.problem, t.objective, s.threads) for t in tasks]

    def evaluate(table: ParamTable[Any], begin: int) -> Iterator[SweepPart]:
        figures, objectives = [], []
        for one in evaluations:
            parts = list(one(table, begin))
            objectives.append(np.concatenate([p.objective for p in parts]))
            figures.append(np.column_stack([objectives[-1], np.concatenate([p.figures for p in parts])]))
        yield SweepPart(begin, np.column_stack(figures), combined(objectives), None)

    with search_progress(tasks[0].names) as progress:
        return search_rounds(evaluate, plan, trials, journal, _text(s, tasks), progress=progress)


def _judged(
    s: TuneSettings, tasks: Sequence[Task], found: SearchResult | None, out: Path, combined: Combined
) -> tuple[SearchResult | None, SharedHonest | None]:
    """What the settings of a finished shared search are worth; None for one that was stopped, by Ctrl-C in this stage
    too, which begins anew then."""
    if found is None or found.stopped:
        return found, None
    try:
        with counted_progress() as progress:
            return found, shared_honest_of(tasks, s, found, out, combined, progress)
    except KeyboardInterrupt:
        return replace(found, stopped=True), None


def _of_one(
    name: str, s: TuneSettings, task: Task, alone: TuneResult, found: SearchResult | None, recommended: OptionSet | None
) -> OfOne:
    """What one data set has of its own search and of the shared one: the best of all is its own best."""
    own = (alone.found.best_value, alone.found.best)
    if found is None or recommended is None:
        return OfOne(name, alone, *own, None, None, None, None, "")
    values = {p: value_of(task.problem, task.objective, p, s.threads) for p in (found.best, recommended)}
    for params, value in values.items():
        own = (value, params) if value > own[0] else own
    kept = found.best if s.sharp else recommended
    gain = report_on(s, task, recommended, found.best)[0]
    return OfOne(name, alone, *own, values[found.best], values[recommended], gain, *report_on(s, task, kept))


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
    stores = [
        store.rstrip("/").rpartition("/")[2].removesuffix(LIST_SUFFIX).removesuffix(".store") for store, _ in pairs
    ]
    datasets, splits = [str(s.dataset) for _, s in pairs], [str(s.split) for _, s in pairs]
    kinds = [datasets, stores, splits, [f"{d}-{n}" for d, n in zip(datasets, stores, strict=True)]]
    for found in ([re.sub(r"[^\w.-]+", "-", name).strip(".-") for name in kind] for kind in kinds):
        if len({name.casefold() for name in found}) == len(found) and all(found):
            return found
    return [f"data-{i + 1}" for i in range(len(pairs))]
