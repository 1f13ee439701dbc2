"""The exact response to (tau0, tau_r) in units of the sweep: what the whole plane costs beside single settings of it.

One thread, 200 made-up videos, LLP's metric and its objective; CPU time, the least of several runs, all in one process.
Writes JSON with the machine and the versions: ``python benchmarks/exact_plane.py --out FILE``.
"""

from __future__ import annotations

import argparse
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from avreplay.core.decoders.av2a import Av2aDecoder, replay_scores
from avreplay.core.decoders.base import Inputs
from avreplay.core.exact.curves import tau_f_curves
from avreplay.core.exact.response import exact_response
from avreplay.core.metrics.llp import LlpMetric
from avreplay.core.params.av2a import Params, make_params
from avreplay.core.sweep import sweep
from avreplay.core.target import Target
from avreplay.evaluate.bench.environment import describe_machine, describe_versions
from avreplay.evaluate.bench.replay import synthetic_scores
from avreplay.evaluate.tuning.objective import parse_objective
from avreplay.evaluate.tuning.sampling import sobol_table
from avreplay.evaluate.tuning.space import parse_space
from result_file import write_result

DECODER = Av2aDecoder()
PROFILES = {"release": make_params("languagebind"), "paper": make_params("languagebind", "paper")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="few videos, few repeats")
    options = parser.parse_args()
    write_result(measure(options.quick), options.out)


def measure(quick: bool = False) -> dict[str, Any]:
    videos, settings, repeats = (10, 16, 1) if quick else (200, 256, 5)
    bundle = synthetic_scores(videos, 25)
    return {
        "machine": "{cpu}, {cores} cores".format(**describe_machine()),
        "versions": describe_versions(),
        "videos": videos,
        "labels": bundle.num_labels,
        **{name: _profile(bundle, params, settings, repeats) for name, params in PROFILES.items()},
    }


def _profile(bundle: Any, params: Params, settings: int, repeats: int) -> dict[str, Any]:
    truth = replay_scores(bundle, params.override({"tau0": 0.7, "tau_r": 0.6})).events
    target, inputs = Target.on(bundle, truth, LlpMetric()), Inputs(bundle)
    objective = parse_objective(None, target.names, target.metric).weights
    table = sobol_table(params, parse_space((), params, DECODER.search_space()), settings, seed=0)
    swept = lambda: deque(sweep(DECODER, inputs, table, target, objective, threads=1), maxlen=0)  # noqa: E731
    setting = cpu_seconds(swept, repeats) / settings

    respond = lambda: exact_response(DECODER, inputs, params, target, threads=1)  # noqa: E731
    response = respond()
    whole = cpu_seconds(lambda: respond().plane(objective).optimum(), repeats)
    plane = response.plane(objective)
    times = np.random.default_rng(0).multinomial(bundle.num_videos, np.full(bundle.num_videos, 1 / bundle.num_videos))
    grid = np.linspace(0, 1, 201)
    surface = cpu_seconds(lambda: plane.surface(grid, grid), repeats)
    best = plane.optimum()
    return {
        "sweep_setting_ms": round(setting * 1e3, 2),
        "plane_ms": round(whole * 1e3, 1),
        "plane_in_settings": round(whole / setting, 1),
        "resample_ms": round(cpu_seconds(lambda: plane.optimum(times), repeats) * 1e3, 2),
        "surface_201_x_201_ms": round(surface * 1e3, 1),
        "surface_times_faster_than_sweep": round(setting * 201 * 201 / (whole + surface)),
        "ceiling_ms": round(cpu_seconds(plane.ceiling, repeats) * 1e3, 1),
        "curves_tau0_ms": round(cpu_seconds(lambda: response.curves("tau0").curve(), repeats) * 1e3, 1),
        "curves_tau_r_ms": round(cpu_seconds(lambda: response.curves("tau_r").curve(), repeats) * 1e3, 1),
        "curves_tau_f_ms": round(cpu_seconds(lambda: tau_f_curves(DECODER, inputs, params, target), 1) * 1e3, 1),
        "steps": len(plane.position),
        "combinations_a_video": round(sum(len(g.values) for g in response.groups) / bundle.num_videos),
        "best_cell": best.tau0_range[1] - best.tau0_range[0],
    }


def cpu_seconds(run: Callable[[], Any], repeats: int) -> float:
    """CPU time of this thread, the least of some runs after one that compiles or loads."""
    run()
    found = []
    for _ in range(repeats):
        began = time.thread_time()
        run()
        found.append(time.thread_time() - began)
    return min(found)


if __name__ == "__main__":
    main()
