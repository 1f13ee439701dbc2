"""What an extraction will cost, from a short measurement on the first video that can be read."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...core.errors import UsageError
from ..backbones.base import Backbone, BackboneSpec
from ..command_options import ExtractSettings
from ..media.decode_process import DecodeJob, Decoders
from ..media.find_videos import VideoFile
from ..media.probe import MediaError
from ..media.reader_choice import compare_readers, decode_sample, faster_reader, to_try
from ..media.trouble import Trouble
from ..media.video_readers import READERS
from .encode import METHODS, OF_EVERY_RUN
from .plan import Planner, VideoPlan

SAMPLE = 64
"""Items of each kind that are encoded to measure, at most."""

RULES = ("none", "multiscale", "all")


@dataclass(frozen=True)
class Calibration:
    """One video, measured.

    Attributes
    ----------
    video, duration, segments : which one, its length in seconds and in segments
    device : where the backbone computes
    decode : seconds of one processor to decode its pictures and sound
    decoder, decoders : the video reader, and the same seconds for each installed one where there is another
    item : seconds of the backbone per picture, sequence and sound, many in one call
    ready : the same without what turns pictures and sounds into tensors, as far as the backbone times it apart: what
        the model needs that is fed with ready tensors
    costs : per window rule what such a video costs, without those of which it has too many windows
    """

    video: str
    duration: float
    segments: int
    device: str
    decode: float
    item: dict[str, float]
    ready: dict[str, float]
    costs: dict[str, Cost]
    decoder: str
    decoders: dict[str, float]

    def ready_seconds(self, encoded: dict[str, int]) -> float:
        """Seconds of the model for a number of items of each kind, fed with ready tensors."""
        return sum(self.ready[kind] * count for kind, count in encoded.items())

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def text(self, videos: int, chosen: str) -> str:
        """The costs as a table for a number of videos; the chosen rule is marked."""
        name = self.video if len(self.video) <= 30 else f"{self.video[:29]}…"
        lines = [
            f"estimate for {videos} videos like {name} ({self.duration:.1f} s, {self.segments} segments)",
            f"with the encoder on {self.device}; the decoder in CPU time:",
            f"{'':<13} {'one video':>29}    {f'all {videos}':>29}",
            f"  {'windows':<11} {'encoder s':>10} {'decoder s':>10} {'KB':>8}    "
            f"{'encoder h':>10} {'decoder h':>10} {'GB':>8}",
        ]
        for rule, cost in self.costs.items():
            mark = "*" if rule == chosen else " "
            lines.append(
                f"{mark} {rule:<11} {cost.encode:>10.3f} {self.decode:>10.3f} {cost.bytes / 1e3:>8.1f}    "
                f"{cost.encode * videos / 3600:>10.2f} {self.decode * videos / 3600:>10.2f} "
                f"{cost.bytes * videos / 1e9:>8.2f}"
            )
        faster = faster_reader(self.decoders, self.decoder)
        return "\n".join([*lines, faster] if faster else lines)


@dataclass(frozen=True)
class Cost:
    """Of one video: windows, seconds of the backbone, and bytes in the store, scores of the labels included."""

    windows: int
    encode: float
    bytes: int


def calibrate(
    videos: Sequence[VideoFile],
    backbone: Backbone,
    settings: ExtractSettings,
    labels: int = 0,
    readers: dict[str, float] | None = None,
) -> Calibration | None:
    """Measure on the first of the videos that can be read; None if none of the first `TRIES` can.

    ``readers`` : seconds a video by video reader, if they were measured before

    Raises: UsageError for a video of too many windows by the rule of the settings.
    """
    with Decoders(settings.in_processes, settings.video_timeout) as decoders:
        for video in to_try(videos):
            try:
                return _measure(video, backbone, settings, labels, readers, decoders)
            except (MediaError, Trouble, ValueError):
                continue
    return None


def encode_seconds(item: Mapping[str, float], plan: VideoPlan) -> float:
    """Seconds of the backbone for a video, from those for an item of each kind."""
    return sum(item.get(kind, 0.0) * len(getattr(plan, kind)) for kind in METHODS)


def stored_bytes(plan: VideoPlan, spec: BackboneSpec, dtype: str, labels: int = 0) -> int:
    """Bytes that a video takes in a store: embeddings, window index, and float32 scores of the labels."""
    t, w, r = plan.segments, len(plan.windows), spec.visual_rows
    vectors_audio, vectors_visual = t + 1 + w, t + r * (1 + w)
    frames, joint = (t * plan.per_segment if len(plan.frames) else 0), len(plan.pairs)
    vectors_audio += frames
    numbers = vectors_audio * spec.audio_dim + vectors_visual * spec.visual_dim + joint * spec.audio_visual_dim
    scores = 4 * labels * (vectors_audio + vectors_visual + joint) + 8 * t  # and cosines of neighbours in float64
    # the index of windows is int32 with the embeddings and int64 with the scores
    return numbers * np.dtype(dtype).itemsize + 12 * w + (scores + 24 * w if labels else 0)


def _measure(
    video: VideoFile,
    backbone: Backbone,
    settings: ExtractSettings,
    labels: int,
    readers: dict[str, float] | None,
    decoders: Decoders,
) -> Calibration:
    spec = backbone.spec
    planners = {rule: Planner.of(spec, settings, rule) for rule in dict.fromkeys((*RULES, settings.windows))}
    job = DecodeJob(
        planners["multiscale"], spec.sample_rate, settings.segment_seconds, backbone.resize_at_decode,
        settings.video_reader, READERS[settings.video_reader].place_for(backbone.frame_device),
    )  # fmt: skip
    decoded = decode_sample(video, job, decoders)
    info, plan = decoded.info, decoded.plan
    if readers is None:
        readers = compare_readers(video, job, decoders, backbone.frame_device)
    samples: dict[str, list[Any]] = {kind: [] for kind in METHODS}
    samples.update(pictures=decoded.pictures, sequences=decoded.sequences)
    noise = np.random.default_rng(0).normal(0, 0.1, round(plan.segments * settings.segment_seconds * spec.sample_rate))
    wave, per = noise.astype(np.float32), spec.sample_rate * settings.segment_seconds
    for start, end in plan.sounds[:: max(1, len(plan.sounds) // SAMPLE)].tolist():
        samples["sounds"].append(wave[round(start * per) : round(end * per)])
    for start, end in plan.frames[:SAMPLE].tolist():
        samples["frames"].append(wave[round(start * per) : round(end * per)])
    if len(plan.pairs):
        samples["pairs"] = [([picture], wave[: round(per)]) for picture in decoded.pictures]
    item_seconds, ready = {}, {}
    for kind, method in METHODS.items():
        if not samples[kind] and kind not in OF_EVERY_RUN:
            continue  # few encoders have frames or pairs
        item_seconds[kind], ready[kind] = _seconds(backbone, getattr(backbone, method), samples[kind][:SAMPLE])
    costs = {}
    for rule, planner in planners.items():
        many = planner.too_many_windows(info.duration)
        if many and rule == settings.windows:
            raise UsageError(f"{video.id} cannot be measured: {many}")
        if many:
            continue
        p = planner(info)
        costs[rule] = Cost(
            len(p.windows), encode_seconds(item_seconds, p), stored_bytes(p, spec, settings.dtype, labels)
        )
    device = str(backbone.device)
    decode = readers.get(settings.video_reader, decoded.seconds)
    measured = (device, decode, item_seconds, ready, costs, settings.video_reader, readers)
    return Calibration(video.id, info.duration, plan.segments, *measured)


def _seconds(backbone: Backbone, call: Callable[[list[Any]], Any], items: list[Any]) -> tuple[float, float]:
    """Seconds per item in one call, with and without preprocessing; a call before it warms up."""
    if not items:
        return 0.0, 0.0
    call(items)
    backbone.timed = True
    prepared, began = backbone.preprocess_seconds, time.perf_counter()
    call(items)
    whole = time.perf_counter() - began
    backbone.timed = False
    return whole / len(items), (whole - (backbone.preprocess_seconds - prepared)) / len(items)
