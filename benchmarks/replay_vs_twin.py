"""Replay and metrics against their plain NumPy twin (core/reference.py), in one run on the same inputs.

Writes JSON with the machine and the versions: ``python benchmarks/replay_vs_twin.py --out FILE``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

import numpy as np
from avreplay.cache import import_bundle, open_store
from avreplay.core.decoders.av2a import Av2aDecoder, replay_scores
from avreplay.core.decoders.base import Inputs
from avreplay.core.metrics.llp import LlpMetric, llp_metrics
from avreplay.core.params.av2a import Params, make_params
from avreplay.core.reference import llp_f_scores, video_events
from avreplay.core.sweep import sweep
from avreplay.core.target import Target
from avreplay.evaluate.bench.environment import describe_machine, describe_versions
from avreplay.evaluate.bench.replay import best_seconds, synthetic_scores
from avreplay.evaluate.tuning.objective import parse_objective
from avreplay.evaluate.tuning.sampling import sobol_table
from avreplay.evaluate.tuning.space import parse_space
from result_file import write_result

DECODER = Av2aDecoder()
PRESETS = {
    "languagebind": make_params("languagebind"),
    "languagebind, paper profile": make_params("languagebind", "paper"),
    "naive_languagebind": make_params("naive_languagebind"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="few repeats, small sizes")
    options = parser.parse_args()
    result = measure(options.quick)
    write_result(result, options.out)


def measure(quick: bool = False) -> dict:
    videos, repeats = (60, 2) if quick else (1200, 9)
    bundle = synthetic_scores(videos, 25)
    return {
        "machine": "{cpu}, {cores} cores".format(**describe_machine()),
        "versions": describe_versions(),
        "videos": videos,
        "us_per_video_one_thread": {name: _replay(bundle, p, repeats) for name, p in PRESETS.items()},
        "metrics_us_per_video": _metrics(bundle, repeats),
        "us_per_video_by_labels": _by_labels(quick, repeats),
        "sweep": _sweep(bundle, quick),
        "cold_start_seconds": _start(),
        "cli_replay_seconds": _cli(bundle),
    }


def _replay(bundle, params: Params, repeats: int) -> dict:
    n = bundle.num_videos
    fast = best_seconds(lambda: replay_scores(bundle, params, threads=1), repeats) / n
    some = range(0, n, max(1, n // 40))
    slow = best_seconds(lambda: [video_events(bundle, params, v) for v in some], 2) / len(some)
    return {"kernel": round(fast * 1e6, 2), "twin": round(slow * 1e6, 1), "ratio": round(slow / fast)}


def _metrics(bundle, repeats: int) -> dict:
    n = bundle.num_videos
    predicted = replay_scores(bundle, PRESETS["languagebind"]).events
    truth = replay_scores(bundle, PRESETS["languagebind"].override({"tau0": 0.7, "tau_r": 0.6})).events
    fast = best_seconds(lambda: llp_metrics(predicted, truth, bundle.segments_per_video, 25), repeats) / n
    tracks = [([predicted.track(v, k) for k in range(3)], [truth.track(v, k) for k in range(3)]) for v in range(30)]
    slow = best_seconds(lambda: [llp_f_scores(p, t, 10, 25) for p, t in tracks], 2) / len(tracks)
    return {"kernel": round(fast * 1e6, 2), "twin": round(slow * 1e6, 1), "ratio": round(slow / fast)}


def _by_labels(quick: bool, repeats: int) -> dict[str, float]:
    out = {}
    for labels in (25, 100, 500) if quick else (25, 100, 500, 1000, 5000):
        bundle = synthetic_scores(20 if labels > 500 else 60, labels)
        seconds = best_seconds(lambda b=bundle: replay_scores(b, PRESETS["languagebind"], threads=1), repeats)
        out[str(labels)] = round(seconds / bundle.num_videos * 1e6, 2)
    return out


def _sweep(bundle, quick: bool) -> dict:
    """Sobol points of the default search box on 200 videos, three tracks, ten figures and the objective."""
    some = bundle.select_videos(np.arange(min(200, bundle.num_videos)))
    base = PRESETS["languagebind"]
    truth = replay_scores(some, base.override({"tau0": 0.7, "tau_r": 0.6})).events
    target = Target.on(some, truth, LlpMetric())
    objective = parse_objective(None, target.names, target.metric)
    table = sobol_table(base, parse_space((), base, DECODER.search_space()), 128 if quick else 8192, seed=0)
    pairs = len(table) * some.num_videos

    def run(threads: int) -> float:
        parts = lambda: sweep(DECODER, Inputs(some), table, target, objective.weights, threads=threads)  # noqa: E731
        return best_seconds(lambda: deque(parts(), maxlen=0), 2)

    cores = os.cpu_count() or 1
    one, all_cores = run(1), run(cores)
    twin_settings = [table.params(i) for i in range(0, len(table), max(1, len(table) // 16))][:16]
    few = some.select_videos(np.arange(min(4, some.num_videos)))
    began = time.perf_counter()
    for p in twin_settings:
        for v in range(few.num_videos):
            video_events(few, p, v)
    twin_us = (time.perf_counter() - began) / (len(twin_settings) * few.num_videos) * 1e6
    return {
        "settings": len(table),
        "videos": some.num_videos,
        "seconds_one_thread": round(one, 2),
        "seconds_all_threads": round(all_cores, 2),
        "threads": cores,
        "pairs_per_second_one_thread": round(pairs / one),
        "pairs_per_second_all_threads": round(pairs / all_cores),
        "twin_us_per_pair_without_metrics": round(twin_us, 1),
        "ratio_one_thread": round(twin_us * pairs / one / 1e6, 1),
    }


def _start() -> dict[str, float]:
    """Compiling in an empty cache folder, and loading from it, in fresh processes; imports not included."""
    code = (
        "import time; from avreplay.evaluate.bench.replay import synthetic_scores;"
        "from avreplay.core.params.av2a import Params;"
        "from avreplay.core.decoders.av2a import replay_scores; b = synthetic_scores(2, 25); t = time.perf_counter();"
        "replay_scores(b, Params(), threads=1); print(time.perf_counter() - t)"
    )
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "AVREPLAY_CACHE_DIR": folder}
        first, again = (
            float(
                subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env).stdout
            )
            for _ in range(2)
        )
    return {"compile": round(first, 2), "reload": round(again, 3)}


def _cli(bundle) -> dict[str, float]:
    """`avreplay replay STORE --out FILE` on a store of all videos: wall time of the process, and its stages."""
    with tempfile.TemporaryDirectory() as folder:
        store, out = f"{folder}/store", f"{folder}/p.json"
        import_bundle(bundle, store)
        command = [sys.executable, "-m", "avreplay.cli", "replay", store, "--preset", "languagebind", "--out", out]
        wall = best_seconds(lambda: subprocess.run(command, check=True, capture_output=True), 4)
        code = (
            "import time; t = [time.perf_counter()]\n"
            "def lap(): t.append(time.perf_counter())\n"
            "import avreplay.evaluate.commands, avreplay.cache.store, avreplay.core.metrics.llp, zarr; lap()\n"
            f"b = avreplay.cache.store.open_store({store!r}).bundle(); lap()\n"
            "from avreplay.core.params.av2a import make_params; from avreplay.core.decoders.av2a import replay_scores\n"
            "e = replay_scores(b, make_params('languagebind')).events; lap()\n"
            "avreplay.core.metrics.llp.llp_metrics(e, e, b.segments_per_video, b.num_labels); lap()\n"
            "print([round(y - x, 4) for x, y in zip(t, t[1:])])"
        )
        done = [
            subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)
        ]
        load = best_seconds(lambda: open_store(store).bundle(), 3)
    imports, loading, replay, metrics = json.loads(done[-1].stdout)
    return {
        "videos": bundle.num_videos,
        "wall": round(wall, 3),
        "imports": imports,
        "loading": loading,
        "replay_with_kernel_reload": replay,
        "metrics_with_kernel_reload": metrics,
        "loading_warm": round(load, 4),
    }


if __name__ == "__main__":
    main()
