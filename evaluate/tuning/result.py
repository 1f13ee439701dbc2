"""What a search found, and how its best setting does on other videos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...core.params.options import OptionSet
from ..intervals import Comparison, intervals
from .objective import Objective
from .problem import Problem
from .search import SearchResult

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


@dataclass(frozen=True, eq=False)
class TuneResult:
    """What ``avreplay tune`` found; ``report`` compares the start and the best setting on the report split."""

    found: SearchResult
    start: OptionSet
    objective: Objective
    problem: Problem
    start_value: float
    ceiling: float | None
    report: Comparison | None
    report_note: str
    names: tuple[str, ...]
    files: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        values = f"{self.start_value:.2f} at the start, {self.found.best_value:.2f} at best of {self.found.done} trials"
        return f"<TuneResult: {self.objective.text[:60]} is {values}>"

    @property
    def exit_code(self) -> int:
        return INTERRUPTED if self.found.stopped else 0

    def as_dict(self) -> dict[str, Any]:
        """What ``avreplay tune --json`` prints."""
        best = self.found.best.as_dict()
        return {
            "objective": self.objective.text,
            "best": {name: best[name] for name in self.names},
            "best_value": self.found.best_value,
            "best_trial": self.found.best_trial,
            "start": {name: self.start.as_dict()[name] for name in self.names},
            "start_value": self.start_value,
            "ceiling": self.ceiling,
            "trials": self.found.done,
            "trials_planned": self.found.trials,
            "stopped": self.found.stopped,
            "seconds": self.found.seconds,
            "new_trials": self.found.new_trials,
            "search": {
                "dataset": self.problem.annotations.dataset,
                "split": self.problem.annotations.split,
                "videos": self.problem.bundle.num_videos,
                "available": self.problem.available,
                "expected": self.problem.expected,
                "ids_sha256": self.problem.annotations.ids_sha256,
            },
            "report": None if self.report is None else self.report.as_dict(),
            "report_note": self.report_note,
            "files": self.files,
        }


def spread_rows(report: Comparison, resamples: int, seed: int = 0) -> list[tuple[str, Mapping[str, float]]]:
    """For each figure: both runs with their intervals, and the difference with its."""
    first = intervals(report.first, resamples=resamples, seed=seed)
    second = intervals(report.second, resamples=resamples, seed=seed)
    return [
        (
            name,
            {
                "start": first[name].figure, "start_low": first[name].low, "start_high": first[name].high,
                "best": second[name].figure, "best_low": second[name].low, "best_high": second[name].high,
                "gain": d.figure, "gain_low": d.low, "gain_high": d.high,
            },
        )
        for name, d in report.differences.items()
    ]  # fmt: skip
