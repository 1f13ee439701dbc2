"""Which of the settings tried is recommended: the best of the slightly smoothed objective, not the best spike.

A search picks the highest of thousands of values, and with it whatever chance favours on these videos. A setting whose
neighbours are as good has less of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.params.table import ParamTable
from ..space import Dimension
from .scored import Scored
from .subsets import Step
from .tried import Tried


@dataclass(frozen=True)
class Rule:
    """How much is smoothed, and over what.

    sd : of the normal perturbations, as a share of each range (of its logarithm on a log scale)
    candidates : settings that are compared, from the best down, each at least ``2 * sd`` from all better ones
    perturbations : neighbours of each, the same for all
    """

    sd: float = 0.02
    candidates: int = 32
    perturbations: int = 16

    @classmethod
    def after(cls, tried: int) -> Rule:
        """The rule after a search of so many settings: of few of them fewer are compared, so that this replays no more
        settings than the search (of two with their neighbours, at least)."""
        rule = cls()
        return replace(rule, candidates=min(max(tried // rule.perturbations, 2), rule.candidates))

    @property
    def settings(self) -> int:
        """How many settings are replayed for it, at most."""
        return self.candidates * self.perturbations

    @property
    def text(self) -> str:
        """The rule in words."""
        return (
            f"of the {self.candidates} best settings tried that lie at least {2 * self.sd:g} of a range apart, the one "
            f"with the highest mean objective over {self.perturbations} seeded normal perturbations of every range "
            f"(standard deviation {self.sd:g} of the range), choices as they are; the sharp one where this rule is "
            "worse by more than one standard error when both are cross-validated"
        )


@dataclass(frozen=True, eq=False)
class Choice:
    """The best of the settings tried, and the best of the smoothed objective: values of the options searched, the
    objective, and the mean objective of the neighbours (NaN where nothing was perturbed)."""

    sharp: dict[str, Any]
    sharp_value: float
    sharp_mean: float
    smooth: dict[str, Any]
    smooth_value: float
    smooth_mean: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON: both settings with their objectives."""
        return {
            "sharp": self.sharp, "sharp_value": self.sharp_value, "smoothed": self.smooth,
            "smoothed_value": self.smooth_value,
        }  # fmt: skip


def choose(
    scored: Scored,
    tried: Tried,
    space: Sequence[Dimension],
    rule: Rule,
    seed: int,
    threads: int | None = None,
    step: Step = lambda _: None,
) -> Choice | None:
    """The sharp and the smooth setting of those tried on some videos; None where the objective is undefined for all of
    them."""
    ranked = tried.ranked()
    if len(ranked) == 0:
        return None
    sharp = int(ranked[0])
    smooth = [d for d in space if not d.choices]
    if not smooth or rule.candidates < 2:
        best, value = tried.table.values(sharp), float(tried.values[sharp])
        return Choice(best, value, np.nan, best, value, np.nan)
    chosen = _apart(tried, space, ranked, rule)
    table = _neighbours(tried.take(chosen).table, smooth, rule, seed)
    values = scored.values(table, [scored.whole()], threads, step)[:, 0]
    means = np.round(values.reshape(len(chosen), rule.perturbations).mean(axis=1), 9)
    # undefined around a setting: it is not recommended, unless all are
    at = int(np.argmax(np.where(np.isnan(means), -np.inf, means)))
    row = int(chosen[at])
    return Choice(
        tried.table.values(sharp), float(tried.values[sharp]), float(means[0]), tried.table.values(row),
        float(tried.values[row]), float(means[at]),
    )  # fmt: skip


def unit(d: Dimension, values: NDArray[Any]) -> NDArray[np.float64]:
    """Where values of a range lie in it, in [0, 1]; those outside at its ends."""
    low, high, x = d.low, d.high, values.astype(np.float64).clip(d.low, d.high)
    if d.log:
        low, high, x = np.log(low), np.log(high), np.log(x)
    return (x - low) / (high - low)


def _apart(tried: Tried, space: Sequence[Dimension], ranked: NDArray[np.int64], rule: Rule) -> NDArray[np.int64]:
    """The best settings of which no two are neighbours, from the best down."""
    columns = tried.table.columns
    smooth = np.stack([unit(d, columns[d.name][ranked]) for d in space if not d.choices], axis=1)
    fixed = tried.table.codes(0, len(tried.table), [d.name for d in space if d.choices])[ranked]
    left = np.ones(len(ranked), np.bool_)
    chosen: list[int] = []
    while len(chosen) < rule.candidates and left.any():
        i = int(np.argmax(left))
        chosen.append(i)
        left &= (fixed != fixed[i]) | (np.abs(smooth - smooth[i]).max(axis=1) >= 2 * rule.sd)
    return ranked[chosen]


def _neighbours(table: ParamTable[Any], smooth: Sequence[Dimension], rule: Rule, seed: int) -> ParamTable[Any]:
    """Each setting's neighbours, one setting after the other; what leaves a range is reflected at its end."""
    half = np.random.default_rng([seed, len(smooth)]).standard_normal(((rule.perturbations + 1) // 2, len(smooth)))
    # in pairs, one on each side
    shift = rule.sd * np.stack([half, -half], axis=1).reshape(-1, len(smooth))[: rule.perturbations]
    columns = {n: np.repeat(c, rule.perturbations) for n, c in table.columns.items()}
    for k, d in enumerate(smooth):
        at = np.abs(unit(d, columns[d.name]) + np.tile(shift[:, k], len(table)))
        at = np.where(at > 1, 2 - at, at)
        columns[d.name] = d.at(at).clip(d.low, d.high)
    return ParamTable(table.base, columns)
