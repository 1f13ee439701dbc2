"""The honest stage of a search as it was asked for: what of it is repeated without each fold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...tune_options import OWN_SAMPLERS, TuneSettings
from ..search import SearchResult
from ..task import Task, plan_of
from .recommendation import Rule
from .repeat import Procedure
from .scored import Combined, ScoredOne, ScoredTogether
from .several import SharedHonest, shared_honest_stage
from .stage import Honest, Progress, honest_stage
from .tried import Tried, read_tried

MOST_TRIED = 16_384
"""Of the settings of a longer search so many, the best ones, are considered."""

_OF_A_STUDY = 8192


def honest_of(task: Task, s: TuneSettings, found: SearchResult, out: Path, progress: Progress) -> Honest:
    """What the settings that a finished search tried are worth. Raises: as a sweep does; DataError for a damaged table
    of trials."""
    tried = read_tried(out / "trials.csv", task.start, task.space, MOST_TRIED)
    return honest_stage(
        task.problem, tried, _procedure(task, s, found.done, tried), task.start, task.space, task.objective,
        folds=s.folds, resamples=s.resamples, seed=s.seed, rule=Rule.after(found.done), threads=s.threads,
        progress=progress,
    )  # fmt: skip


def shared_honest_of(
    tasks: Sequence[Task], s: TuneSettings, found: SearchResult, out: Path, combined: Combined, progress: Progress
) -> SharedHonest:
    """What the settings of a finished search over several data sets are worth. Raises: as :func:`honest_of`."""
    first = tasks[0]
    tried = read_tried(out / "trials.csv", first.start, first.space, MOST_TRIED)
    scored = ScoredTogether(tuple(ScoredOne(t.problem, t.objective) for t in tasks), combined)
    return shared_honest_stage(
        scored, tried, _procedure(first, s, found.done, tried), first.start, first.space, folds=s.folds,
        resamples=s.resamples, seed=s.seed, rule=Rule.after(found.done), threads=s.threads, progress=progress,
    )  # fmt: skip


def _procedure(task: Task, s: TuneSettings, done: int, tried: Tried) -> Procedure:
    if s.sampler not in OWN_SAMPLERS:
        some = tried.best(_OF_A_STUDY)
        return Procedure(
            f"the choice among the {len(some.table):,} best settings tried is made again without each fold; the study "
            "itself is not, so that the figures are somewhat optimistic",
            fixed=some.table,
        )
    if s.sampler == "sobol-local":
        return Procedure(
            f"the whole search of {done:,} settings is made again without each fold",
            begin=lambda: plan_of(s, task.start, task.space, done)[0],
            trials=done,
        )
    if done <= MOST_TRIED:
        table = plan_of(s, task.start, task.space, done)[0].next_round()
        assert table is not None
        return Procedure(f"each of the {done:,} settings is scored again without each fold", fixed=table)
    return Procedure(
        f"each of the {MOST_TRIED:,} best of the {done:,} settings is scored again without each fold",
        fixed=tried.best(MOST_TRIED).table,
    )
