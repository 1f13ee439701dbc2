"""``avreplay tune``: search on one split, report on another, and leave a table, a picture and a parameter file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...cache.cluster import Cluster, connect
from ...core.arguments import typed_arguments
from ...core.bundle import ScoreBundle
from ...core.decoders.base import Replay
from ...core.decoders.input_blocks import InputBlocks
from ...core.decoders.replayed import replayed
from ...core.errors import DataError
from ...core.events import Events
from ...core.params.options import OptionSet
from ..intervals import Comparison, compare
from ..replay import ReplayResult
from ..tune_options import OWN_SAMPLERS, TuneSettings
from .display import counted_progress, search_progress
from .exact.stage import Exact, exact_stage
from .folder import search_folder
from .honest.of_task import honest_of
from .honest.stage import Honest
from .honest.subsets import video_weights
from .journal import Journal
from .outputs import file_names, write_results
from .problem import Problem
from .result import TuneResult
from .search import Progress, SearchResult, evaluation, search_rounds
from .study import search_study
from .task import Task, check_request, plan_of, prepare
from .trials_file import same_objective

SHARED_SECONDS = 60.0
"""How long to wait, at most, while another search with the same storage writes its results into the same folder."""


@typed_arguments
def tune(store: str | os.PathLike[str], settings: TuneSettings) -> TuneResult:
    """Search, report and write everything to ``settings.out``; a second run with the same settings goes on.

    Raises
    ------
    UsageError
        an unknown option, figure or sampler, a space of one setting, a folder with another search, several data sets
        (:func:`.shared.tune_shared`)
    DataError
        a store or annotations that cannot be read or have no video in common, a single video, an objective that is the
        same for all settings
    KeyboardInterrupt
        before anything was found
    """
    ((store, s),) = settings.of_each([os.fspath(store)])
    check_request(s)
    with ExitStack() as held:
        cluster = None if s.ray is None else held.enter_context(connect(s.ray))
        task = prepare(store, s)
        if s.sampler in OWN_SAMPLERS:
            plan_of(s, task.start, task.space, s.trials)  # what cannot be made leaves no folder
        if cluster is not None:
            (task,) = held.enter_context(on_cluster(cluster, [(store, s, task)]))
        return tuned(task, s)


def tuned(task: Task, s: TuneSettings, *, response: bool = True) -> TuneResult:
    """Search, report and write everything to ``s.out``, of what is at hand; response: the exact one, too.

    Raises: as :func:`tune`; :class:`ConstantObjective` where no setting is better than another.
    """
    out = Path(s.out)
    with ExitStack() as held:
        if s.storage is None:
            held.enter_context(search_folder(out))
        with search_progress(task.names) as progress:
            found = _search(task, s, out, progress)
        refuse_constant(out, task.objective.text, found)
        found, honest, exact, seconds = _judged(task, s, found, out, response)
        recommended = recommended_setting(task, found, honest)
        report, note = report_on(s, task, recommended)
        result = TuneResult(
            found, task.start, task.objective, task.problem, task.start_value, ceiling(task.problem, found), report,
            note, task.names, file_names(out, s.parquet, bool(found.video_params)), recommended, honest, s.sharp,
            report if recommended == found.best else report_on(s, task, found.best)[0],
            report_on(s, task, recommended, found.best)[0], seconds, exact, task.tuned_on,
        )  # fmt: skip
        if s.storage is not None:
            # machines that share a study may share the folder of their results
            held.enter_context(search_folder(out, wait=SHARED_SECONDS))
        write_results(result, s, out)
    return result


@contextmanager
def on_cluster(cluster: Cluster, tasks: Sequence[tuple[str, TuneSettings, Task]]) -> Iterator[list[Task]]:
    """Searches with the store and the settings of each, whose settings are replayed by the same workers on a cluster,
    for as long as the context lasts. Raises: as :func:`..cluster.searching.searched_on`."""
    from ..cluster.searching import Searched, searched_on

    searches = [
        Searched(task.problem, store, None if s.scores is None else str(s.scores), task.reads, task.memory, s.decoder,
                 s.metrics, s.profile or "release")
        for store, s, task in tasks
    ]  # fmt: skip
    with searched_on(cluster, searches, tasks[0][1].threads) as problems:
        yield [replace(task, problem=problem) for (_, _, task), problem in zip(tasks, problems, strict=True)]


def recommended_setting(task: Task, found: SearchResult, honest: Honest | None) -> OptionSet:
    """The recommended setting; the best one tried where nothing says what that is worth."""
    return found.best if honest is None else task.start.override(honest.recommended)


def _judged(
    task: Task, s: TuneSettings, found: SearchResult, out: Path, response: bool
) -> tuple[SearchResult, Honest | None, Exact | None, float]:
    """What the settings of a finished search are worth, the exact response around the one that is kept, and the seconds
    that took; None for one that was stopped, by Ctrl-C in this stage too, which begins anew then."""
    begin = time.perf_counter()
    if found.stopped:
        return found, None, None, 0.0
    try:
        with counted_progress() as progress:
            honest = honest_of(task, s, found, out, progress)
            if not response:
                return found, honest, None, time.perf_counter() - begin
            kept = found.best if s.sharp else recommended_setting(task, found, honest)
            exact = exact_stage(
                task.problem, kept, task.space, task.objective, folds=s.folds, resamples=s.resamples, seed=s.seed,
                threads=s.threads, step=partial(progress, "exact response"),
            )  # fmt: skip
    except KeyboardInterrupt:
        return replace(found, stopped=True), None, None, time.perf_counter() - begin
    return found, honest, exact, time.perf_counter() - begin


def _search(task: Task, s: TuneSettings, out: Path, progress: Progress) -> SearchResult:
    problem, identity = task.problem, task.identity(s)
    if s.sampler not in OWN_SAMPLERS:
        return search_study(
            problem, task.start, task.space, task.objective, out, identity, sampler=s.sampler, trials=s.trials,
            batch=s.batch, seed=s.seed, storage=s.storage, name=s.study, fresh=s.overwrite, threads=s.threads,
            progress=progress,
        )  # fmt: skip
    journal = Journal(out, identity, problem, list(task.names), s.overwrite)
    plan, trials = plan_of(s, task.start, task.space, max(s.trials, journal.done))
    evaluate = evaluation(problem, task.objective, s.threads)
    return search_rounds(evaluate, plan, trials, journal, task.objective.text, progress=progress)


class ConstantObjective(DataError):
    """All settings of a search reach the same objective."""


def refuse_constant(out: Path, objective: str, found: SearchResult) -> None:
    """Raises: ConstantObjective where all of several settings reach the same one, so that none of them is better."""
    if not found.stopped and same_objective(out / "trials.csv"):
        raise ConstantObjective(
            f"the objective {objective} is {found.best_value:.4g} for each of the {found.done} settings tried; search "
            "options that change it (--search), or choose another --objective"
        )


def ceiling(problem: Problem, found: SearchResult) -> float | None:
    """The objective if every video had its own best setting of those tried; None for a metric that is no mean."""
    if not found.video_params:
        return None
    return float(np.average(found.video_best, weights=video_weights(problem)))


def report_on(
    s: TuneSettings, task: Task, best: OptionSet, first: OptionSet | None = None
) -> tuple[Comparison | None, str]:
    """The start (or ``first``) and another setting on the report split, and what a reader must know about it."""
    if task.held_out is None:
        return None, "no report split was asked for: the figures are those of the search, which are optimistic"
    truth, inputs = task.held_out
    decoder, annotated = task.problem.decoder, np.flatnonzero(np.array(truth.match(inputs.scores.video_ids)) >= 0)
    if len(annotated) == 0:
        return None, f"the store has no video of the split {truth.split}: nothing to report on (--report-store)"
    settings = (task.start if first is None else first, best)
    if isinstance(inputs, InputBlocks):
        scores: ScoreBundle | InputBlocks = inputs
        done = _of_some(inputs, annotated, partial(replayed, decoder, settings=settings, threads=s.threads))
    else:
        scores, done = inputs.scores, replayed(decoder, inputs, settings, threads=s.threads)
    runs = ReplayResult(scores, settings, done, decoder)
    compared = compare(
        runs.predictions(0), runs.predictions(1), truth, resamples=s.resamples, profile=s.profile or "release",
        metrics=s.metrics,
    )  # fmt: skip
    searched = set(task.problem.annotations.video_ids) & set(compared.first.aligned.truth.video_ids)
    return compared, f"{len(searched)} of these videos were searched on: the figures are optimistic" if searched else ""


def _of_some(inputs: InputBlocks, videos: NDArray[np.int64], run: Callable[..., Replay]) -> Replay:
    """A replay in which only some videos have events, those that are looked at: no others are read."""
    found = run(inputs=inputs.select(videos).held()).events
    nobody = np.zeros(3 * found.num_settings + 1, np.int64)
    none = replace(Events.from_tracks([]), num_settings=found.num_settings, num_videos=1, starts=nobody)
    at = np.full(inputs.num_videos, len(videos))
    at[videos] = np.arange(len(videos))
    return Replay(Events.of_videos([found, none]).select(at))
