"""What a search over several data sets found: one setting for all, one for each, and what sharing costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...core.decoders.base import Decoder
from ...core.params.options import OptionSet
from ..intervals import Comparison
from .honest.several import SharedHonest
from .result import INTERRUPTED, TuneResult
from .search import SearchResult


@dataclass(frozen=True, eq=False)
class OfOne:
    """One data set in a search over several.

    Attributes
    ----------
    alone : its own search
    own_value, own : the best objective known for it, and that setting
    shared_value, recommended_value : its objective at the sharp and at the recommended shared setting; None without one
    gain_report : on its report split, the recommended shared setting against the sharp one
    report : on its report split, the shared setting in ``best.toml`` against the start; ``report_note`` on what it is
    """

    name: str
    alone: TuneResult
    own_value: float
    own: OptionSet
    shared_value: float | None
    recommended_value: float | None
    gain_report: Comparison | None
    report: Comparison | None
    report_note: str

    @property
    def cost(self) -> float | None:
        """What the sharp shared setting is below the data set's own best."""
        return None if self.shared_value is None else self.own_value - self.shared_value


@dataclass(frozen=True, eq=False)
class SharedResult:
    """What ``avreplay tune`` found on several data sets.

    Attributes
    ----------
    share : mean, worst or none
    found : the search for one setting; None where there was none
    recommended, honest : the setting that is recommended, and what it and the sharp one are worth on other videos; None
        where there was no such search, or ``honest`` where it was stopped
    sharp : whether ``best.toml`` holds the sharp setting
    """

    share: str
    of_each: tuple[OfOne, ...]
    found: SearchResult | None
    start: OptionSet
    start_value: float
    objective: str
    names: tuple[str, ...]
    decoder: Decoder[Any]
    recommended: OptionSet | None
    honest: SharedHonest | None
    sharp: bool
    files: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        names = ", ".join(one.name for one in self.of_each)
        best = "one setting each" if self.found is None else f"{self.found.best_value:.2f} shared"
        return f"<SharedResult: {best}, of {names[:80]}>"

    @property
    def tuned_on(self) -> str | None:
        """The encoder of the scores, where it is one for all."""
        found = {one.alone.tuned_on for one in self.of_each}
        return found.pop() if len(found) == 1 else None

    @property
    def kept(self) -> OptionSet | None:
        """The setting in ``best.toml``."""
        return self.found.best if self.sharp and self.found is not None else self.recommended

    @property
    def recommended_value(self) -> float | None:
        """The objective of the recommended setting, of all data sets."""
        if self.honest is not None:
            return self.honest.recommended_value
        return None if self.found is None else self.found.best_value

    @property
    def exit_code(self) -> int:
        return INTERRUPTED if self.found is not None and self.found.stopped else 0

    def of(self, params: OptionSet) -> dict[str, Any]:
        """The options that were searched."""
        values = params.as_dict()
        return {name: values[name] for name in self.names}

    def as_dict(self) -> dict[str, Any]:
        """What ``avreplay tune --json`` prints."""
        f = self.found
        shared = {} if f is None else {
            "best": self.of(f.best), "best_value": f.best_value, "best_trial": f.best_trial, "trials": f.done,
            "trials_planned": f.trials, "stopped": f.stopped, **self._judged(f),
        }  # fmt: skip
        return {
            "share": self.share,
            "objective": self.objective,
            **shared,
            "start": self.of(self.start),
            "start_value": self.start_value,
            "datasets": [self._of_one(i, one) for i, one in enumerate(self.of_each)],
            "files": dict(self.files),
        }

    def timing(self) -> dict[str, Any]:
        """Seconds and new trials of this run: of the shared search, and of each data set's own."""
        each = {one.name: _timing(one.alone.found) for one in self.of_each}
        return {**({} if self.found is None else _timing(self.found)), "datasets": each}

    def _judged(self, f: SearchResult) -> dict[str, Any]:
        """The sharp and the recommended shared setting, and what they are worth held out."""
        h = self.honest
        assert self.recommended is not None
        return {
            "params": "sharp" if self.sharp else "recommended",
            "sharp": {"setting": self.of(f.best), "value": f.best_value, "trial": f.best_trial},
            "recommended": {
                "setting": self.of(self.recommended),
                "value": self.recommended_value,
                "rule": None if h is None else h.rule.text,
            },
            "cross_validated": None if h is None else h.cross_validated(),
        }

    def _of_one(self, i: int, one: OfOne) -> dict[str, Any]:
        search = one.alone.as_dict()
        shared = {} if one.shared_value is None else {
            "shared_value": one.shared_value,
            "cost": one.cost,
            "recommended_value": one.recommended_value,
            "cross_validated": None if self.honest is None else self.honest.held_out(i),
            "report": None if one.report is None else one.report.as_dict(),
            "report_recommended_minus_sharp": None
            if one.gain_report is None
            else {n: d.as_dict() for n, d in one.gain_report.differences.items()},
            "report_note": one.report_note,
        }  # fmt: skip
        return {
            "name": one.name,
            "objective": search["objective"],
            "search": search["search"],
            "start_value": one.alone.start_value,
            "own": self.of(one.own),
            "own_value": one.own_value,
            **shared,
            "files": search["files"],
        }


def _timing(found: SearchResult) -> dict[str, Any]:
    return {"seconds": found.seconds, "new_trials": found.new_trials}
