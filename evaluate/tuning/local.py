"""The default search: one half of the settings from a Sobol sequence, the other near the best setting so far.

Settings come in rounds, of 8 at first and 64 later. In a round Sobol points and steps from a *centre* alternate. A step
changes about half of the options: a range by a normal deviate, a list of numbers by places, any other list to another
value. The centre is the best setting so far. The deviates shrink from round to round unless a step was better; once
they are small, what is left to find is elsewhere, and the best setting that is far from the centres of before is the
next one. No setting comes twice; a space with fewer settings than the search has trials is tried out whole.

What a round holds depends on the seed and on the objectives of the rounds before it alone. So neither threads nor
interruptions change it, and a search with more trials begins as one with fewer does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import UsageError
from ...core.params.options import OptionSet
from ...core.params.table import ParamTable
from .scale import Scale
from .sobol import Sobol
from .space import Dimension

_SMALLEST, _LARGEST, _GROWTH = 8, 64, 2
_WIDEST, _NARROWEST = 0.15, 0.004
"""Standard deviations of the steps, as parts of a range."""
_SHRINK = 0.1 / 32
"""By this part of itself the deviation shrinks with each step of a round without a better one."""
_FAR = 0.1
_TRIES = 16
_BLOCK = 256


class LocalSearch:
    """The settings of a default search, one round after the other.

    Parameters
    ----------
    base : the setting that the search starts from, its first trial
    space : what may change
    seed : of the Sobol sequence and of the steps

    Attributes
    ----------
    done : settings whose objectives are known
    """

    def __init__(self, base: OptionSet, space: Sequence[Dimension], seed: int) -> None:
        self._base, self._space, self._seed = base, tuple(space), seed
        self._scales = [Scale(d) for d in self._space]
        self._free = [i for i, s in enumerate(self._scales) if s.free]
        self._spread = _SobolSettings(self._scales, seed)
        self._listed = 0
        values = [getattr(base, d.name) for d in self._space]
        self._start = np.array([s.nearest(v) for s, v in zip(self._scales, values, strict=True)])
        self._seen: set[bytes] = set()
        if all(s.holds(v) for s, v in zip(self._scales, values, strict=True)):
            self._seen.add(self._start.tobytes())
        self._rows = np.empty((0, len(self._space)))
        self._values = np.empty(0)
        self._left: list[NDArray[np.float64]] = []
        self._centre, self._centre_value, self._deviation = self._start, -math.inf, _WIDEST
        self._round = self._rows
        self._steps: list[int] = []

    @property
    def done(self) -> int:
        return len(self._values)

    def next_round(self) -> ParamTable[Any] | None:
        """The settings of the next round, None where the space has no more."""
        count = min(max(_SMALLEST, self.done // _GROWTH // 8 * 8), _LARGEST)
        rng = np.random.default_rng([self._seed, self.done])
        rows, self._steps = ([] if self.done else [self._start]), []
        while len(rows) < count:
            row = self._step(rng) if self.done and len(rows) % 2 else None
            if row is not None:
                self._steps.append(len(rows))
            else:
                row = self._sobol_point()
            if row is None and (row := self._listed_setting()) is None:
                break
            rows.append(row)
        if not rows:
            return None
        self._round = np.array(rows)
        columns: dict[str, Any] = {d.name: d.at(self._round[:, i]) for i, d in enumerate(self._space)}
        if not self.done:  # as it is given, which may be outside of the space
            columns = {n: np.concatenate([np.array([getattr(self._base, n)]), c[1:]]) for n, c in columns.items()}
        return ParamTable(self._base, columns)

    def tell(self, objectives: NDArray[np.float64]) -> None:
        """Take in the objectives (P,) of the round that :meth:`next_round` gave last; NaN is below all."""
        values = np.where(np.isnan(objectives), -np.inf, objectives)
        highest = self._values.max(initial=-np.inf)
        rows, steps = self._round[: len(values)], [i for i in self._steps if i < len(values)]
        self._rows, self._values = np.concatenate([self._rows, rows]), np.concatenate([self._values, values])
        best = int(np.argmax(values))
        stepped = max(steps, key=lambda i: (values[i], -i), default=best)
        if values[best] > highest and best not in steps:
            self._centre, self._centre_value, self._deviation = rows[best], float(values[best]), _WIDEST
        elif values[stepped] > self._centre_value:
            self._centre, self._centre_value = rows[stepped], float(values[stepped])
        else:
            self._deviation *= 1 - _SHRINK * len(steps)
        if self._deviation < _NARROWEST:
            self._leave()

    def _leave(self) -> None:
        """Go on from the best setting that is far from all centres so far, with wide steps."""
        self._left.append(self._centre)
        self._deviation = _WIDEST
        far = np.ones(self.done, bool)
        for centre in self._left:
            far &= np.abs(self._rows - centre).max(axis=1) > _FAR
        if far.any():
            at = int(np.flatnonzero(far)[np.argmax(self._values[far])])
            self._centre, self._centre_value = self._rows[at], float(self._values[at])

    def _new(self, row: NDArray[np.float64]) -> bool:
        key = row.tobytes()
        known = key in self._seen
        self._seen.add(key)
        return not known

    def _sobol_point(self) -> NDArray[np.float64] | None:
        """The next Sobol point that is a new setting; None where the next ones are none."""
        for _ in range(_TRIES):
            row = self._spread.next()
            if self._new(row):
                return row
        return None

    def _step(self, rng: np.random.Generator) -> NDArray[np.float64] | None:
        """A new setting near the centre; None where none was found."""
        for _ in range(_TRIES if self._free else 0):
            # words change the more rarely the shorter the steps are
            odds = (0.5, max(0.1, 0.5 * self._deviation / _WIDEST))
            changed = [i for i in self._free if rng.random() < odds[self._scales[i].of_words]]
            row = self._centre.copy()
            for i in changed or [self._free[rng.integers(len(self._free))]]:
                row[i] = self._scales[i].step(row[i], self._deviation, rng)
            if self._new(row):
                return row
        return None

    def _listed_setting(self) -> NDArray[np.float64] | None:
        """The next setting in the order of a grid that is new; None where all were tried. Of a space of lists only."""
        counts = [len(d.choices) for d in self._space]
        while self._listed < math.prod(counts):
            left, places = self._listed, []
            for count in reversed(counts):
                left, place = divmod(left, count)
                places.append(place)
            self._listed += 1
            row = np.array([s.middle(p) for s, p in zip(self._scales, reversed(places), strict=True)])
            if self._new(row):
                return row
        return None


class _SobolSettings:
    """Sobol points as settings of a space, one after the other."""

    def __init__(self, scales: Sequence[Scale], seed: int) -> None:
        self._scales, self._sobol = scales, Sobol(len(scales), seed)
        self._drawn, self._block = 0, np.empty((0, len(scales)))

    def next(self) -> NDArray[np.float64]:
        at = self._drawn % _BLOCK
        if at == 0:
            self._block = self._sobol.points(self._drawn, _BLOCK)
        self._drawn += 1
        return np.array([s.snapped(x) for s, x in zip(self._scales, self._block[at].tolist(), strict=True)])


def check_space(space: Sequence[Dimension]) -> None:
    """Raises: UsageError for a space of one setting, in which there is nothing to find."""
    if all(len(d.choices) == 1 for d in space):
        fixed = " ".join(f"--search {d.as_text()}" for d in space)
        raise UsageError(f"the space has one setting only ({fixed}); give a range or a list of several values")
