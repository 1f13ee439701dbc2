"""Settings of a search as a table, without a Python object for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core.errors import UsageError
from ...core.params.options import OptionSet
from ...core.params.table import ParamTable
from .sobol import Sobol
from .space import Dimension

MOST_GRID = 50_000_000


def grid_table(base: OptionSet, space: Sequence[Dimension], points: int) -> ParamTable[Any]:
    """Every combination of the dimensions' values, the last dimension fastest; ranges give ``points`` values each.

    Raises: UsageError for fewer than 2 points, or more combinations than fit in memory.
    """
    if points < 2:
        raise UsageError(f"a grid needs at least 2 points a range; got {points}")
    values = [d.points(points) for d in space]
    total = int(np.prod([float(len(v)) for v in values]))
    if total > MOST_GRID:
        raise UsageError(
            f"the grid has {total:.3g} settings, more than {MOST_GRID:,}; give fewer points, or use sampler sobol"
        )
    mesh = np.meshgrid(*(np.arange(len(v)) for v in values), indexing="ij")
    return ParamTable(base, {d.name: v[i.reshape(-1)] for d, v, i in zip(space, values, mesh, strict=True)})


def sobol_table(base: OptionSet, space: Sequence[Dimension], trials: int, seed: int) -> ParamTable[Any]:
    """The first ``trials`` points of the scrambled Sobol sequence of a seed; more trials begin with the same points.

    Raises: UsageError for no trial.
    """
    if trials < 1:
        raise UsageError(f"a search needs at least 1 trial; got {trials}")
    unit = Sobol(len(space), seed).points(0, trials)
    return ParamTable(base, {d.name: d.at(unit[:, i]) for i, d in enumerate(space)})
