"""OV-AVEL's decoders and metrics against their plain NumPy twin (core/reference.py), in one run on made-up scores.

As many videos as OV-AVEBench tests on: 5,820 of ten segments, 68 texts. Writes JSON with the machine and the versions:
``python benchmarks/ovavel_vs_twin.py --out FILE``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from avreplay.core.bundle import ScoreBundle
from avreplay.core.decoders.ovavel import ovavel_events, runs_of
from avreplay.core.events import Events
from avreplay.core.metrics.ovavel import ovavel_metrics
from avreplay.core.params.ovavel import OvavelParams, make_ovavel_params
from avreplay.core.reference import class_matrix, ovavel_f_scores, ovavel_labels, ovavel_right_segments
from avreplay.evaluate.bench.environment import describe_machine, describe_versions
from avreplay.evaluate.bench.replay import best_seconds
from result_file import write_result

SEGMENTS, LABELS = 10, 68
SETTINGS = {
    "training_free": make_ovavel_params("training_free"),
    "training_free, paper profile": make_ovavel_params("training_free", "paper"),
    "finetuned": make_ovavel_params("finetuned"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="few repeats, few videos")
    options = parser.parse_args()
    write_result(measure(options.quick), options.out)


def measure(quick: bool = False) -> dict:
    videos, repeats = (200, 2) if quick else (5820, 9)
    bundle, truth = made_up(videos)
    return {
        "machine": "{cpu}, {cores} cores".format(**describe_machine()),
        "versions": describe_versions(),
        "videos": videos,
        "decode_us_per_video": {name: _decode(bundle, p, repeats) for name, p in SETTINGS.items()},
        "metrics_us_per_video": _metrics(bundle, truth, repeats),
    }


def made_up(videos: int) -> tuple[ScoreBundle, Events]:
    """Cosines that rise by the true class where it is heard and seen, and the truth: one run or two a video."""
    rng = np.random.default_rng(0)
    category = rng.integers(0, LABELS - 1, videos)
    shown = np.zeros((videos, SEGMENTS), bool)
    for row in shown[rng.random(videos) > 0.25]:
        for start in rng.integers(0, SEGMENTS, rng.integers(1, 3)).tolist():
            row[start : start + int(rng.integers(2, SEGMENTS + 1))] = True
    shown[rng.random(videos) < 0.25] = False
    scores = {}
    for name in ("audio_segments", "visual_segments"):
        x = rng.normal(0.1, 0.05, (videos, SEGMENTS, LABELS)).astype(np.float32)
        v, t = np.nonzero(shown & (rng.random(shown.shape) < 0.8))
        x[v, t, category[v]] += 0.3
        v, t = np.nonzero(~shown)
        x[v, t, -1] += 0.2
        scores[name] = x.reshape(-1, LABELS)
    bundle = ScoreBundle.create(
        video_ids=[f"v{i}" for i in range(videos)],
        labels=[*(f"class {i}" for i in range(LABELS - 1)), "other"],
        segments_per_video=np.full(videos, SEGMENTS),
        **scores,
    )
    said = np.where(shown, category[:, None], -1).astype(np.int32)
    return bundle, runs_of(said.reshape(1, -1), bundle.segments_per_video)


def _decode(bundle: ScoreBundle, params: OvavelParams, repeats: int) -> dict:
    n = bundle.num_videos
    fast = best_seconds(lambda: ovavel_events(bundle, params), repeats) / n
    some = range(0, n, max(1, n // 200))
    audio, visual = (getattr(bundle, f"{m}_segments").reshape(n, SEGMENTS, -1) for m in ("audio", "visual"))
    slow = best_seconds(lambda: [ovavel_labels(audio[v], visual[v], audio[v], bundle.labels, params) for v in some], 3)
    return _ratio(fast, slow / len(some))


def _metrics(bundle: ScoreBundle, truth: Events, repeats: int) -> dict:
    n = bundle.num_videos
    predicted = ovavel_events(bundle, SETTINGS["training_free"])
    segments = np.full(n, SEGMENTS)

    def fast() -> None:
        ovavel_metrics(predicted, truth, segments, LABELS, other=LABELS - 1).table()

    some = range(0, n, max(1, n // 200))
    pairs = [(predicted.track(v, 2), truth.track(v, 2)) for v in some]

    def slow() -> None:
        for p, g in pairs:
            x, y = (class_matrix(e, SEGMENTS, LABELS, LABELS - 1, True) for e in (p, g))
            ovavel_f_scores(x, y)
            ovavel_right_segments(p, y, LABELS - 1)

    return _ratio(best_seconds(fast, repeats) / n, best_seconds(slow, 3) / len(some))


def _ratio(fast: float, slow: float) -> dict:
    return {"kernel": round(fast * 1e6, 2), "twin": round(slow * 1e6, 1), "ratio": round(slow / fast)}


if __name__ == "__main__":
    main()
