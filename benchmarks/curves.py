"""How replay's cost grows with segments, labels, videos, settings and threads, and when extraction has paid off.

Writes ``curves.json`` and one SVG a curve, with the machine and the versions:
``python benchmarks/curves.py --out benchmarks/results``.
"""

from __future__ import annotations

import argparse
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from avreplay.core.bundle import ScoreBundle
from avreplay.core.decoders.av2a import Av2aDecoder, replay_scores
from avreplay.core.decoders.base import Inputs
from avreplay.core.events import Events
from avreplay.core.metrics.llp import LlpMetric
from avreplay.core.params.av2a import make_params
from avreplay.core.params.table import ParamTable
from avreplay.core.sweep import sweep
from avreplay.core.target import Target
from avreplay.evaluate.bench.environment import describe_machine, describe_versions
from avreplay.evaluate.bench.replay import bench, bench_replay, best_seconds, synthetic_scores
from avreplay.evaluate.command_options import ReplayBenchRequest
from avreplay.evaluate.tuning.objective import parse_objective
from avreplay.evaluate.tuning.sampling import sobol_table
from avreplay.evaluate.tuning.space import parse_space
from avreplay.extract.bench import bench_extraction
from matplotlib.axes import Axes
from matplotlib.figure import Figure

PARAMS = make_params("languagebind")
DECODER = Av2aDecoder()
INK = "#1f5fa8"
OTHERS = (("#c2571a", "-"), ("#c2571a", "--"), ("#6b6b6b", "-"), ("#6b6b6b", "--"))
"""Measured here in one colour, the paper's figures in grey."""

MANY = 256
"""Settings from which a measurement is long enough to repeat it only once."""


@dataclass(frozen=True)
class Sizes:
    """What is measured; every curve starts from 10 segments, 25 labels and ``videos[0]`` or ``sweep_videos`` videos."""

    segments: tuple[int, ...]
    labels: tuple[int, ...]
    videos: tuple[int, ...]
    settings: tuple[int, ...]
    sweep_videos: int
    extracted: int
    repeats: int


FULL = Sizes(
    segments=(5, 10, 20, 30, 60, 90, 120),
    labels=(10, 25, 50, 100, 200, 500, 1000, 2000),
    videos=(50, 200, 800, 3200, 12400, 24800),
    settings=(1, 4, 16, 64, 256, 1024, 4096, 8192),
    sweep_videos=200,
    extracted=8,
    repeats=5,
)
TINY = Sizes((5, 6), (3, 4), (2, 3), (1, 2), sweep_videos=2, extracted=1, repeats=1)


@dataclass(frozen=True)
class Curve:
    """One measured curve: seconds per unit of work against a size. ``fixed`` names what does not change."""

    name: str
    x: str
    y: str
    fixed: str
    sizes: list[int]
    values: list[float]

    def as_dict(self) -> dict[str, Any]:
        ratios = [round(v / self.values[0], 3) for v in self.values]
        return {**vars(self), "values": [round(v, 4) for v in self.values], "to_the_first": ratios}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder to write to")
    parser.add_argument("--tiny", action="store_true", help="only to see that it runs")
    options = parser.parse_args(arguments)
    sizes = TINY if options.tiny else FULL
    machine, versions = describe_machine(), describe_versions(("matplotlib",))
    curves = [measure(sizes) for measure in (by_segments, by_labels, by_videos, by_settings, by_threads)]
    replay = bench_replay(
        ReplayBenchRequest(synthetic_videos=sizes.videos[-1]) if options.tiny else ReplayBenchRequest()
    )
    costs = bench(replay, bench_extraction(sample=sizes.extracted).as_dict()).as_dict()
    result = {
        "machine": machine,
        "versions": versions,
        "curves": {curve.name: curve.as_dict() for curve in curves},
        "extraction": costs["extraction"],
        "break_even": costs["break_even"],
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "curves.json").write_text(json.dumps(result, indent=1) + "\n")
    where = "{cpu}, {cores} cores; ".format(**machine) + ", ".join(f"{k} {v}" for k, v in versions.items())
    for curve in curves:
        draw_curve(curve, where, options.out / f"curve_{curve.name}.svg")
    draw_break_even(costs["break_even"], costs["extraction"], where, options.out / "break_even.svg")


def by_segments(sizes: Sizes) -> Curve:
    """A video of T segments has T (T + 1) / 2 windows cached."""
    videos = sizes.videos[0]
    values = [_replay_us(synthetic_scores(videos, 25, t), sizes.repeats) for t in sizes.segments]
    return Curve("segments", "segments T of a video", "µs a video", f"25 labels, {videos} videos, 1 thread",
                 list(sizes.segments), values)  # fmt: skip


def by_labels(sizes: Sizes) -> Curve:
    videos = sizes.videos[0]
    values = [_replay_us(synthetic_scores(videos, c), sizes.repeats) for c in sizes.labels]
    return Curve("labels", "labels C", "µs a video", f"10 segments, {videos} videos, 1 thread",
                 list(sizes.labels), values)  # fmt: skip


def by_videos(sizes: Sizes) -> Curve:
    values = [_replay_us(synthetic_scores(n, 25), sizes.repeats) for n in sizes.videos]
    return Curve("videos", "videos", "µs a video", "10 segments, 25 labels, 1 thread", list(sizes.videos), values)


def by_settings(sizes: Sizes) -> Curve:
    bundle, truth = _sweep_inputs(sizes)
    threads = int(describe_machine()["cores"])

    def cost(count: int) -> float:
        repeats = sizes.repeats if count <= MANY else 2
        table = random_settings(count)
        return best_seconds(lambda: run_sweep(bundle, truth, table, threads), repeats) / count

    values = [cost(count) * 1e6 / bundle.num_videos for count in sizes.settings]
    fixed = f"{bundle.num_videos} videos, 10 segments, 25 labels, objective included, {threads} threads"
    return Curve("settings", "settings of a sweep", "µs a video and setting", fixed, list(sizes.settings), values)


def by_threads(sizes: Sizes) -> Curve:
    bundle, truth = _sweep_inputs(sizes)
    points = random_settings(min(max(sizes.settings), 4 * MANY))
    threads = list(range(1, int(describe_machine()["cores"]) + 1))
    pairs = len(points) * bundle.num_videos
    values = [
        best_seconds(lambda k=k: run_sweep(bundle, truth, points, k), sizes.repeats) * 1e6 / pairs for k in threads
    ]
    fixed = f"{len(points)} settings, {bundle.num_videos} videos, 10 segments, 25 labels, objective included"
    return Curve("threads", "threads", "µs a video and setting", fixed, threads, values)


def run_sweep(bundle: ScoreBundle, truth: Events, table: ParamTable, threads: int) -> None:
    """The objective of every setting, as `avreplay tune` computes it."""
    target = Target.on(bundle, truth, LlpMetric())
    weights = parse_objective(None, target.names, target.metric).weights
    deque(sweep(DECODER, Inputs(bundle), table, target, weights, threads=threads), maxlen=0)


def random_settings(count: int) -> ParamTable:
    """Settings over the whole box that a search looks through."""
    return sobol_table(PARAMS, parse_space((), PARAMS, DECODER.search_space()), count, seed=0)


def _sweep_inputs(sizes: Sizes) -> tuple[ScoreBundle, Events]:
    bundle = synthetic_scores(sizes.sweep_videos, 25)
    return bundle, replay_scores(bundle, PARAMS.override({"tau0": 0.7, "tau_r": 0.6})).events


def _replay_us(bundle: ScoreBundle, repeats: int) -> float:
    return best_seconds(lambda: replay_scores(bundle, PARAMS, threads=1), repeats) * 1e6 / bundle.num_videos


def draw_curve(curve: Curve, where: str, path: Path) -> None:
    """One line on logarithmic axes, each point with its value."""
    figure, axes = _axes(f"Replay: {curve.y}, by {curve.x}", f"{curve.fixed}; best of several runs", where)
    axes.plot(curve.sizes, curve.values, marker="o", markersize=5, linewidth=2, color=INK)
    for x, y in zip(curve.sizes, curve.values, strict=True):
        axes.annotate(f"{y:.3g}", (x, y), xytext=(0, 8), textcoords="offset points", ha="center", fontsize=8)
    axes.set_xlabel(curve.x)
    axes.set_ylabel(curve.y)
    axes.set_xticks(curve.sizes, [f"{x:,}" for x in curve.sizes], rotation=30 if len(curve.sizes) > 6 else 0)
    axes.set_ylim(min(curve.values) / 2, max(curve.values) * 2)
    _save(figure, path)


def draw_break_even(rows: Sequence[dict[str, Any]], extraction: dict[str, Any], where: str, path: Path) -> None:
    """Seconds per video against the number of settings: extraction and replays, and each rival."""
    settings = np.unique(np.geomspace(1, 8192, 60).astype(int))
    subtitle = (
        f"extraction: {extraction['backbone']} encoder, {extraction['videos']} {extraction['source']}\n"
        "the paper's seconds are those of its own models, on hardware it does not name"
    )
    figure, axes = _axes("When extraction has paid for itself", subtitle, where)
    ours = rows[0]["once"] + settings * rows[0]["each"]
    axes.plot(settings, ours, linewidth=3, color=INK, label="avreplay: extract once, replay each setting")
    for row, (colour, dash) in zip(rows, OTHERS, strict=True):
        rival = row["rival"]
        after = "never more" if row["settings"] is None else f"more from {row['settings']} settings on"
        axes.plot(settings, settings * rival["seconds"], linewidth=2, color=colour, linestyle=dash,
                  label=f"{rival['name']}: {rival['seconds']:.3g} s each, {after}")  # fmt: skip
    axes.set_xlabel("settings")
    axes.set_ylabel("seconds a video, all settings together")
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    axes.set_ylim(float(ours.min()) / 4, float(settings[-1]) * max(row["rival"]["seconds"] for row in rows) * 2000)
    _save(figure, path)


def _axes(title: str, subtitle: str, where: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=11, pad=14 + 10 * len(subtitle.splitlines()))
    axes.text(0, 1.02, subtitle, transform=axes.transAxes, fontsize=8, color="#555555")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.minorticks_off()
    axes.grid(color="#e5e5e5", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel(where, fontsize=6.5, color="#777777")
    return figure, axes


def _save(figure: Figure, path: Path) -> None:
    # no date and fixed ids: the picture changes only with its data
    with matplotlib.rc_context({"svg.hashsalt": path.stem, "svg.fonttype": "none"}):
        figure.savefig(path, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
