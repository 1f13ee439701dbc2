"""What has to be encoded for one video: each picture, frame sequence and sound once, and where its row belongs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..backbones.base import BackboneSpec
from ..command_options import ExtractSettings
from ..media.probe import MediaError, MediaInfo
from .sampling import clip_frames, has_all, most_windows, num_segments, segment_frames, window_frames, window_list

Indices: TypeAlias = NDArray[np.int64]

MOST_WINDOW_BYTES = 3 << 30
"""Memory that the windows of one video may take, their embeddings and what is planned of them. Those of an hour in
segments of a second, all of them, take more with any encoder; their number grows with the square of the length."""

_PLANNED = 48
"""Bytes of a plan for each frame of a window, and for its two ends, while their repetitions are looked for."""


@dataclass(frozen=True, eq=False)
class VideoPlan:
    """The work for one video of T segments and W windows, F frames to a window.

    Attributes
    ----------
    windows : [W, 2] half-open ranges of segments
    pictures : [n] numbers of the frames that are encoded alone, sorted
    sequences : [m, F] frames that are encoded together, sorted by their last frame; m = 0 if the backbone gives
        one row per frame
    sounds : [q, 2] ranges of segments whose sound is encoded
    segment_picture : [T] into ``pictures``
    clip_visual, window_visual : scalar and [W] into ``sequences``, or [F] and [W, F] into ``pictures``
    segment_sound, clip_sound, window_sound : [T], scalar and [W] into ``sounds``
    frames : [f, 2] ranges of segments whose sound gives frames, of ``per_segment`` in each
    pairs : [T] into ``pictures``: what is seen in each segment, encoded together with its sound
    """

    segments: int
    windows: Indices
    pictures: Indices
    sequences: Indices
    sounds: Indices
    segment_picture: Indices
    clip_visual: Indices
    window_visual: Indices
    segment_sound: Indices
    clip_sound: Indices
    window_sound: Indices
    frames: Indices = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    pairs: Indices = field(default_factory=lambda: np.zeros(0, np.int64))
    per_segment: int = 0

    @property
    def wanted_frames(self) -> Indices:
        """Numbers of all frames that are used, sorted, each once."""
        return np.unique(np.concatenate([self.pictures, self.sequences.ravel()]))


def plan_video(
    info: MediaInfo,
    spec: BackboneSpec,
    *,
    segment_seconds: float,
    frame_rule: str,
    window_rule: str,
    max_all_segments: int,
) -> VideoPlan:
    """Decide what to encode for a probed file; rules as in `sampling`.

    Raises: MediaError for a video of too many windows (:func:`too_many_windows`).
    """
    segments = num_segments(info.duration, segment_seconds)
    reason = too_many_windows(segments, spec, window_rule, max_all_segments)
    if reason:
        raise MediaError("failed", reason)
    windows = window_list(segments, window_rule, max_all_segments)
    none = np.zeros(0, np.int64)
    sounds, sound_rows = none.reshape(0, 2), none
    if info.has_audio:
        each = np.stack([np.arange(segments), np.arange(segments) + 1], axis=1)
        sounds, sound_rows = _unique_rows(np.concatenate([each, [[0, segments]], windows]))
    pictures, sequences = none, none.reshape(0, spec.window_frames)
    segment_picture, clip_visual, window_visual = none, none, none
    if info.has_video:
        times = info.frame_times
        shown = segment_frames(times, segments, segment_seconds, frame_rule)
        clip = clip_frames(times, segments, spec.window_frames, segment_seconds, frame_rule)
        inside = window_frames(times, segments, windows, spec.window_frames, segment_seconds, frame_rule)
        groups = np.concatenate([clip[None], inside])
        if spec.visual_rows > 1:
            pictures = np.unique(np.concatenate([shown, groups.ravel()]))
            rows = np.searchsorted(pictures, groups)
        else:
            pictures = np.unique(shown)
            sequences, rows = _unique_rows(groups)
            order = np.argsort(sequences[:, -1], kind="stable")
            sequences, rows = sequences[order], np.argsort(order)[rows]
        segment_picture = np.searchsorted(pictures, shown)
        clip_visual, window_visual = rows[0], rows[1:]
    per_segment = spec.frames_in(segment_seconds)
    pieces = none.reshape(0, 2)
    if info.has_audio and per_segment:
        step = max(1, math.floor(spec.frame_seconds / segment_seconds + 1e-9))
        start = np.arange(0, segments, step)
        pieces = np.stack([start, np.minimum(start + step, segments)], axis=1)
    return VideoPlan(
        segments=segments,
        windows=windows,
        pictures=pictures,
        sequences=sequences,
        sounds=sounds,
        segment_picture=segment_picture,
        clip_visual=clip_visual,
        window_visual=window_visual,
        segment_sound=sound_rows[:segments],
        clip_sound=sound_rows[segments : segments + 1].squeeze(),
        window_sound=sound_rows[segments + 1 :],
        frames=pieces,
        pairs=segment_picture if spec.audio_visual_dim and info.has_audio and info.has_video else none,
        per_segment=per_segment,
    )


def too_many_windows(segments: int, spec: BackboneSpec, window_rule: str, max_all_segments: int) -> str:
    """Why a video of so many segments is not encoded, in words: its windows would take more than
    :data:`MOST_WINDOW_BYTES`. Empty where they do not. Nothing of them is made."""
    windows = most_windows(segments, window_rule, max_all_segments)
    numbers = spec.audio_dim + spec.visual_rows * spec.visual_dim
    taken = windows * (4 * numbers + _PLANNED * (spec.window_frames + 2))
    if taken <= MOST_WINDOW_BYTES:
        return ""
    every = has_all(segments, window_rule, max_all_segments)
    fewer = "--windows multiscale" if every else "--windows none, or longer segments"
    return (
        f"its {segments:,} segments have {windows:,} windows by the rule {window_rule}, which would take "
        f"{taken / 1e9:.0f} GB of memory; extract it with {fewer}"
    )


@dataclass(frozen=True)
class Planner:
    """`plan_video` with its rules; a value that worker processes can be given."""

    spec: BackboneSpec
    segment_seconds: float
    frame_rule: str
    window_rule: str
    max_all_segments: int

    @classmethod
    def of(cls, spec: BackboneSpec, settings: ExtractSettings, windows: str | None = None) -> Planner:
        """What the settings decide for a backbone; ``windows`` is another rule than the settings have."""
        rule = windows or settings.windows
        return cls(spec, settings.segment_seconds, settings.frame_rule, rule, settings.max_all_segments)

    def too_many_windows(self, duration: float) -> str:
        """Why a video of so many seconds is not encoded, in words; empty where it is."""
        segments = num_segments(duration, self.segment_seconds)
        return too_many_windows(segments, self.spec, self.window_rule, self.max_all_segments)

    def __call__(self, info: MediaInfo) -> VideoPlan:
        return plan_video(
            info,
            self.spec,
            segment_seconds=self.segment_seconds,
            frame_rule=self.frame_rule,
            window_rule=self.window_rule,
            max_all_segments=self.max_all_segments,
        )


def _unique_rows(rows: Indices) -> tuple[Indices, Indices]:
    """The different rows, sorted, and for each given row its place among them."""
    unique, inverse = np.unique(rows, axis=0, return_inverse=True)
    return unique, inverse.reshape(-1)
