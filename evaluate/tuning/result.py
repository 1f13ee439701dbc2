"""What a search found, and how its best setting does on other videos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...cache.tabular import Tabular
from ...core.params.options import OptionSet
from ..intervals import NONE, Comparison, Estimate, intervals
from .exact.figure import OBJECTIVE, exact_figure
from .exact.stage import Exact
from .honest.region import RULE as REGION_RULE
from .honest.stage import Honest
from .objective import Objective
from .problem import Problem
from .search import SearchResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


@dataclass(frozen=True, eq=False)
class TuneResult(Tabular):
    """What ``avreplay tune`` found.

    Attributes
    ----------
    found : the search, with the best setting that it tried, the *sharp* one
    recommended : the setting that :mod:`.honest` recommends; the sharp one where ``honest`` is None
    honest : what both are worth on other videos; None where the search was stopped
    sharp : whether ``best.toml`` holds the sharp setting, not the recommended one
    report, sharp_report, gain_report : on the report split: the recommended setting against the start, the sharp one
        against the start, the recommended against the sharp one
    exact : the exact response around the setting in ``best.toml``; None where the search was stopped
    tuned_on : the encoder of the scores; None where they are imported or a trained model's
    """

    found: SearchResult
    start: OptionSet
    objective: Objective
    problem: Problem
    start_value: float
    ceiling: float | None
    report: Comparison | None
    report_note: str
    names: tuple[str, ...]
    files: dict[str, str]
    recommended: OptionSet
    honest: Honest | None
    sharp: bool
    sharp_report: Comparison | None
    gain_report: Comparison | None
    honest_seconds: float
    exact: Exact | None
    tuned_on: str | None

    @property
    def kept(self) -> OptionSet:
        """The setting in ``best.toml``."""
        return self.found.best if self.sharp else self.recommended

    @property
    def recommended_value(self) -> float:
        """The objective of the recommended setting on the videos of the search."""
        return self.found.best_value if self.honest is None else self.honest.recommended_value

    def __repr__(self) -> str:
        values = f"{self.start_value:.2f} at the start, {self.found.best_value:.2f} at best of {self.found.done} trials"
        return f"<TuneResult: {self.objective.text[:60]} is {values}>"

    def columns(self) -> dict[str, list[Any]]:
        """``option`` (those that were searched, and the objective), and its values: ``start``, ``sharp``,
        ``recommended``."""
        settings = {"start": self.start, "sharp": self.found.best, "recommended": self.recommended}
        values = {"start": self.start_value, "sharp": self.found.best_value, "recommended": self.recommended_value}
        columns = {name: [*self._of(of).values(), values[name]] for name, of in settings.items()}
        return {"option": [*self.names, self.objective.text], **columns}

    def plot(self, figure: str = OBJECTIVE) -> Figure:
        """The exact response around the kept setting as a ``matplotlib.figure.Figure``: the objective over the plane of
        tau0 and tau_r, and the objective, or another figure, over each of tau0, tau_r and tau_f, with 95 % bootstrap
        bands; the start and the settings found are marked.

        Raises
        ------
        UsageError
            an unknown figure, or Matplotlib is not installed
        DataError
            there is no exact response: the search was stopped, or decoder, metric or options have none
        """
        found = {"sharp": self.found.best} if self.sharp else {"recommended": self.recommended}
        places = {name: of.as_dict() for name, of in {"start": self.start, **found}.items()}
        return exact_figure(self.exact, self.objective.text, places, figure)

    @property
    def exit_code(self) -> int:
        return INTERRUPTED if self.found.stopped else 0

    def as_dict(self) -> dict[str, Any]:
        """What ``avreplay tune --json`` prints."""
        h, sharp = self.honest, self._of(self.found.best)
        means = {} if h is None else {"sharp": h.choice.sharp_mean, "recommended": h.recommended_mean}
        return {
            "objective": self.objective.text,
            "best": sharp,
            "best_value": self.found.best_value,
            "best_trial": self.found.best_trial,
            "start": self._of(self.start),
            "start_value": self.start_value,
            "params": "sharp" if self.sharp else "recommended",
            "sharp": {
                "setting": sharp,
                "value": self.found.best_value,
                "trial": self.found.best_trial,
                "neighbours": _known(means.get("sharp")),
            },
            "recommended": {
                "setting": self._of(self.recommended),
                "value": self.recommended_value,
                "neighbours": _known(means.get("recommended")),
                "rule": None if h is None else h.rule.text,
                "region": None if h is None else {name: span.as_dict() for name, span in h.region.items()},
                "region_rule": REGION_RULE,
            },
            "cross_validated": self._cross_validated(),
            "bootstrap": self._bootstrap(),
            "honest_note": "" if h is None else h.note,
            "plane": None if self.exact is None else self.exact.as_dict(),
            "plane_note": "" if self.exact is None else self.exact.note,
            "settings_tried": self.found.done,
            "ceiling": self.ceiling,
            "trials": self.found.done,
            "trials_planned": self.found.trials,
            "stopped": self.found.stopped,
            "seconds": self.found.seconds,
            "honest_seconds": self.honest_seconds,
            "new_trials": self.found.new_trials,
            "search": {
                "dataset": self.problem.annotations.dataset,
                "split": self.problem.annotations.split,
                "videos": self.problem.videos.num_videos,
                "available": self.problem.available,
                "expected": self.problem.expected,
                "ids_sha256": self.problem.annotations.ids_sha256,
            },
            "report": _dict(self.sharp_report if self.sharp else self.report),
            "report_sharp": _dict(self.sharp_report),
            "report_recommended": _dict(self.report),
            "report_recommended_minus_sharp": None
            if self.gain_report is None
            else {n: d.as_dict() for n, d in self.gain_report.differences.items()},
            "report_note": self.report_note,
            "files": self.files,
        }

    def _cross_validated(self) -> dict[str, Any] | None:
        """With the held-out figure of the exact plane, where there is one."""
        found = None if self.honest is None else self.honest.cross_validated()
        plane = None if self.exact is None else self.exact.plane
        if found is None or found["leave_one_out"] is None:
            return found
        left_out = None if plane is None or plane.left_out is None else plane.left_out.as_dict()
        return {**found, "leave_one_out": {**found["leave_one_out"], "plane": left_out}}

    def _bootstrap(self) -> dict[str, Any] | None:
        """With the optimum of the exact plane, where there is one."""
        found = None if self.honest is None else self.honest.bootstrap()
        plane = None if self.exact is None else self.exact.plane
        if found is None:
            return None
        return {**found, "plane": None if plane is None or plane.resampled is None else plane.resampled.as_dict()}

    def _of(self, params: OptionSet) -> dict[str, Any]:
        values = params.as_dict()
        return {name: values[name] for name in self.names}


def _known(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else value


def _dict(report: Comparison | None) -> dict[str, Any] | None:
    return None if report is None else report.as_dict()


def spread_rows(r: TuneResult, seed: int = 0) -> list[tuple[str, dict[str, Estimate]]]:
    """For each figure of the report split, with its interval: ``start``, ``sharp`` and ``recommended``, and by how much
    the recommended setting beats the two (``gain``, ``over_sharp``)."""
    if r.report is None or r.sharp_report is None or r.gain_report is None:
        return []
    resamples = r.report.resamples
    runs = {"start": r.report.first, "sharp": r.sharp_report.second, "recommended": r.report.second}
    of_each = {name: intervals(e, resamples=resamples, seed=seed) for name, e in runs.items()}
    return [
        (n, {k: v.get(n, NONE) for k, v in of_each.items()} | {"gain": d, "over_sharp": r.gain_report.differences[n]})
        for n, d in r.report.differences.items()
    ]
