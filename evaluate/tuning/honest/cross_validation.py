"""What a search is worth on videos it has not seen: the whole procedure is repeated without each fold of the videos,
and its setting is replayed on that fold.

The events of all folds are scored together, once, so that any metric can be cross-validated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.decoders.base import replayed
from ....core.events import Events
from ....core.params.options import OptionSet
from ..objective import Objective
from ..problem import Problem
from ..space import Dimension
from .folds import others, stratified_folds
from .recommendation import Choice, Rule, choose
from .repeat import Procedure
from .spread import Spread, spread_of
from .subsets import Step

RULES = ("start", "sharp", "smoothed")


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
        lost = self.values.get("smoothed_minus_sharp")
        return lost is not None and lost.value < -(lost.error or 0.0) - 1e-9

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
                {"videos": n, "sharp": c.sharp, "sharp_value": c.sharp_value, "smoothed": c.smooth,
                 "smoothed_value": c.smooth_value}
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
    n = problem.bundle.num_videos
    count = min(folds, n)
    none = CrossValidation(0, seed, procedure.about, "", {}, {}, (), ())
    if n < 2:
        return replace(none, note="one video: without it nothing is left to choose a setting on")
    note = "" if count == folds else f"there are {n} videos: {count} folds, not {folds}"
    held_out = stratified_folds(problem.annotations, count, seed)
    training = [others(fold, n) for fold in held_out]
    # a figure of a group of which no video is left is undefined
    parts = [problem.select(train) for train in training]
    whole = all(part.target.names == problem.target.names for part in parts)
    found = procedure.repeated(problem, objective, training, threads, step) if whole else []
    choices = [
        choose(part, tried, space, objective, rule, seed, threads, step)
        for part, tried in zip(parts, found, strict=False)
    ]
    chosen = [c for c in choices if c is not None]
    if len(chosen) < count:
        return replace(none, note="the objective is undefined on the other videos of a fold: no figure")
    events = []
    for fold, c in zip(held_out, chosen, strict=True):
        settings = [start, start.override(c.sharp), start.override(c.smooth)]
        events.append(replayed(problem.decoder, problem.inputs.select(fold), settings, threads=threads).events)
    order = np.argsort(np.concatenate(held_out), kind="stable")
    runs = [pooled([e.setting(i) for e in events], order) for i in range(len(RULES))]
    figures = [problem.target.score(run).values[0] for run in runs]
    names = problem.target.names
    return CrossValidation(
        count, seed, procedure.about, note,
        spread_of(problem, objective, dict(zip(RULES, runs, strict=True)), [("smoothed", "sharp")], resamples, seed),
        {rule_: dict(zip(names, row.tolist(), strict=False)) for rule_, row in zip(RULES, figures, strict=True)},
        tuple(chosen), tuple(map(len, held_out)),
    )  # fmt: skip


def pooled(parts: Sequence[Events], order: NDArray[np.int64]) -> Events:
    """Tables of one setting and different videos as one table; row ``order[i]`` becomes video ``i``."""
    joined = replace(Events.joined(parts), num_settings=1, num_videos=sum(p.num_videos for p in parts))
    return joined.select(order)
