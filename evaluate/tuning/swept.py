"""Settings replayed and scored on the videos of a problem: here, or on the machines that it names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ...core.params.table import ParamTable
from ...core.sweep import SweepPart, sweep
from ...core.target import Target
from .objective import Objective
from .objective_metric import SubsetMetric, Videos
from .problem import Problem, SweepJob


def swept(
    problem: Problem,
    table: ParamTable[Any],
    objective: Objective,
    subsets: Sequence[Videos] | None = None,
    *,
    begin: int = 0,
    threads: int | None = None,
    part: int | None = None,
) -> Iterator[SweepPart]:
    """The figures of settings and the objective; of ``subsets`` of the videos the objective alone, a figure for each.

    Raises: as :func:`avreplay.core.sweep.sweep`.
    """
    if problem.elsewhere is not None:
        for _, found in problem.elsewhere.sweeps([SweepJob(problem, table, objective, subsets, begin)]):
            yield found
        return
    target, weights = target_on(problem.target, objective, subsets)
    yield from sweep(problem.decoder, problem.inputs, table, target, weights, begin=begin, threads=threads, part=part)


def target_on(target: Target, objective: Objective, subsets: Sequence[Videos] | None) -> tuple[Target, Sequence[float]]:
    """What scores the settings, and the weights of its figures."""
    if subsets is None:
        return target, objective.weights
    return replace(target, metric=SubsetMetric(target, objective, subsets)), [0.0] * len(subsets)
