"""What the tests of the exact response share: golden and made-up scores, settings, and where to look."""

from __future__ import annotations

from dataclasses import replace

import golden_av2a as golden
import numpy as np
from avreplay.core.bundle import ScoreBundle
from avreplay.core.decoders.av2a import Av2aDecoder, replay_scores
from avreplay.core.decoders.base import Inputs
from avreplay.core.metrics.ave_accuracy import AveAccuracy
from avreplay.core.metrics.base import Metric
from avreplay.core.metrics.llp import LlpMetric
from avreplay.core.params.av2a import Params, make_params
from avreplay.core.params.table import ParamTable
from avreplay.core.target import Target

DECODER = Av2aDecoder()
NARROW = 1e-9
METHODS = ("naive", "label_shift", "cosine", "label_shift_cosine", "decay_only")


def golden_bundle(dataset: str = "LLP", backbone: str = "lb", videos: int = 8, segments: bool = False) -> ScoreBundle:
    """Some golden videos; with audio scores of segments, which the paper's profile needs, if asked for."""
    bundle = golden.bundle(dataset, backbone).select_videos(np.arange(videos))
    if not segments:
        return bundle
    noise = np.random.default_rng(5).normal(0, 0.02, bundle.visual_segments.shape)
    rows = np.repeat(bundle.audio_clip, bundle.segments_per_video, axis=0) + noise.astype(np.float32)
    return replace(bundle, audio_segments=np.ascontiguousarray(rows, np.float32))


def preset(profile: str, name: str = "languagebind", **values) -> Params:
    return make_params(name, profile, values)


def target_of(bundle: ScoreBundle, metric: Metric | None = None, params: Params | None = None) -> Target:
    """Annotations near what replay finds, so that figures are neither 0 nor 100."""
    near = replace(params or Params(), tau0=0.63, tau_r=0.5, tau_f=0.45, method="naive", fusion="score")
    return Target.on(bundle, replay_scores(bundle, near).events, metric or LlpMetric())


def metric_for(dataset: str, profile: str) -> Metric:
    return LlpMetric() if dataset == "LLP" else AveAccuracy(profile)


def events_at(bundle: ScoreBundle, params: Params, **columns):
    """Events of the settings of a table, from the replay."""
    table = ParamTable(params, columns)
    if bundle.num_labels == 1:  # which the decoder refuses to normalise; the replay gives NaN
        return replay_scores(bundle, [table.params(i) for i in range(len(table))], threads=1).events
    return DECODER.sweeper(Inputs(bundle), table)(0, len(table))


def places(starts: np.ndarray, rng: np.random.Generator, random: int = 50) -> np.ndarray:
    """The middle of every cell that is wide enough, both sides of every breakpoint, and random points."""
    ends = np.append(starts[1:], 1.0)
    middles = ((starts + ends) / 2)[ends - starts >= NARROW]
    inner = starts[starts > 1e-300]
    sides = np.concatenate([inner * (1 - 1e-9), inner * (1 + 1e-9)])
    return np.concatenate([middles, sides[sides <= 1], rng.random(random)])
