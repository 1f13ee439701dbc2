"""The default search: one half of the settings from a Sobol sequence, the other near the best settings so far.

Settings come in epochs, each as long as all before it together. Its first half is of Sobol points; its second half
steps from the best settings so far that are apart from each other, its *centres*: they share the steps at first, and
the worse half of them is left several times until the best has all. A step changes about half of the options: a range
by a normal deviate, a list of numbers by places, any other list to another value. Deviates shrink from round to round
of an epoch, and a centre moves where a step from it was better. No setting comes twice; a space with fewer settings
than the search has trials is tried out whole.

What a round holds depends on the seed and on the objectives of the rounds before it alone. So neither threads nor
interruptions change it, and a search with more trials begins as one with fewer does.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import UsageError
from ...core.params.options import OptionSet
from ...core.params.table import ParamTable
from .scale import Scale
from .sobol import Sobol
from .space import Dimension

_SHORTEST, _LONGEST, _ROUNDS = 8, 64, 8
"""A round of steps: this part of the steps of an epoch, between these numbers of settings."""
_SPREAD = 512
"""Sobol points of a round, at most."""
_STEPS = 8
"""From each centre in a round, at least."""
_WIDEST, _NARROWEST = 0.15, 0.004
"""Standard deviations of the steps, as parts of a range."""
_APART = 0.1
_TRIES = 16
_BLOCK = 256

_Rows = NDArray[np.float64]


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
        self._of_sobol: list[int] = []
        self._rounds = self._settings()
        self._round = self._rows

    @property
    def done(self) -> int:
        return len(self._values)

    def next_round(self) -> ParamTable[Any] | None:
        """The settings of the next round, None where the space has no more."""
        rows = next(self._rounds, None)
        if rows is None:
            return None
        self._round = rows
        columns: dict[str, Any] = {d.name: d.at(rows[:, i]) for i, d in enumerate(self._space)}
        if not self.done:  # as it is given, which may be outside of the space
            columns = {n: np.concatenate([np.array([getattr(self._base, n)]), c[1:]]) for n, c in columns.items()}
        return ParamTable(self._base, columns)

    def tell(self, objectives: NDArray[np.float64]) -> None:
        """Take in the objectives (P,) of the round that :meth:`next_round` gave last; NaN is below all."""
        values = np.where(np.isnan(objectives), -np.inf, objectives)
        self._rows = np.concatenate([self._rows, self._round[: len(values)]])
        self._values = np.concatenate([self._values, values])

    def _settings(self) -> Generator[_Rows]:
        """The rounds, as places on the scales (P, D), until the space has no more."""
        rows = [self._start, *self._spread_settings(_SHORTEST - 1)]
        self._of_sobol += range(len(rows))
        yield np.array(rows)
        yield from self._steps_of_epoch(_SHORTEST)
        while True:
            before, half = self.done, self.done // 2
            for first in range(0, half, _SPREAD):
                rows = self._spread_settings(min(_SPREAD, half - first))
                if rows:
                    self._of_sobol += range(self.done, self.done + len(rows))
                    yield np.array(rows)
            yield from self._steps_of_epoch(half)
            if self.done == before:
                return

    def _steps_of_epoch(self, count: int) -> Generator[_Rows]:
        """Rounds of ``count`` steps from the best settings, fewer where the space has no more."""
        size = min(max(_SHORTEST, count // _ROUNDS // _STEPS * _STEPS), _LONGEST)
        rounds = -(-count // size)
        centres = self._best_apart(size // _STEPS)
        most = len(centres)
        for number in range(rounds):
            left = most >> (number * most.bit_length() // rounds)
            centres = sorted(centres, key=lambda at: -self._values[at])[:left]
            deviation = _WIDEST * (_NARROWEST / _WIDEST) ** (number / max(rounds - 1, 1))
            rng = np.random.default_rng([self._seed, self.done])
            rows, origin = [], []
            for i in range(min(size, count - number * size)):
                at = i % len(centres)
                row = self._step(self._rows[centres[at]], deviation, rng)
                if row is None and (row := self._sobol_point()) is None and (row := self._listed_setting()) is None:
                    break
                rows.append(row)
                origin.append(at)
            if not rows:
                return
            first = self.done
            yield np.array(rows)
            for i, at in enumerate(origin[: self.done - first]):
                if self._values[first + i] > self._values[centres[at]]:
                    centres[at] = first + i

    def _best_apart(self, count: int) -> list[int]:
        """The best Sobol points so far of which none is near another, the best first. Settings that were stepped to
        are none of them: they would outdo every other centre, and the search would stay where it is."""
        found: list[int] = []
        for i in sorted(self._of_sobol, key=lambda at: (-self._values[at], at)):
            if all(np.abs(self._rows[i] - self._rows[j]).max() > _APART for j in found):
                found.append(i)
            if len(found) == count:
                break
        return found

    def _spread_settings(self, count: int) -> list[_Rows]:
        """The next Sobol points that are new settings, or settings in the order of a grid where there are none."""
        rows: list[_Rows] = []
        for _ in range(count):
            row = self._sobol_point()
            if row is None and (row := self._listed_setting()) is None:
                break
            rows.append(row)
        return rows

    def _new(self, row: NDArray[np.float64]) -> bool:
        key = row.tobytes()
        known = key in self._seen
        self._seen.add(key)
        return not known

    def _sobol_point(self) -> _Rows | None:
        """The next Sobol point that is a new setting; None where the next ones are none."""
        for _ in range(_TRIES):
            row = self._spread.next()
            if self._new(row):
                return row
        return None

    def _step(self, centre: _Rows, deviation: float, rng: np.random.Generator) -> _Rows | None:
        """A new setting near a centre; None where none was found."""
        for _ in range(_TRIES if self._free else 0):
            # words change the more rarely the shorter the steps are
            odds = (0.5, max(0.1, 0.5 * deviation / _WIDEST))
            changed = [i for i in self._free if rng.random() < odds[self._scales[i].of_words]]
            row = centre.copy()
            for i in changed or [self._free[rng.integers(len(self._free))]]:
                row[i] = self._scales[i].step(row[i], deviation, rng)
            if self._new(row):
                return row
        return None

    def _listed_setting(self) -> _Rows | None:
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
