"""What a search is worth on videos it has not seen: the whole procedure is repeated without each fold of the videos,
and its setting is replayed on that fold.

The events of all folds are scored together, once, so that any metric can be cross-validated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ....core.params.options import OptionSet
from ..objective import Objective
from ..problem import Problem
from ..space import Dimension
from .folds import others, stratified_folds
from .held_out import RULES, UNDEFINED, chosen_without_each, runs_held_out, smoothing_costs
from .recommendation import Choice, Rule
from .repeat import Procedure
from .scored import ScoredOne
from .spread import Spread, spread_of
from .subsets import Step


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Held-out figures of a search.

    Attributes
    ----------
    folds : how many; ``note`` says why there are fewer than asked for, or none
    values : objective with its interval by rule (:data:`RULES`), and of the difference ``smoothed_minus_sharp``
    metrics : the other figures by rule, in percent
    choices : of each fold
    """

    folds: int
    seed: int
    procedure: str
    note: str
    values: dict[str, Spread]
    metrics: dict[str, dict[str, float]]
    choices: tuple[Choice, ...]
    sizes: tuple[int, ...]

    @property
    def smoothing_costs(self) -> bool:
        """Whether the smoothed rule is worse than the sharp one, by more than one standard error of the difference."""
        return smoothing_costs(self.values)

    def as_dict(self) -> dict[str, Any]:
        """For JSON; ``recommended`` is the one of the two rules that is followed."""
        kept = "sharp" if self.smoothing_costs else "smoothed"
        return {
            "folds": self.folds,
            "seed": self.seed,
            "procedure": self.procedure,
            "note": self.note,
            **{name: spread.as_dict() for name, spread in self.values.items()},
            **({"recommended": self.values[kept].as_dict()} if self.values else {}),
            "rule": kept,
            "metrics": {rule: {n: None if np.isnan(v) else v for n, v in row.items()}
                        for rule, row in self.metrics.items()},
            "settings": [
                {"videos": n, **c.as_dict()}
                for n, c in zip(self.sizes, self.choices, strict=True)
            ],
        }  # fmt: skip


def cross_validated(
    problem: Problem,
    procedure: Procedure,
    start: OptionSet,
    space: Sequence[Dimension],
    objective: Objective,
    rule: Rule,
    *,
    folds: int,
    seed: int,
    resamples: int,
    threads: int | None = None,
    step: Step = lambda _: None,
) -> CrossValidation:
    """Repeat a procedure without each of ``folds`` folds of the videos, and score what it chose on them.

    Raises: as a sweep does.
    """
    n = problem.videos.num_videos
    count = min(folds, n)
    none = CrossValidation(0, seed, procedure.about, "", {}, {}, (), ())
    if n < 2:
        return replace(none, note="one video: without it nothing is left to choose a setting on")
    note = "" if count == folds else f"there are {n} videos: {count} folds, not {folds}"
    held_out = stratified_folds(problem.annotations, count, seed)
    training = [others(fold, n) for fold in held_out]
    scored = ScoredOne(problem, objective)
    chosen = chosen_without_each(scored, training, procedure, space, rule, seed, threads, step)
    if chosen is None:
        return replace(none, note=UNDEFINED)
    runs = runs_held_out(problem, held_out, start, chosen, threads)
    figures = [problem.target.score(run).values[0] for run in runs.values()]
    names = problem.target.names
    return CrossValidation(
        count, seed, procedure.about, note,
        spread_of(problem, objective, runs, [("smoothed", "sharp")], resamples, seed),
        {rule_: dict(zip(names, row.tolist(), strict=False)) for rule_, row in zip(RULES, figures, strict=True)},
        chosen, tuple(map(len, held_out)),
    )  # fmt: skip
