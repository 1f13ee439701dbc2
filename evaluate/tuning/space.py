"""What a search may change: ``name=low:high``, ``name=low:high:step``, ``name=low:high:log`` or ``name=a,b,c``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import UsageError
from ...core.params.options import OptionSet, present_name

_LARGEST_LIST = 10_000


@dataclass(frozen=True)
class Dimension:
    """One option and its values: a list of them, or a range from ``low`` to ``high``, on a log scale if ``log``."""

    name: str
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False

    def at(self, unit: NDArray[np.float64]) -> NDArray[Any]:
        """The values at ``unit`` (P,) in [0, 1): ranges linearly or logarithmically, lists in equal parts."""
        if self.choices:
            last = len(self.choices) - 1
            return np.array(self.choices)[np.minimum((unit * len(self.choices)).astype(np.int64), last)]
        if self.log:
            return np.exp(math.log(self.low) + unit * (math.log(self.high) - math.log(self.low))).clip(
                self.low, self.high
            )
        return (self.low + unit * (self.high - self.low)).clip(self.low, self.high)

    def points(self, count: int) -> NDArray[Any]:
        """Its list, or ``count`` values spread over its range, ends included."""
        if self.choices:
            return np.array(self.choices)
        if self.log:
            return np.geomspace(self.low, self.high, count).clip(self.low, self.high)
        return np.linspace(self.low, self.high, count)

    def as_text(self) -> str:
        """The form that :func:`parse_space` reads."""
        if self.choices:
            return f"{self.name}=" + ",".join(str(c).lower() if isinstance(c, bool) else str(c) for c in self.choices)
        return f"{self.name}={self.low!r}:{self.high!r}" + (":log" if self.log else "")


def parse_space(texts: Sequence[str], base: OptionSet, default: Sequence[str]) -> tuple[Dimension, ...]:
    """The dimensions of a search, in the order given; every value is checked against its option.

    ``default`` is what is searched where nothing is given: the decoder's own space.

    Raises: UsageError for text of another form, an unknown option, a value out of range, an option named twice.
    """
    found = [_parse(text, base) for text in texts or default]
    if not found:
        raise UsageError("this decoder declares nothing to search; say what may change with --search")
    names = [d.name for d in found]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{name} is searched twice; give it once")
    return tuple(found)


def _parse(text: str, base: OptionSet) -> Dimension:
    name, equals, spec = (part.strip() for part in text.partition("="))
    shape = UsageError(
        f"{text!r} is not a search range; write name=low:high, name=low:high:step, name=low:high:log or name=a,b,c"
    )
    if not equals or not spec:
        raise shape
    name = present_name(type(base), name)
    if ":" not in spec:
        return _list(name, [v.strip() for v in spec.split(",")], base)
    low, high, *rest = (part.strip() for part in spec.split(":"))
    base.override({name: low})
    base.override({name: high})
    kind = {f.name: str(f.type) for f in fields(base)}[name]
    if kind not in ("float", "int") or len(rest) > 1:
        raise shape
    log = rest == ["log"]
    try:
        start, end = float(low), float(high)
        step = float(rest[0]) if rest and not log else None
    except ValueError:
        raise shape from None
    if not start < end:
        raise UsageError(f"the range of {name} runs from {low} to {high}; the first must be below the second")
    if log and kind == "int":
        raise UsageError(f"{name} takes whole numbers, which have no log scale; write {name}=low:high or a list")
    if log and start <= 0:
        raise UsageError(f"the range of {name} starts at {low}; a log scale needs a start above 0")
    if kind == "int" and step is None:
        step = 1.0
    return Dimension(name, (), start, end, log) if step is None else _steps(name, start, end, step, base)


def _list(name: str, values: Sequence[Any], base: OptionSet) -> Dimension:
    choices = tuple(getattr(base.override({name: v}), name) for v in values)
    if len(set(choices)) < len(choices):
        twice = next(c for i, c in enumerate(choices) if c in choices[:i])
        raise UsageError(f"{name} is given the value {twice} twice; give it once")
    return Dimension(name, choices)


def _steps(name: str, start: float, end: float, step: float, base: OptionSet) -> Dimension:
    # a step that divides the range but for rounding reaches its end
    count = (end - start) / step * (1 + 1e-12) + 1 if step > 0 else 0.0
    if not (math.isfinite(step) and 1 <= count < _LARGEST_LIST + 1):
        raise UsageError(f"the step of {name} is {step:g}; it must be above 0 and give at most {_LARGEST_LIST} values")
    # steps of 0.05 are meant as decimals: 0.15, not 0.15000000000000002
    digits = 10 - math.floor(math.log10(step))
    return _list(name, [round(start + i * step, digits) for i in range(math.floor(count))], base)
