"""Replay's cost on this machine, beside what the paper reports for inference."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..core.bundle import ScoreBundle
from ..core.events import Events
from ..core.metrics import llp_metrics
from ..core.params import make_params
from ..core.replay import replay_scores

PAPER_SECONDS = 2.49
"""Inference of AV²A per video, models included (paper, Method Efficiency)."""


@dataclass(frozen=True)
class ReplayBench:
    """Best of several runs, in microseconds per video, one thread unless said otherwise."""

    videos: int
    labels: int
    load_us: float | None
    replay_us: float
    replay_all_threads_us: float
    metrics_us: float
    threads: int
    machine: str
    python: str

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "paper_seconds_per_video": PAPER_SECONDS}

    def text(self) -> str:
        lines = [f"{self.videos} videos, {self.labels} labels, {self.machine}, Python {self.python}"]
        if self.load_us is not None:
            lines.append(f"load     {self.load_us:8.2f} us a video")
        lines += [
            f"replay   {self.replay_us:8.2f} us a video, 1 thread ({self.replay_all_threads_us:.2f} on {self.threads})",
            f"metrics  {self.metrics_us:8.2f} us a video",
            f"paper    {PAPER_SECONDS * 1e6:8.0f} us a video of inference with the models, here paid once",
        ]
        return "\n".join(lines)


def bench_replay(store: str | None = None, videos: int = 1200, labels: int = 25, repeats: int = 7) -> ReplayBench:
    """Time replay of three tracks with the LanguageBind preset, and the ten LLP metrics, on a store or made-up scores.

    The metrics are taken against the predictions of another setting, so that both sides have events.
    """
    load = None
    if store is not None:
        from ..cache import open_store

        begin = time.perf_counter()
        bundle = open_store(store).bundle()
        load = time.perf_counter() - begin
    else:
        bundle = made_up_scores(videos, labels)
    n = max(1, bundle.num_videos)
    params = make_params("languagebind")
    truth = replay_scores(bundle, params.override({"tau0": 0.7, "tau_r": 0.6})).events
    events: Events = replay_scores(bundle, params, threads=1).events
    threads = os.cpu_count() or 1
    one = best_seconds(lambda: replay_scores(bundle, params, threads=1), repeats)
    many = best_seconds(lambda: replay_scores(bundle, params, threads=threads), repeats)
    llp_metrics(events, truth, bundle.segments_per_video, bundle.num_labels)
    metrics = best_seconds(lambda: llp_metrics(events, truth, bundle.segments_per_video, bundle.num_labels), repeats)
    scale = 1e6 / n
    return ReplayBench(
        bundle.num_videos, bundle.num_labels, None if load is None else load * scale, one * scale, many * scale,
        metrics * scale, threads, f"{platform.machine()}, {threads} cores", platform.python_version(),
    )  # fmt: skip


def made_up_scores(videos: int, labels: int, segments: int = 10, seed: int = 0) -> ScoreBundle:
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
        return means.reshape(-1, labels)

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
    work()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)
