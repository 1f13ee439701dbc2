"""Replay's cost on this machine; with extraction's, when it has paid for itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np

from ...core.bundle import ScoreBundle
from ...core.decoders.av2a import replay_scores
from ...core.events import Events
from ...core.metrics.llp import llp_metrics
from ...core.params.av2a import make_params
from ..command_options import ReplayBenchRequest
from .breakeven import BreakEven, break_even, extraction_baselines, paper_baselines
from .environment import describe_machine, describe_versions


@dataclass(frozen=True)
class ReplayBench:
    """Medians of several runs, in microseconds per video, one thread unless said otherwise."""

    videos: int
    labels: int
    load_us: float | None
    replay_us: float
    replay_all_threads_us: float
    metrics_us: float
    threads: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Bench:
    """What ``avreplay bench`` measured: replay, extraction (``ExtractBench.as_dict()``), and the break-even of both."""

    replay: ReplayBench
    extraction: Mapping[str, Any]
    break_even: list[BreakEven]

    def as_dict(self) -> dict[str, Any]:
        machine, versions = describe_machine(), describe_versions()
        return {
            **self.replay.as_dict(),
            "paper_seconds_per_video": paper_baselines()[0].seconds,
            "machine": "{cpu}, {cores} cores".format(**machine),
            **machine,
            "python": versions["python"],
            "versions": versions,
            "extraction": dict(self.extraction),
            "break_even": [b.as_dict() for b in self.break_even],
        }

    def text(self) -> str:
        machine = describe_machine()
        versions = ", ".join(f"{name} {number}" for name, number in describe_versions().items())
        lines = [f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}; {versions}", ""]
        return "\n".join([*lines, *self._extraction_lines(), "", *self._replay_lines(), "", *self._even_lines()])

    def _extraction_lines(self) -> list[str]:
        e = self.extraction
        lines = [
            f"extraction, once: {e['backbone']} encoder, {e['videos']} {e['source']} of {e['video_seconds']:.1f} s, "
            f"{e['windows']:.0f} windows each; medians, ms a video, one thread"
        ]
        if e["refused"]:
            lines.append(f"  left out, because they cannot be used: {e['refused']}")
        for stage in ("decode", "preprocess", "encode", "write"):
            if e[stage] is None:
                lines.append(f"  {stage:<10}         in encode")
            else:
                lines.append(f"  {stage:<10}{e[stage] * 1e3:10.2f}")
        return [*lines, f"  {'sum':<10}{e['once'] * 1e3:10.2f}   ({e['as_run'] * 1e3:.2f} as `avreplay extract` runs)"]

    def _replay_lines(self) -> list[str]:
        r = self.replay
        lines = [f"replay, every setting: {r.videos} videos, {r.labels} labels; medians, us a video, one thread"]
        if r.load_us is not None:
            lines.append(f"  {'load':<10}{r.load_us:10.2f}   (once)")
        return [
            *lines,
            f"  {'replay':<10}{r.replay_us:10.2f}   ({r.replay_all_threads_us:.2f} with {r.threads} threads)",
            f"  {'metrics':<10}{r.metrics_us:10.2f}",
        ]

    def _even_lines(self) -> list[str]:
        lines = ["extraction once and n replays cost less a video than n times ..."]
        for b in self.break_even:
            after = "never" if b.settings is None else f"n >= {b.settings}"
            row = f"  {b.baseline.name:<52}{b.baseline.seconds:8.3f} s   {after:<8}"
            lines.append(f"{row} at n = 1000: {b.ratios[1000]:.1f} times as much")
        return [
            *lines,
            f"The paper's seconds are those of its models on {self.break_even[-1].baseline.source}: beside another "
            "encoder or machine they are for orientation only.",
        ]


def bench(replay: ReplayBench, extraction: Mapping[str, Any]) -> Bench:
    """Set the cost of replay against that of extraction; loading a store counts as paid once.

    Parameters
    ----------
    extraction : seconds per video, as ``ExtractBench.as_dict()`` gives them
    """
    once = extraction["once"] + (replay.load_us or 0.0) * 1e-6
    baselines = [*extraction_baselines(extraction), *paper_baselines()]
    return Bench(replay, extraction, break_even(once, replay.replay_us * 1e-6, baselines))


def bench_replay(request: ReplayBenchRequest) -> ReplayBench:
    """Time replay of three tracks with the LanguageBind preset, and the ten LLP metrics.

    The metrics are taken against the predictions of another setting, so that both sides have events.

    Raises: DataError as opening a store.
    """
    store, repeats = request.store, request.repeats
    load = None
    if store is not None:
        from ...cache import open_store

        load = median(run_times(lambda: open_store(store).bundle(), min(repeats, 3)))
        bundle = open_store(store).bundle()
    else:
        bundle = synthetic_scores(request.synthetic_videos, request.synthetic_labels)
    n = max(1, bundle.num_videos)
    params = make_params("languagebind")
    truth = replay_scores(bundle, params.override({"tau0": 0.7, "tau_r": 0.6})).events
    events: Events = replay_scores(bundle, params, threads=1).events
    threads = int(describe_machine()["cores"])
    work = (
        lambda: replay_scores(bundle, params, threads=1),
        lambda: replay_scores(bundle, params, threads=threads),
        lambda: llp_metrics(events, truth, bundle.segments_per_video, bundle.num_labels),
    )
    one, many, metrics = (median(run_times(w, repeats)) * 1e6 / n for w in work)
    return ReplayBench(
        videos=bundle.num_videos,
        labels=bundle.num_labels,
        load_us=None if load is None else load * 1e6 / n,
        replay_us=one,
        replay_all_threads_us=many,
        metrics_us=metrics,
        threads=threads,
    )


_MOST_LABELS = 2000
"""Labels of the synthetic scores of :func:`replay_cost`; more cost in proportion."""


def replay_cost(labels: int) -> float:
    """Microseconds of one processor that the LanguageBind preset takes for a video of ten segments, three tracks, on
    synthetic scores of a number of labels, at least 1."""
    measured = min(max(labels, 1), _MOST_LABELS)
    request = ReplayBenchRequest(synthetic_videos=max(4, 5000 // measured), synthetic_labels=measured)
    return bench_replay(request).replay_us * max(labels, 1) / measured


def synthetic_scores(videos: int, labels: int, segments: int = 10, seed: int = 0) -> ScoreBundle:
    """Scores of LLP's shape: a few labels per video stand out for a while, the rest is noise; all windows cached."""
    rng = np.random.default_rng(seed)
    pairs = np.array([(a, b) for a in range(segments) for b in range(a + 1, segments + 1)])

    def track() -> np.ndarray:
        rows = rng.normal(0.15, 0.03, (videos, segments, labels))
        for v in range(videos):
            for c in rng.choice(labels, min(labels, 3), replace=False):
                a, b = sorted(rng.choice(segments + 1, 2, replace=False).tolist())
                rows[v, a:b, c] += 0.12
        return rows

    visual, audio = track(), track()

    def pooled(rows: np.ndarray) -> np.ndarray:
        total = np.concatenate([np.zeros((videos, 1, labels)), np.cumsum(rows, axis=1)], axis=1)
        means = (total[:, pairs[:, 1]] - total[:, pairs[:, 0]]) / (pairs[:, 1] - pairs[:, 0])[:, None]
        found: np.ndarray = means.reshape(-1, labels)
        return found

    features = np.repeat(rng.normal(size=(videos, 1, 16)), segments, axis=1)
    features = features + 0.3 * rng.normal(size=features.shape)
    return ScoreBundle.create(
        video_ids=[f"video{i:06d}" for i in range(videos)],
        labels=[f"label {i}" for i in range(labels)],
        segments_per_video=np.full(videos, segments),
        visual_segments=visual.reshape(-1, labels),
        visual_features=features.reshape(videos * segments, -1),
        audio_segments=audio.reshape(-1, labels),
        audio_clip=audio.mean(axis=1),
        visual_clip=visual.mean(axis=1)[:, None],
        window_video=np.repeat(np.arange(videos), len(pairs)),
        window_start=np.tile(pairs[:, 0], videos),
        window_end=np.tile(pairs[:, 1], videos),
        window_audio=pooled(audio),
        window_visual=pooled(visual)[:, None],
    )


def best_seconds(work: Callable[[], object], repeats: int) -> float:
    """Shortest of several runs of ``work``, after one that is not counted, in seconds."""
    return min(run_times(work, repeats))


def run_times(work: Callable[[], object], repeats: int) -> list[float]:
    """Seconds of each of several runs of ``work``, after one that is not counted."""
    work()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return times
