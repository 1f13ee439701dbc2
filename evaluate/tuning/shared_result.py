"""What a search over several data sets found: one setting for all, one for each, and what sharing costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...core.decoders.base import Decoder
from ...core.params.options import OptionSet
from ..intervals import Comparison
from .result import INTERRUPTED, TuneResult
from .search import SearchResult


@dataclass(frozen=True, eq=False)
class OfOne:
    """One data set: its own search, the best setting known for it, and the objective of the shared setting on it, with
    the start and the shared setting on its report split. Without a shared setting ``shared_value`` is None."""

    name: str
    alone: TuneResult
    own_value: float
    own: OptionSet
    shared_value: float | None
    report: Comparison | None
    report_note: str

    @property
    def cost(self) -> float | None:
        """What the shared setting is below the data set's own best."""
        return None if self.shared_value is None else self.own_value - self.shared_value


@dataclass(frozen=True, eq=False)
class SharedResult:
    """What ``avreplay tune`` found on several data sets; ``share`` is mean, worst or none, and ``found`` the search for
    one setting, None where there was none."""

    share: str
    of_each: tuple[OfOne, ...]
    found: SearchResult | None
    start: OptionSet
    start_value: float
    objective: str
    names: tuple[str, ...]
    decoder: Decoder[Any]
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
            "trials_planned": f.trials, "stopped": f.stopped,
        }  # fmt: skip
        return {
            "share": self.share,
            "objective": self.objective,
            **shared,
            "start": self.of(self.start),
            "start_value": self.start_value,
            "datasets": [self._of_one(one) for one in self.of_each],
            "files": dict(self.files),
        }

    def timing(self) -> dict[str, Any]:
        """Seconds and new trials of this run: of the shared search, and of each data set's own."""
        each = {one.name: _timing(one.alone.found) for one in self.of_each}
        return {**({} if self.found is None else _timing(self.found)), "datasets": each}

    def _of_one(self, one: OfOne) -> dict[str, Any]:
        search = one.alone.as_dict()
        shared = {} if one.shared_value is None else {
            "shared_value": one.shared_value,
            "cost": one.cost,
            "report": None if one.report is None else one.report.as_dict(),
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
