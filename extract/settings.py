"""What an extraction is asked to do, and what of it is declared in the store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..cache.layout.schema import SHARD_VIDEOS
from ..core.errors import UsageError
from .backbones.base import Backbone, backbone_declaration
from .encoding.plan import Planner
from .encoding.sampling import FRAME_RULES, WINDOW_RULES
from .media.readers import DECODERS, declared_decoder

READER_VERSION = 2
"""Declared in every store; counts the changes to this folder that give other embeddings for the same file."""

MANY_VIDEOS = 64
"""From so many on, decoding processes are worth the second or two that they take to start."""

MOST_WORKERS = 8
"""Decoding threads or processes of a run, unless it is told another number."""


@dataclass(frozen=True)
class ExtractSettings:
    """How videos are cut and sampled, and how the work is done.

    Attributes
    ----------
    segment_seconds : length of a segment in seconds
    frame_rule : ``middle`` or ``release``, see `sampling`
    windows : ``auto``, ``all``, ``multiscale`` or ``none``, see `sampling.window_list`
    max_all_segments : up to so many segments ``auto`` means all windows
    dtype : of the stored embeddings, ``float16`` or ``float32``
    shard_videos : videos that are committed together; None: 256, or fewer where that gives every part its share
    workers : decoding threads or processes, at most one per processor by default; they do not change the result
    decoder : what reads the pictures, one of `decoders.DECODERS`; declared, since another may choose other pixels
    decode_in : ``threads``, or ``processes``, which survive a decoder that crashes; ``auto``: processes where there
        are at least `MANY_VIDEOS`
    video_timeout : a video whose decoder gives nothing for so many seconds is given up
    part : (i, n): of the planned shards, only those of part i of n, 1 to n; other processes write the others
    """

    segment_seconds: float = 1.0
    frame_rule: str = "middle"
    windows: str = "auto"
    max_all_segments: int = 16
    dtype: str = "float16"
    shard_videos: int | None = None
    workers: int | None = None
    decoder: str = "pyav"
    decode_in: str = "auto"
    video_timeout: float = 300.0
    part: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if not 0.01 <= self.segment_seconds <= 3600:
            raise UsageError(f"segment_seconds is {self.segment_seconds}; it must lie in 0.01 to 3600")
        for name, choices in (
            ("frame_rule", FRAME_RULES),
            ("windows", WINDOW_RULES),
            ("dtype", ("float16", "float32")),
            ("decode_in", ("auto", "threads", "processes")),
            ("decoder", tuple(DECODERS)),
        ):
            if getattr(self, name) not in choices:
                raise UsageError(f"{name} is {getattr(self, name)!r}; choose one of {', '.join(choices)}")
        for name, least in (("max_all_segments", 0), ("shard_videos", 1), ("workers", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UsageError(f"{name} is {value}; it must be at least {least}")
        if not self.video_timeout > 0:
            raise UsageError(f"video_timeout is {self.video_timeout}; it must be more than 0 seconds")
        if self.part is not None and not 1 <= self.part[0] <= self.part[1]:
            raise UsageError(f"part is {self.part[0]}/{self.part[1]}; it must be i/n with i from 1 to n")

    def in_processes(self, videos: int) -> bool:
        """Whether so many videos are decoded in processes of their own."""
        if self.decode_in == "auto":
            # on a GPU every process would need memory of its own there
            return videos >= MANY_VIDEOS and os.name == "posix" and self.decoder != "nvdec"
        return self.decode_in == "processes"

    def shard_size(self, videos: int) -> int:
        """Videos per shard of a new plan for so many: as asked, else such that all parts get alike shares."""
        if self.shard_videos is not None or self.part is None:
            return self.shard_videos or SHARD_VIDEOS
        parts = self.part[1]
        rounds = max(1, -(-videos // (SHARD_VIDEOS * parts)))
        return max(1, -(-videos // (parts * rounds)))

    def planner(self, backbone: Backbone, windows: str | None = None) -> Planner:
        """What decides for each video what is encoded; ``windows`` is another rule than the settings have."""
        rule = windows or self.windows
        return Planner(backbone.spec, self.segment_seconds, self.frame_rule, rule, self.max_all_segments)


STORED_SETTINGS = ("segment_seconds", "frame_rule", "windows", "max_all_segments", "dtype")


def stored_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a store was made with, from its declared configuration, by their names in `ExtractSettings`."""
    found = {key: config[key] for key in STORED_SETTINGS if key in config}
    return {**found, "decoder": declared_decoder(config)} if "decoder" in config else found


def declare(backbone: Backbone, settings: ExtractSettings) -> dict[str, Any]:
    """The declared configuration: all that embeddings depend on, as JSON values. Its hash is the fingerprint.

    Raises: UsageError where the decoder cannot work.
    """
    spec = backbone.spec
    return {
        "backbone": backbone_declaration(backbone),
        "decoder": DECODERS[settings.decoder].declare(),
        "reader": READER_VERSION,
        "dims": {"audio": spec.audio_dim, "visual": spec.visual_dim, "visual_rows": spec.visual_rows},
        "dtype": settings.dtype,
        "sample_rate": spec.sample_rate,
        "audio": "mean of the channels, resampled by libswresample",
        "segment_seconds": float(settings.segment_seconds),
        "frame_rule": settings.frame_rule,
        "windows": settings.windows,
        "max_all_segments": settings.max_all_segments,
    }
