"""After how many settings extraction has paid for itself, against ways of working that encode anew for each setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import floor
from typing import Any

from ..paper import paper_tables

SETTINGS = (1, 10, 100, 1000, 8192)
"""Numbers of settings for which costs are shown; the last is the size of a Sobol search."""

_HARDWARE = "the authors' hardware, which the paper does not name"


@dataclass(frozen=True)
class Baseline:
    """A way of working that pays ``seconds`` per video for every setting.

    ``same_machine``: measured here with the same encoder. Otherwise ``source`` says where the figure is from.
    """

    name: str
    seconds: float
    source: str
    same_machine: bool


@dataclass(frozen=True)
class BreakEven:
    """Extraction once and a replay for each setting, against one baseline, in seconds per video.

    Attributes
    ----------
    once, each : extraction; replay of one setting
    settings : the smallest number n of settings with once + n * each < n * baseline.seconds; None: there is none
    ratios : for each number of `SETTINGS`, the baseline's cost over ours
    """

    baseline: Baseline
    once: float
    each: float
    settings: int | None
    ratios: dict[int, float]

    def as_dict(self) -> dict[str, Any]:
        found = asdict(self)
        ratios = {str(n): ratio for n, ratio in self.ratios.items()}
        return {"rival": found.pop("baseline"), **found, "ratios": ratios}


def paper_baselines() -> tuple[Baseline, Baseline]:
    """Inference per video as the paper reports it (section 4.2, Method Efficiency): AV2A, weakly supervised methods.

    The paper puts the latter in the same order of magnitude as its own 2.49 s, and adds 2.68 s to extract their
    features.
    """
    seconds = paper_tables()["av2a_inference_seconds_per_video"]
    own, features = seconds["av2a"], seconds["weakly supervised feature extraction extra"]
    return (
        Baseline("AV2A as the paper reports it", own, _HARDWARE, False),
        Baseline("weakly supervised models and their features, paper", own + features, _HARDWARE, False),
    )


def break_even(once: float, each: float, baselines: Sequence[Baseline]) -> list[BreakEven]:
    """Compare ``once`` + n * ``each`` with n * baseline for every baseline; all in seconds per video."""
    return [
        BreakEven(
            baseline=baseline,
            once=once,
            each=each,
            settings=settings_to_pay(once, each, baseline.seconds),
            ratios={n: n * baseline.seconds / (once + n * each) for n in SETTINGS},
        )
        for baseline in baselines
    ]


def settings_to_pay(once: float, each: float, other: float) -> int | None:
    """Smallest n >= 1 with ``once + n * each < n * other``, exactly; None where no n is large enough."""
    gain = Fraction(other) - Fraction(each)
    if gain <= 0:
        return None
    return max(1, floor(Fraction(once) / gain) + 1)


def extraction_baselines(extraction: Mapping[str, Any]) -> tuple[Baseline, Baseline]:
    """Encoding again for every setting on this machine, from the figures of ``extract.bench``: all windows, or none."""
    source = f"measured here, {extraction['backbone']} encoder"
    return (
        Baseline("encoding all of it again", extraction["again"], source, True),
        Baseline("encoding segments and clip again, no windows", extraction["least_again"], source, True),
    )
