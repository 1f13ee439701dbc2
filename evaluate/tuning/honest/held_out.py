"""What a cross-validation is made of, of one data set or of several: what is chosen without each fold, and the events
of all folds under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.decoders.replayed import replayed
from ....core.events import Events
from ....core.params.options import OptionSet
from ..problem import Problem
from ..space import Dimension
from .recommendation import Choice, Rule, choose
from .repeat import Procedure
from .scored import Scored
from .spread import Spread
from .subsets import Step

RULES = ("start", "sharp", "smoothed")
GAIN = "smoothed_minus_sharp"

UNDEFINED = "the objective is undefined on the other videos of a fold: no figure"


def smoothing_costs(values: Mapping[str, Spread]) -> bool:
    """Whether the smoothed rule is worse held out than the sharp one, by more than one standard error of the
    difference, given the spreads by name."""
    lost = values.get(GAIN)
    return lost is not None and lost.value < -(lost.error or 0.0) - 1e-9


def chosen_without_each(
    scored: Scored,
    training: Sequence[Any],
    procedure: Procedure,
    space: Sequence[Dimension],
    rule: Rule,
    seed: int,
    threads: int | None = None,
    step: Step = lambda _: None,
) -> tuple[Choice, ...] | None:
    """What the procedure chooses on each of some parts of the videos; None where the objective is undefined on one.

    Raises: as a sweep does.
    """
    parts = scored.select_each(training)
    # a figure of a group of which no video is left is undefined
    if any(part.figures != scored.figures for part in parts):
        return None
    found = procedure.repeated(scored, training, threads, step, parts)
    choices = [choose(part, of, space, rule, seed, threads, step) for part, of in zip(parts, found, strict=True)]
    known = tuple(c for c in choices if c is not None)
    return known if len(known) == len(parts) else None


def runs_held_out(
    problem: Problem,
    folds: Sequence[NDArray[np.int64]],
    start: OptionSet,
    choices: Sequence[Choice],
    threads: int | None = None,
) -> dict[str, Events]:
    """The events of all videos by rule (:data:`RULES`), each fold with the setting that was chosen without it."""
    events = []
    for fold, c in zip(folds, choices, strict=True):
        settings = [start, start.override(c.sharp), start.override(c.smooth)]
        events.append(replayed(problem.decoder, problem.inputs.select(fold), settings, threads=threads).events)
    order = np.argsort(np.concatenate(folds), kind="stable")
    return {rule: pooled([e.setting(i) for e in events], order) for i, rule in enumerate(RULES)}


def pooled(parts: Sequence[Events], order: NDArray[np.int64]) -> Events:
    """Tables of one setting and different videos as one table; row ``order[i]`` becomes video ``i``."""
    return Events.of_videos(parts).select(order)
