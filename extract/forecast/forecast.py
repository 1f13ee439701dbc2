"""The cost of an extraction of any size, from one video measured on this machine."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ...cache.score_blocks import BLOCK_MEMORY
from ...core.errors import UsageError
from ..backbones.base import Backbone
from ..command_options import ExtractSettings
from ..encoding.calibration import Calibration, encode_seconds, stored_bytes
from ..encoding.plan import Planner
from ..encoding.sampling import most_windows
from ..media.info import MediaInfo
from .store_size import MOST_VIDEOS, StoreSize, store_size

DECODER_BYTES = 130_000_000
"""Pictures that a decoding process holds ahead, about."""

MOST_ROWS = 10**8
"""Pictures and frames of windows of one video that a forecast works out in memory."""

PICTURES = 25
"""Pictures a second of a forecast video."""

SEARCH = 8192
"""Settings of the search that the papers' authors run."""


_DERIVED = (
    "video_seconds", "encoder_hours", "decoder_hours", "cores_to_feed", "wall_hours", "bound_by", "stores",
    "search_hours",
)  # fmt: skip


@dataclass(frozen=True)
class Forecast:
    """What an extraction will cost.

    Attributes
    ----------
    videos, hours : how many, and how long in all
    backbone, device, devices, cores : the encoder, what it was measured on, how many of those there will be, and
        processors that decode
    measured_on : the video that was measured
    encoder_seconds, decoder_seconds : of one device, and of one processor, for one video
    labels, windows : labels that are scored, windows of a video
    embedding_bytes, score_bytes : of the store, beside its metadata
    size : objects, metadata and requests
    extract_memory : bytes on each machine that encodes: this process, decoders, and the shard in hand
    replay_memory : bytes of scores and names that a replay holds
    replay_hours : of one setting on one of these processors; None where replay was not measured
    """

    videos: int
    hours: float
    backbone: str
    device: str
    devices: int
    cores: int
    measured_on: str
    encoder_seconds: float
    decoder_seconds: float
    labels: int
    windows: int
    embedding_bytes: int
    score_bytes: int
    size: StoreSize
    extract_memory: int
    replay_memory: int
    replay_hours: float | None = None

    @property
    def video_seconds(self) -> float:
        """Length of each video."""
        return self.hours * 3600 / self.videos

    @property
    def encoder_hours(self) -> float:
        """Of one device, for all videos."""
        return self.encoder_seconds * self.videos / 3600

    @property
    def decoder_hours(self) -> float:
        """Of one processor, for all videos."""
        return self.decoder_seconds * self.videos / 3600

    @property
    def cores_to_feed(self) -> int:
        """Processors that decode as fast as the devices encode."""
        if not self.encoder_seconds:
            return self.cores
        return max(1, math.ceil(self.devices * self.decoder_seconds / self.encoder_seconds))

    @property
    def wall_hours(self) -> float:
        """With these devices and processors, whichever are slower."""
        return max(self.encoder_hours / self.devices, self.decoder_hours / self.cores)

    @property
    def bound_by(self) -> str:
        """What the wall time hangs on."""
        return "encoder" if self.encoder_hours / self.devices >= self.decoder_hours / self.cores else "decoder"

    @property
    def stores(self) -> int:
        """Stores that hold so many videos, see `store_size.MOST_VIDEOS`."""
        return -(-self.videos // MOST_VIDEOS)

    @property
    def search_hours(self) -> float | None:
        """Of `SEARCH` settings on one processor; None where replay was not measured."""
        return None if self.replay_hours is None else self.replay_hours * SEARCH

    def with_replay(self, us_per_video: float) -> Forecast:
        """The same with the cost of replay, in microseconds a video of ten segments on one processor; longer videos
        cost in proportion to their segments."""
        segments = self.video_seconds / 10
        hours = us_per_video * 1e-6 * max(segments, 0.1) * self.videos / 3600
        return replace(self, replay_hours=hours)

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), **{name: getattr(self, name) for name in _DERIVED}}


def forecast(
    videos: int,
    hours: float,
    measured: Calibration,
    backbone: Backbone,
    settings: ExtractSettings,
    *,
    labels: int,
    devices: int = 1,
    cores: int = 1,
    process_bytes: int = 0,
) -> Forecast:
    """What a number of videos, so many hours in all and alike long, will cost.

    Parameters
    ----------
    measured : one video, measured with this backbone and these settings
    labels : how many are scored
    devices, cores : that encode and decode, on all machines together
    process_bytes : memory of a process that holds the encoder

    Raises: UsageError for videos that are shorter than a segment, or too long to be worked out.
    """
    length = hours * 3600 / videos
    if length < settings.segment_seconds:
        raise UsageError(
            f"{hours:g} hours are {length:g} s for each of {videos} videos, less than a segment of "
            f"{settings.segment_seconds:g} s; give more hours"
        )
    segments = math.ceil(length / settings.segment_seconds)
    windows = most_windows(segments, settings.windows, settings.max_all_segments)
    if length * PICTURES + windows * backbone.spec.window_frames > MOST_ROWS:
        raise UsageError(
            f"{hours:g} hours are {length / 3600:g} hours for each of {videos} videos, with up to {windows} windows: "
            "too long to be worked out; give more videos, fewer hours, or fewer windows"
        )
    planner = Planner.of(backbone.spec, settings)
    many = planner.too_many_windows(length)
    if many:
        raise UsageError(f"{hours:g} hours are {length / 3600:g} hours for each of {videos} videos: {many}")
    plan = planner(_video(length, measured))
    encode = encode_seconds(measured.item, plan)
    decode = measured.decode * length / measured.duration
    embeddings = stored_bytes(plan, backbone.spec, settings.dtype)
    scores = stored_bytes(plan, backbone.spec, settings.dtype, labels) - embeddings
    shard_videos = settings.shard_size(videos)
    size = store_size(videos, shard_videos, len(plan.windows) > 0, len(plan.frames) > 0, len(plan.pairs) > 0)
    decoders = min(settings.decoders(), cores)
    return Forecast(
        videos=videos,
        hours=hours,
        backbone=backbone.name,
        device=measured.device,
        devices=devices,
        cores=cores,
        measured_on=measured.video,
        encoder_seconds=encode,
        decoder_seconds=decode,
        labels=labels,
        windows=len(plan.windows),
        embedding_bytes=embeddings * videos,
        score_bytes=scores * videos,
        size=size,
        extract_memory=process_bytes + decoders * DECODER_BYTES + 2 * min(shard_videos, videos) * embeddings,
        replay_memory=min(BLOCK_MEMORY, scores * videos) + size.metadata_bytes,
    )


def _video(length: float, measured: Calibration) -> MediaInfo:
    """A video with sound of a length, as the planner takes it."""
    frames = np.arange(max(1, round(length * PICTURES)), dtype=np.int64)
    return MediaInfo(Path(measured.video), "ok", "", length, 0.0, frames, Fraction(1, PICTURES))
