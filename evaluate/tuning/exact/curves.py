"""Curves of the objective and of every figure over one parameter, exact at each value, with bootstrap bands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....core.exact.curves import StepCurves
from ....core.metrics.bootstrap import bootstrap
from ..honest.spread import LEVEL
from ..objective import Objective

VALUES = 201
"""Of a parameter that are shown, from 0 to 1."""

RESAMPLES = 500
"""Of the bands, at most."""


@dataclass(frozen=True, eq=False)
class Curves:
    """The objective and the K figures over one parameter, the others fixed.

    Attributes
    ----------
    name : the parameter
    names : ``objective`` and the K figures
    values : (G,) of the parameter, rising
    figures : (G, 1 + K) in percent
    low, high : (G, 1 + K) 95 % bounds of a bootstrap over the videos; None where there were no resamples
    steps : where the objective or a figure changes in [0, 1], how often
    """

    name: str
    names: tuple[str, ...]
    values: NDArray[np.float64]
    figures: NDArray[np.float64]
    low: NDArray[np.float64] | None
    high: NDArray[np.float64] | None
    steps: int


def curves_of(
    found: StepCurves, objective: Objective, resamples: int, seed: int, values: NDArray[np.float64] | None = None
) -> Curves:
    """The curves at ``values`` (default: 201 from 0 to 1); ``resamples``: 0 for no bands."""
    at = np.linspace(0, 1, VALUES) if values is None else values
    figures = found.at(at)
    names, steps = ("objective", *found.names), len(found.breakpoints()) - 1
    with_objective = np.concatenate([objective.of(figures)[:, None], figures], axis=1)
    counted = found.weights > 0
    if resamples < 1 or not counted.any():
        return Curves(found.name, names, at, with_objective, None, None, steps)
    parts = found.of_each(at)[counted]
    table = np.concatenate([objective.of(parts)[:, :, None], parts], axis=2)
    spread = bootstrap(
        table.reshape(len(table), -1), weights=found.weights[counted], resamples=min(resamples, RESAMPLES),
        level=LEVEL, seed=seed,
    )  # fmt: skip
    low, high = (bound.reshape(with_objective.shape) for bound in (spread.low, spread.high))
    return Curves(found.name, names, at, with_objective, low, high, steps)
