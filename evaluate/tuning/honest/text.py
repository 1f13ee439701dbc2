"""What the settings of a search are worth, in words and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...intervals import Estimate
from .region import Span
from .spread import Spread
from .stage import Honest

VALUE_HEADS = ("objective", "in-sample", "cross-validated")


def with_interval(value: float, low: float | None, high: float | None, sign: str = "", digits: int = 1) -> str:
    """A figure, with its interval where there is one."""
    if low is None or high is None or np.isnan(low):
        return f"{value:{sign}.{digits}f}"
    return f"{value:{sign}.{digits}f} [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"


def estimate_text(e: Estimate, sign: str = "") -> str:
    """An estimate with its interval, in percent with one decimal."""
    return with_interval(e.figure, e.low, e.high, sign)


def value_rows(h: Honest, start_value: float, sharp_value: float) -> list[list[str]]:
    """Objective of the start, the sharp and the recommended setting: in-sample, and held out."""
    values = {} if h.cross_validation is None else h.cross_validation.values
    kept = "smoothed" if h.smoothed else "sharp"
    recommended = h.recommended_value

    def row(name: str, in_sample: str, held_out: Spread | None, sign: str = "") -> list[str]:
        found = "" if held_out is None else with_interval(held_out.value, held_out.low, held_out.high, sign, 2)
        return [name, in_sample, found]

    gain = values.get("smoothed_minus_sharp") if h.smoothed else None
    return [
        row("start", f"{start_value:.2f}", values.get("start")),
        row("sharp", f"{sharp_value:.2f}", values.get("sharp")),
        row("recommended", f"{recommended:.2f}", values.get(kept)),
        row("recommended - sharp", f"{recommended - sharp_value:+.2f}", gain, "+"),
    ]


def start_lines(values: Mapping[str, Spread], kept: str) -> list[str]:
    """That the search found nothing better than the start, where that is so on the videos that were held out."""
    start, found = values.get("start"), values.get(kept)
    if start is None or found is None or not found.value < start.value:
        return []
    return [
        f"cross-validated, the recommended setting is {start.value - found.value:.2f} below the start: on these videos "
        "the search has found nothing that is sure to be better"
    ]


def honest_lines(h: Honest) -> list[str]:
    """How much of the best figure will hold on other videos, a sentence each."""
    lines = []
    cv = h.cross_validation
    if cv is not None and cv.folds:
        lines.append(f"cross-validated on {cv.folds} folds of the videos: {cv.procedure}")
    if cv is not None and cv.note:
        lines.append(f"cross-validation: {cv.note}")
    if cv is not None:
        lines += start_lines(cv.values, "smoothed" if h.smoothed else "sharp")
    if not h.smoothed and cv is not None:
        lost = cv.values["smoothed_minus_sharp"]
        lines.append(
            "the sharp setting is the recommended one: with smoothing the held-out objective changes by "
            f"{with_interval(lost.value, lost.low, lost.high, '+', 2)}"
        )
    if h.leave_one_out is not None:
        one = h.leave_one_out
        lines.append(
            f"leave-one-out of the choice among the {one['candidates']:,} best settings: sharp "
            f"{with_interval(one['value'], one['low'], one['high'], digits=2)}"
        )
    best = h.bootstrap()
    if best is not None:
        value = best["value"]
        outside = "" if best["out_of_bag"] is None else f", and {best['out_of_bag']:.2f} on the videos left out"
        lines.append(
            f"optimum of {best['resamples']} resamples of the videos: "
            f"{with_interval(value['mean'], value['low'], value['high'], digits=2)} on the resample{outside}"
        )
    lines += [h.note] if h.note else []
    flat = [name for name, span in h.region.items() if span.whole]
    if len(flat) == len(h.region):
        lines.append("no option by itself changes the objective by more than its standard error")
    return lines


def region_text(span: Span) -> str:
    """The safe span of one option."""
    if span.low is not None and span.high is not None:
        return "all of it" if span.whole else f"{span.low:.3g} to {span.high:.3g}"
    if span.whole and len(span.values) > 1:
        return "any"
    return ", ".join(_shown(v) for v in span.values)


def optimum_text(found: Mapping[str, Any]) -> str:
    """Where the optimum of the resamples lies, of one option."""
    if "shares" in found:
        often = sorted(found["shares"].items(), key=lambda item: -item[1])[:2]
        return ", ".join(f"{name} {100 * share:.0f} %" for name, share in often if share > 0)
    return f"{found['low']:.3g} to {found['high']:.3g}"


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
