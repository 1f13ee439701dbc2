"""The honest stage of a search, after it: which setting is recommended, where it is safe, and what both are worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ....core.decoders.input_blocks import InputBlocks
from ....core.params.options import OptionSet
from ..objective import Objective
from ..problem import Problem
from ..space import Dimension
from .cross_validation import CrossValidation, cross_validated
from .optimum import CANDIDATES, Optimum, bootstrap_optimum, leave_one_out
from .recommendation import Choice, Rule, choose
from .region import Span, safe_region
from .repeat import Procedure
from .scored import ScoredOne
from .subsets import of_each_video
from .tried import Tried

MOST_VIDEOS = 10_000
"""Of more videos, resamples, leave-one-out figures and the safe region are made on so many, drawn at random by the
seed: they need each video's part in the objective of a thousand settings at once."""

Progress = Callable[[str, int, int], None]
"""Called with what is being done, settings replayed and settings in all, about."""


@dataclass(frozen=True, eq=False)
class Honest:
    """What a search's settings are worth.

    Attributes
    ----------
    choice : the sharp and the smooth setting
    rule : by which that one was chosen
    region : the span of each option around the recommended setting
    cross_validation : None where no folds were asked for
    optimum : of each resample of the videos; leave_one_out: held-out figure of the choice among the best settings, None
        where there is none
    note : that these and the region are of a part of the videos, where that is so
    """

    choice: Choice
    rule: Rule
    region: dict[str, Span]
    cross_validation: CrossValidation | None
    optimum: Optimum
    leave_one_out: dict[str, Any] | None
    space: Sequence[Dimension]
    note: str = ""

    @property
    def smoothed(self) -> bool:
        """Whether the smooth setting is recommended, and not the sharp one: where smoothing does not cost."""
        return self.cross_validation is None or not self.cross_validation.smoothing_costs

    @property
    def recommended(self) -> dict[str, Any]:
        """The options of the recommended setting."""
        return self.choice.smooth if self.smoothed else self.choice.sharp

    @property
    def recommended_value(self) -> float:
        """Its objective on the videos of the search."""
        return self.choice.smooth_value if self.smoothed else self.choice.sharp_value

    @property
    def recommended_mean(self) -> float:
        """The mean objective of its neighbours."""
        return self.choice.smooth_mean if self.smoothed else self.choice.sharp_mean

    def cross_validated(self) -> dict[str, Any] | None:
        """For JSON; None where no folds were asked for."""
        if self.cross_validation is None:
            return None
        return {**self.cross_validation.as_dict(), "leave_one_out": self.leave_one_out}

    def bootstrap(self) -> dict[str, Any] | None:
        """For JSON; None where no resamples were asked for."""
        return self.optimum.as_dict(self.space)


def honest_stage(
    problem: Problem,
    tried: Tried,
    procedure: Procedure,
    start: OptionSet,
    space: Sequence[Dimension],
    objective: Objective,
    *,
    folds: int,
    resamples: int,
    seed: int,
    rule: Rule | None = None,
    threads: int | None = None,
    progress: Progress = lambda *_: None,
) -> Honest:
    """Everything that says how much of a search's best figure will hold on other videos.

    tried : the settings of the search with their objectives
    procedure : how it is repeated on a part of the videos
    folds : of the cross-validation; 0 for none
    resamples : of the bootstrap; 0 for none

    Nothing is drawn but from ``seed``, and nothing depends on ``threads``.

    Raises: as a sweep does.
    """
    rule = rule or Rule()
    count = min(folds, problem.videos.num_videos)
    repeats = 0 if count < 2 else settings_of(procedure, count) + count * rule.settings
    total = rule.settings + len(space) * 100 + CANDIDATES + repeats
    done, what = 0, "smoothing"

    def step(settings: int) -> None:
        nonlocal done
        done += settings
        progress(what, min(done, total), total)

    choice = choose(ScoredOne(problem, objective), tried, space, rule, seed, threads, step)
    assert choice is not None, "a search without a best setting ends before"
    what = "optimum"
    best = tried.best(CANDIDATES)
    some, note = _some_videos(problem, seed)
    parts = None
    if folds or resamples:
        parts = of_each_video(some, best.table, objective, threads, step)
    optimum = bootstrap_optimum(some, best, objective, resamples=resamples, seed=seed, threads=threads, parts=parts)
    left_out = cross = None
    if folds:
        left_out = leave_one_out(some, best, objective, resamples=resamples, seed=seed, threads=threads, parts=parts)
        what = "cross-validation"
        cross = cross_validated(
            problem, procedure, start, space, objective, rule, folds=folds, seed=seed, resamples=resamples,
            threads=threads, step=step,
        )  # fmt: skip
    what = "safe region"
    found = Honest(choice, rule, {}, cross, optimum, left_out, space, note)
    kept = start.override(found.recommended)
    region = safe_region(some, kept, space, objective, seed=seed, most=len(tried.table), threads=threads, step=step)
    return replace(found, region=region)


def _some_videos(problem: Problem, seed: int) -> tuple[Problem, str]:
    """The problem on at most :data:`MOST_VIDEOS` of its videos, and a sentence that says so."""
    n = problem.num_videos
    if n <= MOST_VIDEOS:
        return problem, ""
    (some,) = problem.select_each([np.sort(np.random.default_rng(seed).permutation(n)[:MOST_VIDEOS])])
    if isinstance(some.inputs, InputBlocks):
        some = replace(some, inputs=some.inputs.held())
    return some, (
        f"resamples of the optimum, leave-one-out figures and the safe region are of {MOST_VIDEOS:,} of the {n:,} "
        "videos, drawn at random"
    )


def settings_of(procedure: Procedure, folds: int) -> int:
    """About how many settings are replayed to repeat a search: half of one in rounds is shared."""
    if procedure.fixed is not None:
        return len(procedure.fixed)
    return procedure.trials // 2 * (1 + folds)
