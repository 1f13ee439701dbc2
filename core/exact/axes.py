"""Which parameters have an exact response, and why the others have not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..decoders.av2a import Av2aDecoder
from ..decoders.base import Decoder
from ..errors import UsageError
from ..metrics.base import Metric
from ..params.av2a import Params
from ..params.options import OptionSet

PLANE = ("tau0", "tau_r")
"""The two parameters of a plane."""

_LEAST_RIDGE = 1e-4
"""Below it the ridge's system may be so near to singular that two ways of solving it differ beyond 1e-9."""


@dataclass(frozen=True)
class Axis:
    """A parameter, whether figures over it are known exactly, and the reason in one sentence."""

    name: str
    exact: bool
    why: str


def exact_axes(decoder: Decoder[Any], params: OptionSet, metric: Metric | None = None) -> dict[str, Axis]:
    """What is exact and what has to be sampled, by the name of the parameter.

    Parameters
    ----------
    decoder : of which
    params : the options that stay fixed
    metric : what the events are scored by; None for the events themselves

    Returns
    -------
    ``tau0``, ``tau_r`` and ``tau_f`` (exact for AV²A, with every method), ``alpha`` and ``decay`` (sampled). Empty
    for a decoder that has none of these.
    """
    if type(decoder) is not Av2aDecoder or not isinstance(params, Params):
        return {}
    steps = {
        "tau0": "thresholds are tau0 times a number that changes with the decisions only",
        "tau_r": "events change only at the scores of the candidates' windows",
        "tau_f": "the selected labels change only at the labels' clip scores",
    }
    axes = {name: Axis(name, True, why) for name, why in steps.items()}
    if params.ratio == "ridge" and "label_shift" in params.method and params.ridge_weight < _LEAST_RIDGE:
        why = f"ridge_weight is {params.ridge_weight:g}, below {_LEAST_RIDGE:g}: rounding moves the cells' edges"
        axes["tau0"] = Axis("tau0", False, why)
    if params.hysteresis_drop > 0:
        why = "with hysteresis_drop above 0 the lower threshold is no multiple of tau0"
        axes["tau0"] = Axis("tau0", False, why)
    if metric is not None and not metric.mean_over_videos:
        why = f"the metric {metric.name} is no mean over videos"
        axes = {name: Axis(name, False, why) for name in axes}
    axes["alpha"] = Axis("alpha", False, "scores and ratios are rational functions of it, with many roots")
    axes["decay"] = Axis("decay", False, "thresholds are polynomials in exp(-decay), with many roots")
    return axes


def require_exact(decoder: Decoder[Any], params: OptionSet, metric: Metric | None, names: tuple[str, ...]) -> Params:
    """The options of a decoder with an exact response to some parameters.

    Raises: UsageError saying which parameter has none, and why.
    """
    axes = exact_axes(decoder, params, metric)
    if not axes or not isinstance(params, Params):
        raise UsageError(f"the decoder {decoder.name} has no exact response; sample its options with a sweep")
    for name in names:
        if not axes[name].exact:
            raise UsageError(f"the response to {name} is not exact: {axes[name].why}; sample it with a sweep")
    return params
