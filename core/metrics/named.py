"""Metrics by text: several with commas between them, each with options: ``map_tiou,psds(dtc=0.5,track=audio)``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from ..errors import UsageError, did_you_mean
from .base import Metric
from .joint import JointMetric


def metric_named(text: str, find: Callable[[str], Metric]) -> Metric:
    """The metric of a text, of which ``find`` gives each by its name.

    Raises: UsageError for a parenthesis too many or too few, an unknown option, a value of another kind, a figure that
        two of the metrics have, and as ``find`` does.
    """
    found = [_with_options(part, find) for part in split_names(text)]
    return found[0] if len(found) == 1 else JointMetric(found)


def is_plain(text: str) -> bool:
    """Whether a text is the name of one metric without options."""
    return not any(mark in text for mark in "(),")


def split_names(text: str) -> list[str]:
    """The metrics of a text, each with its options. Raises: UsageError for parentheses that do not match."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if not 0 <= depth <= 1:
            break
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    if depth or not all(part.strip() for part in parts):
        raise UsageError(f"the metrics {text!r} are not of the form llp,psds(dtc=0.5,gtc=0.5)")
    return [part.strip() for part in parts]


def _with_options(text: str, find: Callable[[str], Metric]) -> Metric:
    name, bracket, rest = text.partition("(")
    metric = find(name.strip())
    if not bracket:
        return metric
    if not rest.endswith(")"):
        raise UsageError(f"the metric {text!r} is not of the form psds(dtc=0.5,gtc=0.5)")
    given: dict[str, Any] = {}
    defaults = _defaults(metric)
    for item in filter(None, (item.strip() for item in rest[:-1].split(","))):
        key, equals, value = (x.strip() for x in item.partition("="))
        if not equals:
            raise UsageError(f"{item!r} of the metric {name!r} is not of the form option=value")
        if key not in defaults:
            hint = did_you_mean(key, defaults) or f"; its options are {_with_defaults(defaults)}"
            raise UsageError(f"the metric {name!r} has no option {key!r}{hint}")
        if key in given:
            raise UsageError(f"the option {key!r} of the metric {name!r} is given twice; give it once")
        given[key] = option_value(value, defaults[key], f"{key} of the metric {name!r}")
    profile = given.pop("profile", None)
    return metric.configured(**({} if profile is None else {"profile": profile}), **given) if given or profile \
        else metric  # fmt: skip


def _defaults(metric: Metric) -> dict[str, Any]:
    """The options of a metric and their default values."""
    if not is_dataclass(metric):
        return {}
    return {f.name: f.default if f.default is not MISSING else getattr(metric, f.name) for f in fields(metric)}


def _with_defaults(defaults: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_spelled_value(value)}" for name, value in defaults.items()) or "none"


def option_value(text: str, default: Any, what: str) -> Any:
    """A text as a value of the kind of a default: a truth value, number, text, or several numbers, ``0.5/0.7`` or
    ``0.5:0.95:0.05``. Raises: UsageError naming ``what``."""
    word = text.lower()
    if word == "none" and not isinstance(default, (str, bool, tuple)):
        return None
    if isinstance(default, bool):
        if word in ("true", "false"):
            return word == "true"
        raise UsageError(f"{what} is {text!r}; give true or false")
    if isinstance(default, str):
        return text
    try:
        if isinstance(default, tuple):
            return _numbers(text)
        return int(text) if isinstance(default, int) else float(text)
    except ValueError:
        several = isinstance(default, tuple)
        kind = "numbers such as 0.5/0.7 or 0.5:0.95:0.05" if several else "a whole number" if isinstance(default, int) \
            else "a number"  # fmt: skip
        raise UsageError(f"{what} is {text!r}; give {kind}") from None


_MOST_NUMBERS = 1000


def _numbers(text: str) -> tuple[float, ...]:
    if ":" not in text:
        return tuple(map(float, text.split("/")))
    low, high, step = map(float, text.split(":"))
    if not (step > 0 and (high - low) / step < _MOST_NUMBERS):
        raise ValueError
    count = round((high - low) / step) + 1 if high >= low else 0
    if not 1 <= count <= _MOST_NUMBERS or abs(low + (count - 1) * step - high) > 1e-9:
        raise ValueError
    # decimal, as they are written: 0.3 and not 0.30000000000000004
    return tuple(round(low + i * step, 9) for i in range(count))


def spelled(metric: Metric) -> str:
    """The text that gives a metric again: its name, and the options that are not at their defaults."""
    if isinstance(metric, JointMetric):
        return ",".join(map(spelled, metric.parts))
    other = {k: getattr(metric, k) for k, v in _defaults(metric).items() if getattr(metric, k) != v}
    texts = [f"{k}={_spelled_value(v)}" for k, v in other.items()]
    return f"{metric.name}({','.join(texts)})" if texts else metric.name


def _spelled_value(value: Any) -> str:
    if isinstance(value, tuple):
        return "/".join(f"{x!r}" for x in value)
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
