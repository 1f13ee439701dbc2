"""What would have to change for a label to be, or not to be, an event at a segment: for each option by itself the
nearest value that does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.decoders.base import Decoder, Inputs
from ...core.errors import AvreplayError
from ...core.events import TRACKS
from ...core.exact.breakpoints import breakpoints_of_track
from ...core.params.options import OptionSet
from ...core.params.table import ParamTable
from ...core.registry import failures_of
from .setting import slider_of

_POINTS, _FEWEST = 129, 17
"""Values of a range that are tried before the nearest change is narrowed down; fewer in a video of more segments than
:data:`_SEGMENTS`."""

_SEGMENTS = 120
_EXACT = 2_000_000
"""Segments times labels, squared, up to which breakpoints are enumerated."""

_NARROWED, _ROUNDS = 8, 6
_DIGITS = range(2, 17)
_SPARE = 0.02
"""A change may be longer by this part of it, to be a number of few digits."""

Covers = Callable[[NDArray[Any]], NDArray[np.bool_]]
"""Whether the label is an event there, for some values of an option."""


@dataclass(frozen=True)
class Change:
    """An option, its value now, and the nearest one under which the answer is the other one.

    share : how far that is, as a share of the option's range; 1 for another word
    """

    option: str
    now: Any
    then: Any
    share: float
    event: bool

    def as_dict(self) -> dict[str, Any]:
        return {"option": self.option, "from": self.now, "to": self.then, "text": self.text}

    @property
    def text(self) -> str:
        verb = "it becomes an event" if self.event else "it is no event any more"
        return f"{self.option} from {_shown(self.now)} to {_shown(self.then)}: {verb}"


class Unwanted(Exception):
    """Nobody waits for the answer any more."""


def smallest_changes(
    decoder: Decoder[Any],
    inputs: Inputs,
    params: OptionSet,
    video: int,
    track: str,
    label: int,
    segment: int,
    wanted: Callable[[], bool] = lambda: True,
) -> list[Change]:
    """The change of each option by itself that makes a label an event of a track at a segment of a video, or ends
    that; the smallest first, numbers before words.

    Every value is confirmed by a replay of the video. Where breakpoints are known, and not too many, no smaller change
    of that option does it; of the others, and in long videos, values of a grid are tried. Steps that came later
    (``later`` of :func:`avreplay.core.params.options.option`) and are off stay off.

    Raises: Unwanted once ``wanted`` is not true any more; it is looked at before each option.
    """
    one = inputs.select([video])
    k = TRACKS.index(track)
    length = int(one.scores.segments_per_video[0])
    points = max(_FEWEST, _POINTS * _SEGMENTS // max(length, _SEGMENTS))
    enumerable = (length * one.scores.num_labels) ** 2 <= _EXACT
    exact = breakpoints_of_track(decoder, one.scores, params, track) if enumerable else {}

    def covers_with(name: str) -> Covers:
        def covers(values: NDArray[Any]) -> NDArray[np.bool_]:
            table = ParamTable(params, {name: values})
            with failures_of("decoder", decoder, decoder.name):
                events = decoder.sweeper(one, table, (track,))(0, len(table))
            hit = (events.label == label) & (events.onset <= segment) & (events.offset > segment)
            before = np.concatenate([[0], np.cumsum(hit)])
            counts = before[events.starts[1:]] - before[events.starts[:-1]]
            found: NDArray[np.bool_] = counts.reshape(len(table), 3)[:, k] > 0
            return found

        return covers

    found = []
    for f in fields(decoder.params):
        if not wanted():
            raise Unwanted
        here = getattr(params, f.name)
        if f.metadata.get("later") and here == f.default:
            continue  # a step that is off: with it this is another rule
        try:
            change = _of_option(decoder, f, here, covers_with(f.name), exact.get(f.name), points)
        except AvreplayError:  # values that need scores which the store does not have change nothing here
            continue
        if change is not None:
            found.append(change)
    return sorted(found, key=lambda c: c.share)


def _of_option(
    decoder: Decoder[Any], f: Any, here: Any, covers: Covers, breakpoints: NDArray[np.float64] | None, points: int
) -> Change | None:
    kind, choices = str(f.type), f.metadata["choices"]
    if kind == "bool" or choices:
        others = [c for c in (choices or (False, True)) if c != here]
        values = np.array([here, *others])
        answers = covers(values)
        then = next((v for v, a in zip(others, answers[1:], strict=True) if a != answers[0]), None)
        return None if then is None else Change(f.name, here, then, 1.0, not answers[0])
    ends = slider_of(decoder, f.name)
    if ends is None:
        return None
    low, high = min(ends[0], here), max(ends[1], here)
    if not low < high:
        return None
    if kind == "int":
        return _of_whole_number(f.name, here, int(low), int(min(high, low + points)), covers)
    return _of_number(f.name, float(here), low, high, covers, breakpoints, points)


def _of_whole_number(name: str, here: int, low: int, high: int, covers: Covers) -> Change | None:
    values = np.arange(low, high + 1)
    answers = covers(np.concatenate([[here], values]))
    differ = values[answers[1:] != answers[0]]
    if len(differ) == 0:
        return None
    then = int(differ[np.argmin(np.abs(differ - here))])
    return Change(name, here, then, abs(then - here) / (high - low), not answers[0])


def _of_number(
    name: str,
    here: float,
    low: float,
    high: float,
    covers: Covers,
    breakpoints: NDArray[np.float64] | None,
    points: int,
) -> Change | None:
    """The nearest on each side: of the pieces between breakpoints where these are known, else of a grid; then narrowed
    down between the last equal and the first other value."""
    now = bool(covers(np.array([here]))[0])
    found: list[tuple[float, float]] = []
    for end in (low, high):
        if end == here:
            continue
        line = _line(here, end, breakpoints, points)
        other = np.flatnonzero(covers(line) != now)
        if len(other) == 0:
            continue
        first = int(other[0])
        same, differs = (here if first == 0 else float(line[first - 1])), float(line[first])
        for _ in range(_ROUNDS):
            inside = np.linspace(same, differs, _NARROWED + 2)[1:-1]
            changed = np.flatnonzero(covers(inside) != now)
            at = int(changed[0]) if len(changed) else _NARROWED
            same, differs = (float(inside[at - 1]) if at else same), (float(inside[at]) if len(changed) else differs)
        found.append((abs(differs - here), _short(here, differs, end, lambda v: covers(v) != now)))
    if not found:
        return None
    _, then = min(found)
    return Change(name, here, then, abs(then - here) / (high - low), not now)


def _line(here: float, end: float, breakpoints: NDArray[np.float64] | None, points: int) -> NDArray[np.float64]:
    """Values from ``here`` (exclusive) to ``end``: one in every piece between breakpoints, or a grid."""
    if breakpoints is None:
        return np.linspace(here, end, points)[1:]
    between = breakpoints[(breakpoints > min(here, end)) & (breakpoints < max(here, end))]
    edges = np.unique(np.concatenate([[here, end], between]))
    middles = (edges[1:] + edges[:-1]) / 2
    values = np.unique(np.append(middles, end))
    return values if end > here else values[::-1]


def _short(here: float, value: float, end: float, differs: Covers) -> float:
    """The number of the fewest digits from ``value`` on towards ``end`` that still does it."""
    away = 1 if end > here else -1
    for digits in _DIGITS:
        unit = 10.0 ** -(digits - 1)
        rounded = round(np.ceil(value / unit * away) * away * unit, digits - 1)
        near = abs(rounded - value) <= _SPARE * abs(value - here) and (rounded - end) * away <= 0
        if near and differs(np.array([rounded]))[0]:
            return float(rounded)
    return value


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
