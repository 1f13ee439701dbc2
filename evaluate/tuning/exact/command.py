"""``avreplay response``: the exact response around a setting, without a search."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ....cache.atomic_write import atomic_write
from ....cache.places import check_outputs
from ....cache.tabular import Tabular
from ....core.arguments import typed_arguments
from ....core.exact.axes import PLANE, require_exact
from ....core.exact.curves import StepCurves, tau_f_curves
from ....core.exact.response import exact_response
from ....core.params.av2a import Params
from ...datasets.registry import load_annotations
from ...files.params_file import decoder_params
from ...inputs import input_blocks, reads_of
from ...made_from import settings_for
from ...report.html import page_template, plotly_js
from ...report.html_escape import plain
from ...tune_options import ResponseRequest
from ..display import counted_progress
from ..objective import Objective, parse_objective
from ..problem import Problem, make_problem
from ..task import value_of
from .curves import Curves, curves_of
from .figure import OBJECTIVE, exact_figure
from .stage import WHOLE, Exact, ExactPlane, plane_of
from .text import exact_sections, plane_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SETTING = "given"


@dataclass(frozen=True, eq=False)
class ResponseResult(Tabular):
    """The exact response to ``request.over``: the plane of tau0 and tau_r, or curves over one number.

    Attributes
    ----------
    setting : whose other options are fixed; ``value`` : its objective, in percent
    plane : the plane with its optimum; None for one number
    steps, curves : of one number: every value at which a figure changes, and the figures at even values; None for two
    """

    request: ResponseRequest
    problem: Problem
    setting: Params
    objective: Objective
    value: float
    plane: ExactPlane | None
    steps: StepCurves | None
    curves: Curves | None

    def __repr__(self) -> str:
        what = f"{self.problem.num_videos} videos of {self.problem.annotations.dataset}"
        return f"<ResponseResult: {self.objective.text[:60]} over {self.request.over}, {what}>"

    def columns(self) -> dict[str, list[Any]]:
        """The plane's grid (``tau0``, ``tau_r``, ``objective``, ``within_standard_error``: 1 or 0), or every step of
        the curves: objective and all figures from a value on (``tau0_from``), to the next one."""
        if self.plane is not None:
            s = self.plane.surface
            tau0, tau_r = (grid.ravel().tolist() for grid in np.meshgrid(s.tau0, s.tau_r, indexing="ij"))
            safe = s.safe.ravel().astype(int).tolist()
            values = {OBJECTIVE: s.objective.ravel().tolist(), "within_standard_error": safe}
            return {**dict(zip(PLANE, (tau0, tau_r), strict=True)), **values}
        assert self.curves is not None
        edges, figures = self._steps()
        return {f"{self.curves.name}_from": edges.tolist(), **_columns(self.curves.names, figures)}

    def plot(self, figure: str = OBJECTIVE) -> Figure:
        """The plane, or the curve of the objective or of another figure, as a ``matplotlib.figure.Figure``.

        Raises: UsageError for an unknown figure, or without Matplotlib.
        """
        return exact_figure(self._exact(), self.objective.text, {SETTING: self.setting.as_dict()}, figure)

    def as_dict(self) -> dict[str, Any]:
        """What ``avreplay response --json`` prints; the file has the figures too."""
        over = self.request.over.split(",")
        p = self.problem
        values = self.setting.as_dict()
        found = {
            "over": over,
            "objective": self.objective.text,
            "setting": {name: values[name] for name in over},
            "value": self.value,
            "videos": p.num_videos,
            "ids_sha256": p.annotations.ids_sha256,
        }
        if self.plane is not None:
            fixed = {k: v for k, v in values.items() if k not in over}
            left_out, of = self.plane.left_out, self.plane.resampled
            found |= self.plane.as_dict(fixed)
            found["leave_one_out"] = None if left_out is None else left_out.as_dict()
            found["bootstrap"] = None if of is None else of.as_dict()
        if self.curves is not None:
            at, value, end = self._best()
            found["fixed"] = {k: v for k, v in values.items() if k not in over}
            found |= {"optimum": {over[0]: [at, end], "value": value}, "steps": self.curves.steps}
        return {**found, "out": self.request.out}

    def _best(self) -> tuple[float, float, float]:
        """Where the objective is best from, how much it is, and up to where."""
        assert self.steps is not None
        edges, figures = self.steps.curve()
        values = np.round(self.objective.of(figures), 9)
        ends = np.append(edges[1:], 1.0)
        at = int(np.argmax(np.where(ends > edges, values, -np.inf)))
        other = np.flatnonzero(values[at:] != values[at])
        return float(edges[at]), float(values[at]), float(edges[at + other[0]]) if len(other) else 1.0

    def text(self) -> str:
        """What it prints."""
        p, r = self.problem, self.request
        values = self.setting.as_dict()
        here = ", ".join(f"{n}={values[n]:.4g}" for n in r.over.split(","))
        lines = [
            f"{p.num_videos} videos of {p.annotations.dataset} {p.annotations.split}, ids "
            f"{p.annotations.ids_sha256[:16]}; objective {self.objective.text}: {self.value:.2f} at {here}"
        ]
        if self.plane is not None:
            lines += plane_line(self._exact(), SETTING)
            share = 100 * self.plane.surface.safe_share
            lines.append(f"{share:.1f} % of the plane are below the optimum by no more than one standard error")
        if self.curves is not None:
            at, value, end = self._best()
            lines.append(
                f"exact over {r.over}, the others as given: best {value:.2f} from {at:.6g} to {end:.6g}; the figures "
                f"change at {self.curves.steps:,} values"
            )
        return "\n".join([*lines, *([f"wrote {r.out}"] if r.out else [])])

    def _exact(self) -> Exact:
        return Exact(self.setting, self.plane, () if self.curves is None else (self.curves,), {}, "")

    def write(self, path: Path) -> None:
        """Raises: DataError where it cannot be written."""
        of = {".json": self._json, ".csv": self._csv, ".html": self._page}
        atomic_write(path, of[path.suffix]().encode("utf-8", "backslashreplace"))

    def _json(self) -> str:
        found = self.as_dict()
        del found["out"]
        if self.plane is not None:
            s = self.plane.surface
            found["surface"] = {
                "tau0": s.tau0.tolist(), "tau_r": s.tau_r.tolist(), "objective": s.objective.tolist(),
                "within_standard_error": s.safe.tolist(),
            }  # fmt: skip
        if self.curves is not None:
            c = self.curves
            bounds = {k: None if of is None else _columns(c.names, of) for k, of in (("low", c.low), ("high", c.high))}
            found["curves"] = {c.name: c.values.tolist(), "figures": _columns(c.names, c.figures), **bounds}
            edges, figures = self._steps()
            found["exact"] = {"from": edges.tolist(), "figures": _columns(c.names, figures)}
        return json.dumps(found, allow_nan=False) + "\n"

    def _steps(self) -> tuple[Any, Any]:
        """Every value from which a figure is another one, and objective and figures from there on."""
        assert self.steps is not None
        edges, figures = self.steps.curve()
        return edges, np.concatenate([self.objective.of(figures)[:, None], figures], axis=1)

    def _csv(self) -> str:
        """The table."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        columns = self.columns()
        rows.writerow(columns)
        rows.writerows(zip(*columns.values(), strict=True))
        return text.getvalue()

    def _page(self) -> str:
        title = f"Response of {self.problem.annotations.dataset} {self.problem.annotations.split}"
        sections = exact_sections(self._exact(), self.problem.decoder, {SETTING: self.setting})
        template = Path(__file__).parents[1] / "response.html.j2"
        return page_template(template).render(
            plain=plain, plotly_js=plotly_js(), title=title, lead=self.text().splitlines()[:1],
            exact=[section.for_page() for section in sections],
        )  # fmt: skip


def _columns(names: Sequence[str], figures: Any) -> dict[str, list[Any]]:
    """The columns of a table by name."""
    return dict(zip(names, figures.T.tolist(), strict=True))


@typed_arguments
def response(request: ResponseRequest) -> ResponseResult:
    """The exact response of AV²A's figures to tau0 and tau_r, or to one number; written where requested.

    Raises
    ------
    UsageError
        a decoder, options or a metric without an exact response to these, an unknown figure or option
    DataError
        a store or annotations that cannot be read or have no video in common, a figure that is undefined for a video
    """
    r = request
    check_outputs(r.out, inputs=(r.params_file,))
    decoder, params = decoder_params(None, r.preset, r.profile, r.params_file, r.settings)
    over = tuple(r.over.split(","))
    exact = PLANE if "tau_f" not in over else over
    require_exact(decoder, params, None, exact)  # what has none needs no store
    chosen = settings_for(r.store, None, r.preset, r.profile, r.params_file, r.settings, r.scores)
    decoder, params = chosen.decoder, chosen.params
    truth = load_annotations(r.dataset, r.annotations, r.split)
    inputs = input_blocks(chosen.store, reads_of(decoder, [params]), chosen.scores, memory=r.memory)
    chosen.say_misfits(inputs.scores.kind)
    problem = make_problem(inputs, truth, decoder=decoder, profile=r.profile or "release", metrics=r.metrics)
    objective = parse_objective(r.objective, problem.target.names, problem.target.metric)
    setting = require_exact(decoder, params, problem.target.metric, exact)
    plane = curves = steps = response = None
    given: Any = (decoder, problem.inputs, setting, problem.target)
    with counted_progress() as progress:
        how: Any = {"threads": r.threads, "step": partial(progress, "exact response")}
        if over == ("tau_f",):
            steps = tau_f_curves(*given, **how)
        else:
            response = exact_response(*given, **how)
    if response is not None and over == PLANE:
        plane = plane_of(
            response, objective, dict.fromkeys(PLANE, WHOLE), folds=1, resamples=r.resamples, seed=r.seed,
            threads=r.threads, points=r.points,
        )  # fmt: skip
    elif response is not None:
        steps = response.curves(over[0])
    if steps is not None:
        curves = curves_of(steps, objective, r.resamples, r.seed, np.linspace(0, 1, r.points))
    value = value_of(problem, objective, setting, r.threads)
    result = ResponseResult(r, problem, setting, objective, value, plane, steps, curves)
    if r.out is not None:
        result.write(Path(r.out))
    return result
