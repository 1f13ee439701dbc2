"""The surface of the objective over (tau0, tau_r), and where it is as good as at its best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....core.exact.plane import Optimum, Plane

VALUES = 201
"""Of each of the two, from 0 to 1."""

_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class Surface:
    """The objective of a grid of settings.

    Attributes
    ----------
    tau0, tau_r : (A,), (B,)
    objective : (A, B)
    safe : (A, B) whether it is below the optimum by no more than one standard error of the difference, paired over the
        videos, as :mod:`..honest.region` has it for one option
    """

    tau0: NDArray[np.float64]
    tau_r: NDArray[np.float64]
    objective: NDArray[np.float64]
    safe: NDArray[np.bool_]

    @property
    def safe_share(self) -> float:
        """Of the plane."""
        return float(self.safe.mean())


def surface_of(whole: Plane, best: Optimum, points: int = VALUES) -> Surface:
    """The surface of all of [0, 1] x [0, 1], around the optimum of a box in it."""
    grid = np.linspace(0, 1, points)
    lost, error = whole.losses(grid, grid, (best.tau0, best.tau_r))
    return Surface(grid, grid, whole.surface(grid, grid), lost <= error + _TOLERANCE)
