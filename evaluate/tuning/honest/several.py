"""What one setting for several data sets is worth: the recommended one, and both held out.

Fold ``i`` of the cross-validation is fold ``i`` of every data set: the shared search is made again without them, and
its setting is replayed on each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.events import Events
from ....core.params.options import OptionSet
from ..objective_metric import ObjectiveMetric, mean_of
from ..space import Dimension
from .folds import others, stratified_folds
from .held_out import GAIN, RULES, UNDEFINED, chosen_without_each, runs_held_out, smoothing_costs
from .recommendation import Choice, Rule, choose
from .repeat import Procedure
from .scored import ScoredOne, ScoredTogether
from .spread import LEVEL, Spread, parts_of
from .stage import Progress, settings_of
from .subsets import video_weights
from .tried import Tried

_RESAMPLES_ANEW = 200


@dataclass(frozen=True, eq=False)
class SharedHonest:
    """What the settings of a shared search are worth.

    Attributes
    ----------
    choice : the sharp and the smooth setting
    rule : by which that one was chosen
    folds : of the cross-validation; 0 where there is none, and ``note`` says why
    procedure : what was repeated without each fold, in words
    values : held-out objective of all data sets by rule (:data:`.held_out.RULES`), and :data:`GAIN`
    of_each : held-out objective of each data set by rule, no intervals
    choices : of each fold
    """

    choice: Choice
    rule: Rule
    folds: int
    note: str
    procedure: str
    values: Mapping[str, Spread]
    of_each: tuple[Mapping[str, float], ...]
    choices: tuple[Choice, ...]

    @property
    def smoothed(self) -> bool:
        """Whether the smooth setting is recommended: unless it is worse, held out, by more than one standard error."""
        return not smoothing_costs(self.values)

    @property
    def kept_rule(self) -> str:
        return "smoothed" if self.smoothed else "sharp"

    @property
    def recommended(self) -> dict[str, Any]:
        """The options of the recommended setting."""
        return self.choice.smooth if self.smoothed else self.choice.sharp

    @property
    def recommended_value(self) -> float:
        """Its objective on the videos of the search, of all data sets."""
        return self.choice.smooth_value if self.smoothed else self.choice.sharp_value

    def cross_validated(self) -> dict[str, Any] | None:
        """For JSON; None where no folds were asked for."""
        if not self.folds and not self.note:
            return None
        values = {name: spread.as_dict() for name, spread in self.values.items()}
        return {
            "folds": self.folds,
            "procedure": self.procedure,
            "note": self.note,
            **values,
            **({"recommended": values[self.kept_rule]} if values else {}),
            "rule": self.kept_rule,
            "settings": [c.as_dict() for c in self.choices],
        }

    def held_out(self, i: int) -> dict[str, float] | None:
        """For JSON: the objective of data set ``i`` by rule; None where nothing was cross-validated."""
        if not self.of_each:
            return None
        found = dict(self.of_each[i])
        return {**found, "recommended": found[self.kept_rule]}


def shared_honest_stage(
    scored: ScoredTogether,
    tried: Tried,
    procedure: Procedure,
    start: OptionSet,
    space: Sequence[Dimension],
    *,
    folds: int,
    resamples: int,
    seed: int,
    rule: Rule | None = None,
    threads: int | None = None,
    progress: Progress = lambda *_: None,
) -> SharedHonest:
    """Everything that says how much of the best figure of a shared search will hold on other videos.

    tried : the settings of the search with their objectives
    procedure : how it is repeated on a part of the videos
    folds : of the cross-validation; 0 for none
    resamples : of the intervals; 0 for none

    Nothing is drawn but from ``seed``, and nothing depends on ``threads``. Raises: as a sweep does.
    """
    rule = rule or Rule()
    count = min(folds, *(one.problem.num_videos for one in scored.each))
    total = (rule.settings + (settings_of(procedure, count) + count * rule.settings if count else 0)) * len(scored.each)
    done = 0

    def step(settings: int) -> None:
        nonlocal done
        done += settings
        progress("cross-validation", min(done, total), total)

    choice = choose(scored, tried, space, rule, seed, threads, step)
    assert choice is not None, "a search without a best setting ends before"
    if not count:
        return SharedHonest(choice, rule, 0, "", procedure.about, {}, (), ())
    held_out = [stratified_folds(one.problem.annotations, count, seed) for one in scored.each]
    training = [
        tuple(others(of[i], one.problem.num_videos) for of, one in zip(held_out, scored.each, strict=True))
        for i in range(count)
    ]
    chosen = chosen_without_each(scored, training, procedure, space, rule, seed, threads, step)
    if chosen is None:
        return SharedHonest(choice, rule, 0, UNDEFINED, procedure.about, {}, (), ())
    runs = [
        runs_held_out(one.problem, of, start, chosen, threads) for one, of in zip(scored.each, held_out, strict=True)
    ]
    note = "" if count == folds else f"one data set has {count} videos: {count} folds, not {folds}"
    values, of_each = _spreads(scored, runs, resamples, seed)
    return SharedHonest(choice, rule, count, note, procedure.about, values, of_each, chosen)


def _spreads(
    scored: ScoredTogether, runs: Sequence[Mapping[str, Events]], resamples: int, seed: int
) -> tuple[dict[str, Spread], tuple[dict[str, float], ...]]:
    """The objective of all data sets by rule with its spread over resamples of the videos, and that of each alone."""
    means = all(one.problem.target.metric.mean_over_videos for one in scored.each)
    count = resamples if means else min(resamples, _RESAMPLES_ANEW)
    found = [_values(one, of, count, seed) for one, of in zip(scored.each, runs, strict=True)]
    together = {rule: scored.combined([of[rule] for of in found]) for rule in RULES}
    together[GAIN] = together["smoothed"] - together["sharp"]
    of_each = tuple({rule: float(of[rule][0]) for rule in RULES} for of in found)
    return {name: _spread(values) for name, values in together.items()}, of_each


def _values(one: ScoredOne, runs: Mapping[str, Events], count: int, seed: int) -> dict[str, NDArray[np.float64]]:
    """By rule the objective (1 + count,) of a data set: as it is, then on resamples of its videos.

    Data sets of the same videos have the same resamples: all are drawn from the seed and the number of videos alone.
    """
    n, target = one.problem.num_videos, one.problem.target
    metric = ObjectiveMetric(target, one.objective)
    fitted = {rule: target.fitted(run) for rule, run in runs.items()}
    rng = np.random.default_rng(seed)
    draws = (np.arange(n) if i == 0 else rng.integers(0, n, n) for i in range(1 + count))
    if metric.inner.mean_over_videos:
        weights = video_weights(one.problem)
        parts = np.stack([np.where(weights > 0, parts_of(metric, run, target.truth), 0.0) for run in fitted.values()])
        rows = [mean_of(parts, weights, d) for d in draws]
    else:
        every = np.stack(list(draws))
        rows = list(np.stack([metric.resampled(run, target.truth, every)[:, 0] for run in fitted.values()], axis=1))
    return dict(zip(fitted, np.stack(rows, axis=1), strict=True))


def _spread(values: NDArray[np.float64]) -> Spread:
    again = values[1:][~np.isnan(values[1:])]
    if len(again) == 0:
        return Spread(float(values[0]))
    low, high = np.quantile(again, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return Spread(float(values[0]), low, high, float(again.std(ddof=1)) if len(again) > 1 else 0.0)
