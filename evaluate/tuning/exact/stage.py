"""The exact response around a setting: the plane (tau0, tau_r) with its optimum, and curves of every figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....core.errors import AvreplayError
from ....core.exact.axes import PLANE, exact_axes
from ....core.exact.curves import StepCurves, tau_f_curves
from ....core.exact.plane import Optimum
from ....core.exact.response import Response, exact_response
from ....core.params.av2a import Params
from ....core.params.options import OptionSet
from ..honest.spread import Spread
from ..objective import Objective
from ..problem import Problem
from ..space import Dimension
from .curves import Curves, curves_of
from .resampled import Resampled, leave_one_out, optimum_of_resamples
from .surface import VALUES, Surface, surface_of

MOST_SECONDS = 30.0
"""Of one thread, as estimated from the numbers of segments and labels: what takes longer is left out."""

_NANOSECONDS = {"ridge": 30, "pinv": 300}
"""For each pair of segments times each pair of labels of a video, by the option ``ratio``."""

WHOLE = (0.0, 1.0)


@dataclass(frozen=True, eq=False)
class ExactPlane:
    """The objective over (tau0, tau_r), the other options fixed.

    Attributes
    ----------
    box : the ranges of the two that the optimum is of
    best : the optimum
    ceiling : mean of the objectives of the videos, each with its own (tau0, tau_r)
    surface : all of the plane
    left_out, resampled : how the optimum moves with the videos; None where not asked for, or too long
    """

    box: dict[str, tuple[float, float]]
    best: Optimum
    ceiling: float
    surface: Surface
    left_out: Spread | None
    resampled: Resampled | None

    def as_dict(self, fixed: dict[str, Any]) -> dict[str, Any]:
        """For JSON; ``fixed`` are the other options."""
        return {
            "fixed": fixed,
            **{name: list(self.box[name]) for name in PLANE},
            "optimum": {k: list(v) if isinstance(v, tuple) else v for k, v in vars(self.best).items()},
            "ceiling": self.ceiling,
            "within_standard_error": self.surface.safe_share,
        }


@dataclass(frozen=True, eq=False)
class Exact:
    """What is exact around a setting.

    Attributes
    ----------
    setting : whose other options are fixed
    plane : None where ``note`` says why
    curves : over each of tau0, tau_r and tau_f that is exact
    sampled : why each other option is not, by name
    note : why there is no plane; empty for a decoder without these parameters too
    """

    setting: OptionSet
    plane: ExactPlane | None
    curves: tuple[Curves, ...]
    sampled: dict[str, str]
    note: str

    def as_dict(self) -> dict[str, Any] | None:
        """For JSON: the plane."""
        others = {k: v for k, v in self.setting.as_dict().items() if k not in PLANE}
        return None if self.plane is None else self.plane.as_dict(others)


_PART = 20
_STEPS = 4 * _PART


def _part(step: Callable[[int, int], None], number: int) -> Callable[[int, int], None]:
    """Progress of one of the four parts of the stage: the cells, the plane and its resamples (two), tau_f."""
    return lambda done, total: step(number * _PART + _PART * done // total, _STEPS)


def estimated_seconds(problem: Problem, params: Params) -> float:
    """About how long the plane takes one thread."""
    scores = problem.videos
    pairs = float((scores.segments_per_video.astype(np.float64) ** 2).sum()) * scores.num_labels**2
    return pairs * _NANOSECONDS[params.ratio] * 1e-9


def exact_stage(
    problem: Problem,
    setting: OptionSet,
    space: Sequence[Dimension],
    objective: Objective,
    *,
    folds: int,
    resamples: int,
    seed: int,
    threads: int | None = None,
    step: Callable[[int, int], None] = lambda *_: None,
) -> Exact:
    """The exact response around a setting.

    space : of the search; the optimum is that of its ranges of tau0 and tau_r, of all of [0, 1] for one that it leaves
        alone
    folds : 0 to leave no video out
    resamples : 0 for no intervals and bands
    step : called with how much is done, of how much

    Nothing is drawn but from ``seed``, and nothing depends on ``threads``.
    """
    metric = problem.target.metric
    axes = exact_axes(problem.decoder, setting, metric)
    if not axes or not isinstance(setting, Params):
        return Exact(setting, None, (), {}, "")
    sampled = {n: a.why for n, a in axes.items() if not a.exact}
    seconds = estimated_seconds(problem, setting)
    if seconds > MOST_SECONDS:
        note = (
            f"{problem.num_videos} videos of up to {int(problem.videos.segments_per_video.max())} segments and "
            f"{problem.videos.num_labels} labels would take about {seconds:,.0f} s; search on fewer (--videos)"
        )
        return Exact(setting, None, (), {**dict.fromkeys((*PLANE, "tau_f"), note), **sampled}, note)
    note = next((sampled[n] for n in PLANE if n in sampled), "")
    plane: ExactPlane | None = None
    found: list[StepCurves] = []
    try:
        if not note:
            plane, found = _plane(problem, setting, space, objective, folds, resamples, seed, threads, step)
        if "tau_f" not in sampled:
            found.append(
                tau_f_curves(
                    problem.decoder, problem.inputs, setting, problem.target, threads=threads, step=_part(step, 3)
                )
            )  # fmt: skip
    except AvreplayError as error:  # a figure that is undefined for some video, of a metric that says it is a mean
        note, plane, found = str(error), None, []
        sampled = {**dict.fromkeys((*PLANE, "tau_f"), note), **sampled}
    step(_STEPS, _STEPS)
    return Exact(setting, plane, tuple(curves_of(c, objective, resamples, seed) for c in found), sampled, note)


def _plane(
    problem: Problem,
    setting: Params,
    space: Sequence[Dimension],
    objective: Objective,
    folds: int,
    resamples: int,
    seed: int,
    threads: int | None,
    step: Callable[[int, int], None],
) -> tuple[ExactPlane, list[StepCurves]]:
    response = exact_response(
        problem.decoder, problem.inputs, setting, problem.target, threads=threads, step=_part(step, 0)
    )
    ranges = {d.name: (max(d.low, 0.0), min(d.high, 1.0)) for d in space if not d.choices}
    box = {name: ranges.get(name, WHOLE) for name in PLANE}
    found = plane_of(response, objective, box, folds=folds, resamples=resamples, seed=seed, threads=threads)
    step(3 * _PART, _STEPS)
    return found, [response.curves(name) for name in PLANE]


def plane_of(
    response: Response,
    objective: Objective,
    box: dict[str, tuple[float, float]],
    *,
    folds: int,
    resamples: int,
    seed: int,
    threads: int | None = None,
    points: int = VALUES,
) -> ExactPlane:
    """The objective over the plane: its optimum in a box, and ``points`` x ``points`` of it.

    Raises: DataError where the optimum does not replay to the same value.
    """
    plane = response.plane(objective.weights, tau0=box["tau0"], tau_r=box["tau_r"])
    best = plane.optimum()
    response.confirm(best.tau0, best.tau_r)
    own, counted = plane.ceiling(), plane.weights > 0
    ceiling = float(np.average(own[counted], weights=plane.weights[counted]))
    surface = surface_of(response.plane(objective.weights), best, points)
    left_out = leave_one_out(plane, resamples, seed, threads) if folds else None
    resampled = optimum_of_resamples(plane, resamples, seed, threads) if resamples else None
    return ExactPlane(box, best, ceiling, surface, left_out, resampled)
