"""What a search works on: a decoder, what may change of it, the videos of one data set, and what is maximised."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...cache.places import output_folder
from ...core.decoders.base import Decoder, Inputs, Reads
from ...core.decoders.input_blocks import InputBlocks
from ...core.decoders.replayed import replayed
from ...core.errors import AvreplayError, DataError, UsageError
from ...core.params.options import OptionSet, former_names
from ..datasets.annotations import Annotations
from ..datasets.registry import load_annotations
from ..files.params_file import parse_settings
from ..inputs import input_blocks, memory_of, reads_of
from ..made_from import settings_for
from ..replay import stored_params
from ..tune_options import TuneSettings
from .identity import file_digests, means_digest, scores_digest, target_digest
from .journal import check_folder
from .local import LocalSearch, check_space
from .objective import Objective, parse_objective
from .problem import Problem, make_problem
from .sampling import grid_table, sobol_table
from .search import Plan, TablePlan
from .space import Dimension, parse_space
from .trials_file import parquet_module


@dataclass(frozen=True, eq=False)
class Task:
    """A search that can begin; ``held_out`` are annotations and scores of the report split, if one is asked for.
    ``tuned_on`` is the encoder of the scores, None where they are imported or a trained model's; ``reads`` and
    ``memory`` are what the decoder reads, and how much the scores may take."""

    start: OptionSet
    space: tuple[Dimension, ...]
    problem: Problem
    objective: Objective
    held_out: tuple[Annotations, Inputs | InputBlocks] | None
    start_value: float
    tuned_on: str | None
    reads: Reads
    memory: int

    @property
    def names(self) -> tuple[str, ...]:
        """The options that are searched."""
        return tuple(d.name for d in self.space)

    def identity(self, s: TuneSettings) -> dict[str, Any]:
        """What tells this search from others. Raises: DataError for a file of an option that cannot be read."""
        files = file_digests(settings_of_search(self.start, self.space))
        means = means_digest(self.problem.inputs) if self.reads.means else None
        return {
            "sampler": s.sampler,
            "space": [d.as_text() for d in self.space],
            "base": stored_params(self.problem.decoder, self.start),
            "objective": self.objective.text,
            "videos": self.problem.annotations.ids_sha256,
            "annotations": target_digest(self.problem.target),
            "scores": scores_digest(self.problem.inputs),
            **({"files": files} if files else {}),
            **({"means of the store": means} if means else {}),
            **({"seed": s.seed} if s.sampler != "grid" else {"points": s.points}),
        }


def check_request(s: TuneSettings) -> None:
    """Refuse what can be refused before anything is read: a package that is missing, a folder of other files."""
    if s.parquet:
        parquet_module()
    output_folder(s.out, "the folder of a search")
    if not s.overwrite and s.storage is None:
        check_folder(Path(s.out))


def prepare(store: str | os.PathLike[str], s: TuneSettings) -> Task:
    """Read and check all that a search of one data set needs, that of the report too. Raises: as :func:`.run.tune`."""
    chosen = settings_for(store, s.decoder, s.preset, s.profile, s.params_file, s.settings, _name(s.scores))
    decoder, start = chosen.decoder, chosen.params
    space = space_of(decoder, start, s)
    truth = load_annotations(str(s.dataset), str(s.annotations), str(s.split))
    reads = reads_of_search(decoder, start, space)
    memory = memory_of(s.memory) // (1 if s.report_split is None else 2)  # the report's scores take the other half
    inputs = input_blocks(chosen.store, reads, chosen.scores, memory=memory)
    chosen.say_misfits(inputs.scores.kind, searched=True)
    # before the search: what cannot be reported is better known now
    held_out = None if s.report_split is None else _held_out(store, s, str(s.report_split), reads, memory)
    problem = make_problem(
        inputs, truth, s.videos, s.seed, decoder=decoder, profile=s.profile or "release", metrics=s.metrics
    )
    return task_on(problem, start, space, held_out, s, chosen.encoder, reads, memory)


def task_on(
    problem: Problem,
    start: OptionSet,
    space: tuple[Dimension, ...],
    held_out: tuple[Annotations, Inputs | InputBlocks] | None,
    s: TuneSettings,
    encoder: str | None,
    reads: Reads,
    memory: int,
) -> Task:
    """A search on videos whose scores are at hand. Raises: DataError for a single video, or scores that the start needs
    and that are missing; UsageError for an unknown figure in the objective."""
    if problem.num_videos == 1:
        raise DataError(
            f"there is one video to search on, {problem.annotations.video_ids[0]!r}, and a setting that is best for it "
            "says nothing of others; search on two at least (--videos, --split, or a store with more)"
        )
    objective = parse_objective(s.objective, problem.target.names, problem.target.metric)
    value = value_of(problem, objective, start, s.threads)
    return Task(start, space, problem, objective, held_out, value, encoder, reads, memory)


def space_of(decoder: Decoder[Any], start: OptionSet, s: TuneSettings) -> tuple[Dimension, ...]:
    """What a search changes. Raises: UsageError as :func:`.space.parse_space` does, and for a space of one setting."""
    space = parse_space(s.search, start, _default_space(decoder, s))
    check_space(space)
    return space


def value_of(problem: Problem, objective: Objective, params: OptionSet, threads: int | None) -> float:
    """The objective of one setting."""
    events = replayed(problem.decoder, problem.inputs, [params], threads=threads).events
    return float(objective.of(problem.target.score(events).values[0]))


def plan_of(
    s: TuneSettings, start: OptionSet, space: Sequence[Dimension], trials: int, round_of: int | None = None
) -> tuple[Plan, int]:
    """The settings that a search without Optuna tries, at least ``trials`` of them except for a grid, and how many.

    round_of : settings in a round of those that do not learn; by default all

    Raises: UsageError for fewer than one trial, or a grid that is too large.
    """
    if s.sampler == "grid":
        table = grid_table(start, space, s.points)
    elif trials < 1:
        raise UsageError(f"a search needs at least 1 trial; got {trials}")
    elif s.sampler == "sobol":
        table = sobol_table(start, space, trials, s.seed)
    else:
        return LocalSearch(start, space, s.seed), trials
    return TablePlan(table, round_of), len(table)


def _default_space(decoder: Decoder[Any], s: TuneSettings) -> tuple[str, ...]:
    """The decoder's own space, without what ``--set`` fixes."""
    present = former_names(decoder.params)
    fixed = {present.get(name, name) for name in parse_settings(s.settings)}
    every = decoder.search_space()
    found = tuple(text for text in every if text.partition("=")[0] not in fixed)
    if every and not found and not s.search:
        raise UsageError(
            f"--set fixes all that a search changes by default ({', '.join(sorted(fixed))}); say what may change with "
            "--search"
        )
    return found


def _name(value: Sequence[str] | None) -> str | None:
    return None if value is None else str(value)


def reads_of_search(decoder: Decoder[Any], start: OptionSet, space: Sequence[Dimension]) -> Reads:
    """What the settings of the search read."""
    return reads_of(decoder, settings_of_search(start, space))


def settings_of_search(start: OptionSet, space: Sequence[Dimension]) -> list[OptionSet]:
    """The start, and one of each combination of the choices of words that are searched."""
    settings = [start]
    for d in space:
        if d.choices and isinstance(d.choices[0], (str, bool)):
            settings = [p.override({d.name: choice}) for p in settings for choice in d.choices]
    return [start, *settings]


def _held_out(
    store: str | os.PathLike[str], s: TuneSettings, split: str, reads: Reads, memory: int
) -> tuple[Annotations, Inputs | InputBlocks]:
    """The annotations and scores of the report split. Raises as their readers do, saying how to do without."""
    try:
        truth = load_annotations(str(s.dataset), str(s.report_annotations or s.annotations), split)
        source = store if s.report_store is None else str(s.report_store)
        return truth, input_blocks(source, reads, _name(s.scores), memory=memory).held()
    except AvreplayError as error:
        raise type(error)(
            f"nothing to report on ({error}); name other videos by --report-split, --report-annotations and "
            '--report-store, or none by --report-split ""'
        ) from error
