"""What a search maximises: one figure, or a weighted sum of figures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.errors import UsageError, did_you_mean
from ...core.metrics.base import Metric
from ...core.target import weighted_sum

_LARGEST_WEIGHT = 1e100  # squares of the objective stay finite
_TERM = re.compile(r"([+-]?)(?:((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\*)?([A-Za-z_]\w*)")


@dataclass(frozen=True)
class Objective:
    """Weights (M,) of a target's figures, and the text that says so."""

    text: str
    weights: tuple[float, ...]

    def of(self, figures: NDArray[np.float64]) -> NDArray[np.float64]:
        """The objective (...) of figures (..., M), term by term; a figure that does not count may be undefined."""
        return weighted_sum(figures, self.weights)

    def among(self, wanted: Sequence[str], names: Sequence[str], figures: NDArray[np.float64]) -> NDArray[np.float64]:
        """The objective (...) of figures (..., K) by their names, of which the weights are of ``wanted`` (M); NaN where
        it needs one that is not among them, since these videos do not have it."""
        undefined = np.full(figures.shape[:-1], np.nan)
        columns = [figures[..., names.index(n)] if n in names else undefined for n in wanted]
        return self.of(np.stack(columns, axis=-1))


def parse_objective(text: str | None, names: Sequence[str], metric: Metric) -> Objective:
    """Read ``type_av_event`` or ``0.5*type_av_seg+0.5*event_av_seg``; None is the metric's own.

    Raises: UsageError for an unknown figure, naming the nearest, or another form.
    """
    text = "".join((text or metric.default_objective(names)).split())
    weights = dict.fromkeys(names, 0.0)
    at = 0
    while at < len(text):
        match = _TERM.match(text, at)
        if match is None or (at > 0 and not match[1]):
            raise UsageError(f"the objective {text!r} is not of the form 0.5*type_av_seg+0.5*event_av_seg")
        sign, weight, name = match.groups()
        if name not in weights:
            hint = did_you_mean(name, names) or f"; figures are {', '.join(names)}"
            raise UsageError(f"there is no figure {name!r}{hint}")
        weights[name] += float(f"{sign}{weight or 1}")
        at = match.end()
    if not any(weights.values()):
        raise UsageError(f"the objective {text!r} weighs every figure with zero")
    if not 1 / _LARGEST_WEIGHT <= sum(map(abs, weights.values())) <= _LARGEST_WEIGHT:  # NaN of inf - inf, too
        raise UsageError(
            f"the objective {text!r} has weights that are, together, not from {1 / _LARGEST_WEIGHT:g} to "
            f"{_LARGEST_WEIGHT:g}"
        )
    return Objective(text, tuple(weights.values()))
