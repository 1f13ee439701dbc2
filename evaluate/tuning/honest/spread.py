"""The objective of runs of the same videos, with bootstrap intervals, and of their differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.events import Events
from ....core.metrics.base import Truth, checked_score
from ....core.metrics.bootstrap import Interval, bootstrap, bootstrap_metric
from ..objective import Objective
from ..objective_metric import ObjectiveMetric
from ..problem import Problem
from .subsets import video_weights

LEVEL = 0.95


@dataclass(frozen=True)
class Spread:
    """A value with its interval and standard error, in percent points; None where there were no resamples."""

    value: float
    low: float | None = None
    high: float | None = None
    error: float | None = None

    def as_dict(self) -> dict[str, float | None]:
        return {k: None if v is None or np.isnan(v) else v for k, v in vars(self).items()}


def spread_of(
    problem: Problem,
    objective: Objective,
    runs: Mapping[str, Events],
    pairs: Sequence[tuple[str, str]],
    resamples: int,
    seed: int,
) -> dict[str, Spread]:
    """The objective of each run by name, and ``a_minus_b`` of the pairs, on the same resamples; figures alone where
    ``resamples`` is 0."""
    metric, truth = ObjectiveMetric(problem.target, objective), problem.target.truth
    fitted = {name: problem.target.fitted(run) for name, run in runs.items()}
    values = {name: float(metric.value(run, truth)[0]) for name, run in fitted.items()}
    wanted = {**{name: (name,) for name in runs}, **{f"{a}_minus_{b}": (b, a) for a, b in pairs}}
    if resamples < 1 or any(np.isnan(v) for v in values.values()):
        return {name: Spread(values[w[-1]] - (values[w[0]] if len(w) > 1 else 0.0)) for name, w in wanted.items()}
    if not metric.inner.mean_over_videos:
        how: Any = {"resamples": resamples, "level": LEVEL, "seed": seed}
        found = {name: bootstrap_metric(metric, [fitted[x] for x in w], truth, **how) for name, w in wanted.items()}
        return {name: _spreads(i)[0] for name, i in found.items()}
    weights = video_weights(problem)
    parts = {name: parts_of(metric, run, truth) for name, run in fitted.items()}
    columns = [parts[w[-1]] - parts[w[0]] if len(w) > 1 else parts[w[0]] for w in wanted.values()]
    table = np.stack(columns, axis=1)[weights > 0]
    spread = bootstrap(table, weights=weights[weights > 0], resamples=resamples, level=LEVEL, seed=seed)
    return dict(zip(wanted, _spreads(spread), strict=True))


def parts_of(metric: ObjectiveMetric, run: Events, truth: Truth) -> NDArray[np.float64]:
    """Each video's part in the objective (N,)."""
    found = checked_score(metric.inner, run, truth).per_video
    assert found is not None
    return metric.objective.of(found[0])


def _spreads(i: Interval) -> list[Spread]:
    rows = zip(i.figure.tolist(), i.low.tolist(), i.high.tolist(), i.error.tolist(), strict=True)
    return [Spread(*row) for row in rows]
