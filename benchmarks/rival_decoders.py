"""Every decoder of the package on the same made scores and embeddings, beside AV²A, and beside its plain twin.

LLP's shape (25 labels, ten segments) and OV-AVEBench's (67 labels). Of each decoder: CPU microseconds a video, of one
thread, of its defaults and of its presets that these scores allow, a video and setting in a search of 64 settings, and
how much slower the plain twin is. A decoder that is not in ``TWINS`` is timed without one. ``python
benchmarks/rival_decoders.py --out FILE`` writes JSON with the machine and the versions.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
from avreplay.core import reference, reference_cuerator, reference_scope, reference_steps, reference_viterbi
from avreplay.core.decoders.base import Decoder, Embeddings, Inputs, Means, Text
from avreplay.core.decoders.registry import DECODERS
from avreplay.core.errors import AvreplayError
from avreplay.evaluate.bench.environment import describe_machine, describe_versions
from avreplay.evaluate.bench.replay import synthetic_scores
from avreplay.evaluate.tuning.sampling import sobol_table
from avreplay.evaluate.tuning.space import parse_space
from result_file import write_result

WIDTH = 512
SHAPES = {"llp": 25, "ovavebench": 67}
START: dict[str, dict[str, Any]] = {"ovavel": {"background": "none"}}
"""Options without which a decoder cannot start on these labels."""

Twin = Callable[[Inputs, Any, int], object]
"""Decodes one video with plain functions."""


def _rows(inputs: Inputs, video: int) -> slice:
    return slice(*inputs.scores.segment_starts[video : video + 2].tolist())


def _ovavel(inputs: Inputs, params: Any, video: int) -> object:
    b, rows = inputs.scores, _rows(inputs, video)
    return reference.ovavel_labels(
        b.audio_segments[rows], b.visual_segments[rows], b.audio_segments[rows], b.labels, params
    )


def _cuerator(inputs: Inputs, params: Any, video: int) -> object:
    b, rows = inputs.scores, _rows(inputs, video)
    return reference_cuerator.votes(b.audio_segments[rows], b.visual_segments[rows], astuple(params))


def _scope(inputs: Inputs, params: Any, video: int) -> object:
    b, e, rows = inputs.scores, inputs.embeddings, _rows(inputs, video)
    a, v = b.audio_segments[rows], b.visual_segments[rows]
    if params.read_out != "dense":
        means = inputs.means[params.means]
        a, v = reference_scope.weights(
            reference_scope.mixture_inputs(e.audio_segments[rows], means.audio, inputs.text.audio),
            reference_scope.mixture_inputs(e.visual_segments[rows], means.visual, inputs.text.visual),
            params,
        )
    return reference_scope.decisions(a, v, params, a.shape)


def _viterbi(inputs: Inputs, params: Any, video: int) -> object:
    b, rows = inputs.scores, _rows(inputs, video)
    sides = [reference_viterbi.probabilities(x[rows], b.kind, params) for x in (b.audio_segments, b.visual_segments)]
    return [reference_viterbi.paths(p, params) for p in (*sides, reference_viterbi.fused(*sides, params))]


def _steps(inputs: Inputs, params: Any, video: int) -> object:
    return reference_steps.video_events(inputs.scores, params, video)


TWINS: dict[str, Twin] = {
    "av2a": lambda inputs, params, video: reference.video_events(inputs.scores, params, video),
    "ovavel": _ovavel,
    "cuerator": _cuerator,
    "scope": _scope,
    "viterbi": _viterbi,
    **dict.fromkeys(("threshold", "hysteresis", "median", "sebb"), _steps),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="few repeats, few videos")
    options = parser.parse_args()
    write_result(measure(options.quick), options.out)


def measure(quick: bool = False) -> dict[str, Any]:
    videos, repeats = (4, 1) if quick else (100, 3)
    shapes = list(SHAPES.items())[: 1 if quick else None]
    return {
        "machine": "{cpu}, {cores} cores".format(**describe_machine()),
        "versions": describe_versions(),
        "videos": videos,
        "unit": "CPU microseconds a video, one thread",
        "shapes": {name: _of_shape(made_up(videos, labels), repeats) for name, labels in shapes},
    }


def made_up(videos: int, labels: int) -> Inputs:
    """Embeddings that are noisy mixtures of texts where labels are on, and their cosines."""
    rng = np.random.default_rng(0)
    scores = synthetic_scores(videos, labels)
    text = Text(*(rng.normal(size=(labels, WIDTH)).astype(np.float32) for _ in range(2)))
    x, cosines = [], []
    for own, t in ((scores.audio_segments, text.audio), (scores.visual_segments, text.visual)):
        on = np.asarray(own) > 0.22
        noise = rng.normal(0, 1.5, (len(on), WIDTH)) + rng.normal(0, 0.5, WIDTH)
        made = (on.astype(np.float32) @ t + noise).astype(np.float32)
        x.append(made)
        cosines.append(reference_scope.products(reference_scope.unit(made), reference_scope.unit(t)))
    means = Means(*(reference_scope.unit(one).mean(axis=0) for one in x))
    given = replace(scores, audio_segments=cosines[0], visual_segments=cosines[1])
    return Inputs(given, Embeddings(x[0], x[1]), text, {"store": means})


def _of_shape(inputs: Inputs, repeats: int) -> dict[str, Any]:
    found = {}
    for name in DECODERS.names():
        decoder = DECODERS.get(name)
        for preset in (None, *decoder.presets):
            try:
                params = decoder.make_params(preset, values=START.get(name))
                decoder.decode_many(inputs, [params], threads=1)
            except AvreplayError:  # a preset for other scores or labels
                continue
            found[name if preset is None else f"{name}:{preset}"] = _of_setting(decoder, inputs, params, repeats)
    base = found["av2a"]["us_per_video"]
    return {name: {**row, "times_av2a": round(row["us_per_video"] / base, 2)} for name, row in found.items()}


def _of_setting(decoder: Decoder[Any], inputs: Inputs, params: Any, repeats: int) -> dict[str, Any]:
    n = inputs.scores.num_videos
    one = _cpu(lambda: decoder.decode_many(inputs, [params], threads=1), repeats) / n
    some = inputs.select(np.arange(0, n, max(1, n // 10)))
    space = parse_space((), params, decoder.search_space())
    table = sobol_table(params, space, 64, 0) if space else None
    row: dict[str, Any] = {"us_per_video": round(one * 1e6, 2)}
    if table is not None:
        run = decoder.sweeper(some, table)
        row["us_per_video_and_setting"] = round(
            _cpu(lambda: run(0, 64), repeats) / 64 / some.scores.num_videos * 1e6, 2
        )
    if (twin := TWINS.get(decoder.name)) is not None:
        few = range(0, n, max(1, n // 10))
        slow = _cpu(lambda: [twin(inputs, params, v) for v in few], 1) / len(few)
        row |= {"twin_us_per_video": round(slow * 1e6, 1), "twin_ratio": round(slow / one)}
    return row


def _cpu(work: Callable[[], object], repeats: int) -> float:
    """Least processor time of several runs, after one that is not counted, or of a single one (0), in seconds."""
    if repeats:
        work()
    times = []
    for _ in range(max(1, repeats)):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


if __name__ == "__main__":
    main()
