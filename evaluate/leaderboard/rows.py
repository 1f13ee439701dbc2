"""One row of a leaderboard: a decoder on a store, searched as ``avreplay tune`` does in a folder of its own, or under a
preset as it is; or why it has no figures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...cache.cluster import Cluster
from ...cache.places import check_outputs, output_folder
from ...core.causes import machine_lacks
from ...core.decoders.base import Decoder, Inputs, Reads
from ...core.decoders.input_blocks import InputBlocks
from ...core.errors import AvreplayError, NoAnswer, NodesLost, PluginFailed, UsageError
from ...core.events import TRACKS
from ...core.metrics.base import Metric
from ...core.params.options import OptionSet
from ...core.registry import failures_of
from ..leaderboard_options import LeaderboardSettings
from ..made_from import Chosen, settings_for
from ..replay import stored_params
from ..tune_options import TuneSettings
from ..tuning.journal import STATE, Journal, check_folder
from ..tuning.outputs import file_names
from ..tuning.run import ConstantObjective, on_cluster, tuned
from ..tuning.search_state import read_state
from ..tuning.space import Dimension
from ..tuning.task import Task, reads_of_search, space_of, task_on
from .entries import Entry
from .row_state import ROW, RowState, known, read_row, write_row
from .stores import Split, StoreScores

_DEPENDS_ON = ("trials", "resamples", "folds", "sharp")
"""What a row depends on beside what its search does."""


@dataclass(frozen=True, eq=False)
class Row:
    """A decoder on a store.

    Attributes
    ----------
    store, name : of the store and of the entry
    decoder, params : the setting that is reported; None where there is none, ``problem`` says why
    tuned : whether it was searched for
    tried : settings that the search tried; 1 where nothing was searched
    value, start_value : the objective on the split that is tuned on, of the setting and of the one the search began at
    searched : the options that were searched
    notes : what a reader should know, a sentence each
    inputs : the scores that are reported on
    folder : of the search, in that of the leaderboard
    seconds, timed : what the search took in the run that finished it, and how many settings that run tried; None where
        that is not known
    """

    store: str
    name: str
    decoder: Decoder[Any] | None = None
    params: OptionSet | None = None
    tuned: bool = False
    tried: int = 0
    value: float | None = None
    start_value: float | None = None
    searched: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str = ""
    inputs: Inputs | InputBlocks | None = field(default=None, repr=False)
    folder: str | None = None
    seconds: float | None = None
    timed: int = 0

    @property
    def key(self) -> str:
        """``STORE/NAME``."""
        return f"{self.store}/{self.name}"


@dataclass(frozen=True, eq=False)
class Planned:
    """An entry on a store before anything is read: where its search starts, what changes, and what they read."""

    entry: Entry
    scores: StoreScores
    chosen: Chosen | None = None
    space: tuple[Dimension, ...] = ()
    reads: Reads = field(default_factory=Reads)
    notes: tuple[str, ...] = ()
    problem: str = ""


def planned(entry: Entry, scores: StoreScores, s: LeaderboardSettings, preset: str | None = None) -> Planned:
    """What a row needs; preset : the start, where it is not that of the store's encoder or the default.

    What an entry cannot do is its problem, and raises nothing.
    """
    if entry.found is None:
        return Planned(entry, scores, problem=entry.problem)
    try:
        chosen = settings_for(scores.store, entry.decoder, entry.preset or preset, s.profile, None, (), scores.scores)
        space, notes = _space(entry, chosen, s)
        reads = reads_of_search(chosen.decoder, chosen.params, space)
    except AvreplayError as error:
        if not of_decoder(error):
            raise
        return Planned(entry, scores, problem=str(error))
    missing = [t for t in TRACKS if t not in chosen.decoder.tracks]
    if missing:
        given = " and ".join(t.replace("_", "-") for t in chosen.decoder.tracks)
        notes = (*notes, f"gives {given} events only")
    return Planned(entry, scores, chosen, space, reads, notes)


def _space(entry: Entry, chosen: Chosen, s: LeaderboardSettings) -> tuple[tuple[Dimension, ...], tuple[str, ...]]:
    """What is searched, nothing where it is a preset or there is nothing to search, and a note that says so."""
    start = "the default" if chosen.preset is None else f"the preset {chosen.preset}"
    if entry.preset is not None:
        return (), ("not tuned: a preset as it is",)
    with failures_of("decoder", chosen.decoder, chosen.decoder.name):
        declared = chosen.decoder.search_space()
    if not declared:
        return (), (f"not tuned: it declares nothing to search; {start} is its only setting",)
    try:
        return space_of(chosen.decoder, chosen.params, tune_settings(entry, chosen, s, "", "")), ()
    except UsageError as error:
        return (), (f"not tuned: {error}; {start} is its only setting",)


def tune_settings(entry: Entry, chosen: Chosen, s: LeaderboardSettings, report: str, out: str) -> TuneSettings:
    """A row's search as ``avreplay tune`` would be asked for it."""
    return TuneSettings(
        dataset=s.dataset, annotations=s.annotations, split=s.tune_split, videos=s.videos, decoder=entry.decoder,
        preset=chosen.preset, profile=s.profile, metrics=s.metrics, objective=s.objective, trials=s.budget,
        seed=s.seed, report_split=s.report_split, report_store=report or None,
        report_annotations=s.report_annotations, resamples=s.resamples, folds=s.folds, sharp=s.sharp, out=out,
        overwrite=s.overwrite, threads=s.threads, scores=s.scores, memory=s.memory,
    )  # fmt: skip


def row_of(
    plan: Planned,
    splits: tuple[Split, Split],
    metric: Metric,
    s: LeaderboardSettings,
    folder: str,
    cluster: Cluster | None = None,
) -> Row:
    """Search, or take the one setting there is; folder : of the search, in that of the leaderboard; cluster : whose
    nodes replay its settings.

    What a decoder cannot do on this store is the problem of its row, or a note where it can be reported all the same.

    Raises
    ------
    UsageError, DataError
        the folder holds another search, cannot be written, or is damaged; a store that does not answer, a cluster that
        lacks something or is lost
    KeyboardInterrupt
        stopped; what was found is kept
    """
    plan, task, problem = _startable(plan, splits, metric, s)
    row = Row(plan.scores.name, plan.entry.name, notes=plan.notes, problem=problem)
    if task is None or plan.chosen is None or task.held_out is None:
        return row
    plan.chosen.say_misfits(task.problem.inputs.scores.kind, searched=bool(plan.space))
    row = replace(
        row, decoder=task.problem.decoder, params=task.start, tried=1, value=known(task.start_value),
        start_value=known(task.start_value), inputs=task.held_out[1],
    )  # fmt: skip
    if not plan.space:
        return row
    row = replace(row, searched=task.names)
    out = Path(s.out, folder)
    settings = tune_settings(plan.entry, plan.chosen, s, plan.scores.report_given, str(out))
    search = task.identity(settings)
    _check_place(out)
    identity = {**search, **{name: getattr(settings, name) for name in _DEPENDS_ON}}
    if s.overwrite:
        (out / ROW).unlink(missing_ok=True)
    done = read_row(out, identity, task.problem.decoder) if _whole(out) else None
    if done is None:
        if (out / STATE).exists() and not s.overwrite:
            # a folder of another search, or a damaged one, is refused here: what fails later is the decoder
            Journal(out, search, task.problem, list(task.names), False)
        elif not s.overwrite:
            check_folder(out)
        with _on_nodes(task, settings, plan.scores.given, cluster) as swept:
            try:
                done = _searched(task, swept, settings, out, identity)
            except ConstantObjective:
                tried = read_state(out / STATE).done
                note = f"each of the {tried} settings reaches the same objective: the start is reported"
                return replace(row, tried=tried, notes=(*row.notes, note))
            except AvreplayError as error:
                if not of_decoder(error):
                    raise
                return replace(row, notes=(*row.notes, f"not tuned, its start is reported: {error}"))
    state, params = done
    seconds, timed = _timing(out)
    return replace(
        row, params=params, tuned=True, tried=state.tried, value=state.value, folder=folder, seconds=seconds,
        timed=timed,
    )  # fmt: skip


def _startable(
    plan: Planned, splits: tuple[Split, Split], metric: Metric, s: LeaderboardSettings
) -> tuple[Planned, Task | None, str]:
    """A search that can begin: from the start of the plan, or from the first preset of the decoder that runs on this
    store; without any, why."""
    problem = plan.problem
    decoder = plan.entry.found
    others = [] if decoder is None or plan.entry.preset is not None else list(decoder.presets)
    for preset in (None, *others):
        one = plan if preset is None else planned(plan.entry, plan.scores, s, preset)
        if one.chosen is None:
            problem = problem or one.problem
            continue
        try:
            task = _task(one, one.chosen, splits, metric, s)
        except AvreplayError as error:
            if not of_decoder(error):
                raise
            problem = problem or str(error)
            continue
        if preset is not None:
            note = f"starts from its preset {preset}, since its usual start does not run here: {problem}"
            one = replace(one, notes=(note, *one.notes))
        return one, task, ""
    return plan, None, problem


def _task(plan: Planned, chosen: Chosen, splits: tuple[Split, Split], metric: Metric, s: LeaderboardSettings) -> Task:
    tune, report = splits
    problem = plan.scores.problem(plan.reads, tune, metric, s)
    problem = replace(problem, decoder=chosen.decoder, expected=tune.expected)
    held_out = report.annotations, plan.scores.report_inputs(plan.reads, report)
    settings = tune_settings(plan.entry, chosen, s, plan.scores.report_given, "")
    return task_on(
        problem, chosen.params, plan.space, held_out, settings, chosen.encoder, plan.reads, plan.scores.memory
    )


def _check_place(out: Path) -> None:
    """Raises: DataError where a search cannot be written to a folder, before it begins: what fails later is the
    decoder."""
    output_folder(out, "the folder of a search")
    if out.is_dir():
        check_outputs(*file_names(out, False, False).values(), out / ROW)


def _whole(out: Path) -> bool:
    """Whether a folder has all files of a search."""
    return all(Path(path).exists() for path in file_names(out, False, False).values())


def of_decoder(error: AvreplayError) -> bool:
    """Whether an error may be the decoder's, and so one of its row alone; not that of a disk, a server or a cluster."""
    if isinstance(error, PluginFailed):
        return machine_lacks(error) is None
    return not isinstance(error, (NoAnswer, NodesLost)) and not isinstance(error.__cause__, OSError)


@contextmanager
def _on_nodes(task: Task, settings: TuneSettings, store: str, cluster: Cluster | None) -> Iterator[Task]:
    """The search with its settings replayed on a cluster, if there is one. Raises: as :func:`on_cluster`."""
    if cluster is None:
        yield task
        return
    with on_cluster(cluster, [(store, settings, task)]) as (swept,):
        yield swept


def _searched(
    task: Task, swept: Task, settings: TuneSettings, out: Path, identity: dict[str, Any]
) -> tuple[RowState, OptionSet]:
    """The search of a folder, begun or continued; ``swept`` : the same as it is replayed on a cluster."""
    try:
        found = tuned(swept, settings, response=False)
    except AvreplayError as error:
        if swept is task or not of_decoder(error):
            raise
        # what fails on a node fails here, too: in the words and with the bytes that it has without a cluster
        found = tuned(task, replace(settings, overwrite=False), response=False)
    if found.found.stopped:
        raise KeyboardInterrupt
    return write_row(out, identity, stored_params(task.problem.decoder, found.kept), found), found.kept


def _timing(out: Path) -> tuple[float | None, int]:
    """The seconds of the run that finished a search, and how many settings it tried: not known of one that was
    stopped after its last setting."""
    try:
        timing = json.loads((out / "timing.json").read_bytes())
        seconds, tried = timing["seconds"] + timing["honest_seconds"], int(timing["new_trials"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, 0  # it tells nothing that a result depends on
    return (seconds, tried) if tried else (None, 0)
