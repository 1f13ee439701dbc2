"""One option of a space on a scale from 0 to 1, and steps on it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .space import Dimension


class Scale:
    """A dimension as numbers from 0 to 1: a range as it is, or on a log scale; a list in equal parts, by their middles.

    Attributes
    ----------
    free : whether it has several values
    of_words : whether it is a list whose values have no order
    """

    def __init__(self, d: Dimension) -> None:
        self._d = d
        self._count = len(d.choices)
        self.free: bool = self._count != 1
        self.of_words: bool = any(isinstance(c, (str, bool)) for c in d.choices)
        self._order = None if self.of_words else sorted(range(self._count), key=lambda i: d.choices[i])

    def middle(self, place: int) -> float:
        return (place + 0.5) / self._count

    def snapped(self, unit: float) -> float:
        return self.middle(min(int(unit * self._count), self._count - 1)) if self._count else unit

    def holds(self, value: Any) -> bool:
        d = self._d
        return value in d.choices if d.choices else bool(d.low <= value <= d.high)

    def nearest(self, value: Any) -> float:
        """Where a value is, or the one of the dimension that is nearest to it."""
        d = self._d
        if not d.choices:
            value = min(max(value, d.low), d.high)
            if d.log:
                return math.log(value / d.low) / math.log(d.high / d.low)
            return float((value - d.low) / (d.high - d.low))
        if self._order is not None:
            return self.middle(min(self._order, key=lambda i: abs(d.choices[i] - value)))
        return self.middle(d.choices.index(value) if value in d.choices else 0)

    def step(self, unit: float, scale: float, rng: np.random.Generator) -> float:
        """Another place, a normal deviate of that standard deviation away."""
        if not self._count:
            return min(max(unit + scale * rng.standard_normal(), 0.0), 1.0)
        place = min(int(unit * self._count), self._count - 1)
        if self._order is None:
            other = int(rng.integers(self._count - 1))
            return self.middle(other + (other >= place))
        deviate = rng.standard_normal()
        places = round(scale * deviate * self._count) or (1 if deviate > 0 else -1)
        rank = min(max(self._order.index(place) + places, 0), self._count - 1)
        return self.middle(self._order[rank])
