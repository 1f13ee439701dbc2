"""The honest stage of a search, after it: which setting is recommended, where it is safe, and what both are worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ....core.params.options import OptionSet
from ..objective import Objective
from ..problem import Problem
from ..space import Dimension
from .cross_validation import CrossValidation, cross_validated
from .optimum import CANDIDATES, Optimum, bootstrap_optimum, leave_one_out
from .recommendation import Choice, Rule, choose
from .region import Span, safe_region
from .repeat import Procedure
from .subsets import of_each_video
from .tried import Tried

Progress = Callable[[str, int, int], None]
"""Called with what is being done, settings replayed and settings in all, about."""


@dataclass(frozen=True, eq=False)
class Honest:
    """What a search's settings are worth.

    Attributes
    ----------
    choice : the sharp and the recommended setting
    rule : by which that one was chosen
    region : the span of each option around the recommended setting
    cross_validation : None where no folds were asked for
    optimum : of each resample of the videos; leave_one_out: held-out figure of the choice among the best settings, None
        where there is none
    """

    choice: Choice
    rule: Rule
    region: dict[str, Span]
    cross_validation: CrossValidation | None
    optimum: Optimum
    leave_one_out: dict[str, Any] | None


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
    count = min(folds, problem.bundle.num_videos)
    repeats = 0 if count < 2 else _settings_of(procedure, count) + count * rule.settings
    total = rule.settings + len(space) * 100 + CANDIDATES + repeats
    done, what = 0, "smoothing"

    def step(settings: int) -> None:
        nonlocal done
        done += settings
        progress(what, min(done, total), total)

    choice = choose(problem, tried, space, objective, rule, seed, threads, step)
    assert choice is not None, "a search without a best setting ends before"
    recommended = start.override(choice.recommended)
    what = "safe region"
    region = safe_region(problem, recommended, space, objective, seed=seed, threads=threads, step=step)
    what = "optimum"
    best = tried.best(CANDIDATES)
    parts = None
    if folds or resamples:
        parts = of_each_video(problem, best.table, objective, threads, step)
    optimum = bootstrap_optimum(problem, best, objective, resamples=resamples, seed=seed, threads=threads, parts=parts)
    left_out = cross = None
    if folds:
        left_out = leave_one_out(problem, best, objective, resamples=resamples, seed=seed, threads=threads, parts=parts)
        what = "cross-validation"
        cross = cross_validated(
            problem, procedure, start, space, objective, rule, folds=folds, seed=seed, resamples=resamples,
            threads=threads, step=step,
        )  # fmt: skip
    return Honest(choice, rule, region, cross, optimum, left_out)


def _settings_of(procedure: Procedure, folds: int) -> int:
    """About how many settings are replayed to repeat a search: half of one in rounds is shared."""
    if procedure.fixed is not None:
        return len(procedure.fixed)
    return procedure.trials // 2 * (1 + folds)
