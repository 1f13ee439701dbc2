"""Feeding a backbone: one video's pieces in, its embeddings out, each output checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cache import VideoEmbeddings
from ..core.errors import AvreplayError, DataError
from .backbone import Backbone
from .plan import VideoPlan
from .prefetch import Piece, Sound

SOUND_BATCH_BYTES = 64 << 20
"""About as much sound goes to the backbone in one call."""


class EncodingError(Exception):
    """The backbone cannot encode this video; the run goes on."""


def encode_video(
    backbone: Backbone, plan: VideoPlan, items: Iterable[Piece | Sound], segment_seconds: float
) -> VideoEmbeddings:
    """Encode the items of one video.

    What goes into one call of the backbone follows from the video alone, so results depend neither on the videos
    beside it nor on the number of threads.

    Raises
    ------
    EncodingError
        the backbone refuses an item (ValueError), or its output is NaN or infinite
    DataError
        output of a wrong shape, or any other failure of the backbone; the run cannot go on
    MediaError
        from ``items``
    """
    spec = backbone.spec
    pictures = np.zeros((len(plan.pictures), spec.visual_dim), np.float32)
    sequences = np.zeros((len(plan.sequences), spec.visual_rows, spec.visual_dim), np.float32)
    sounds = np.zeros((len(plan.sounds), spec.audio_dim), np.float32)
    for item in items:
        if isinstance(item, Sound):
            for rows, clips in _sound_batches(item.samples, plan, spec.sample_rate * segment_seconds):
                sounds[rows] = _call(backbone, "encode_audio", clips, sounds.shape[1:])
            continue
        if item.pictures:
            rows = [row for row, _ in item.pictures]
            frames = [frame for _, frame in item.pictures]
            pictures[rows] = _call(backbone, "encode_images", frames, pictures.shape[1:])
        if item.sequences:
            rows = [row for row, _ in item.sequences]
            groups = [frames for _, frames in item.sequences]
            sequences[rows] = _call(backbone, "encode_clips", groups, sequences.shape[1:])
    per_frame = spec.visual_rows > 1
    has_audio, has_visual = len(plan.sounds) > 0, len(plan.pictures) > 0
    visual = pictures if per_frame else sequences
    return VideoEmbeddings(
        windows=plan.windows,
        audio_segments=sounds[plan.segment_sound] if has_audio else None,
        audio_clip=sounds[plan.clip_sound] if has_audio else None,
        window_audio=sounds[plan.window_sound] if has_audio else None,
        visual_segments=pictures[plan.segment_picture] if has_visual else None,
        visual_clip=visual[plan.clip_visual] if has_visual else None,
        window_visual=visual[plan.window_visual] if has_visual else None,
    )


def _sound_batches(
    samples: NDArray[np.float32], plan: VideoPlan, per_segment: float
) -> Iterator[tuple[list[int], list[NDArray[np.float32]]]]:
    """Views of the sound for each range of the plan, in batches."""
    samples.flags.writeable = False
    rows: list[int] = []
    clips: list[NDArray[np.float32]] = []
    size = 0
    for row, (start, end) in enumerate(plan.sounds.tolist()):
        rows.append(row)
        clips.append(samples[round(start * per_segment) : round(end * per_segment)])
        size += clips[-1].nbytes
        if size >= SOUND_BATCH_BYTES:
            yield rows, clips
            rows, clips, size = [], [], 0
    if rows:
        yield rows, clips


def _call(backbone: Backbone, method: str, items: Sequence[Any], shape: tuple[int, ...]) -> NDArray[np.float32]:
    what = f"{method} of backbone {backbone.name!r}"
    try:
        rows = np.asarray(getattr(backbone, method)(items))
    except AvreplayError:
        raise
    except ValueError as error:
        raise EncodingError(f"{what} refuses it: {error}") from error
    except Exception as error:
        raise DataError(f"{what} failed: {type(error).__name__}: {error}") from error
    if rows.shape != (len(items), *shape):
        raise DataError(f"{what} gave shape {rows.shape} and should give {(len(items), *shape)}")
    if not np.isfinite(rows).all():
        raise EncodingError(f"{what} gave NaN or infinity")
    return rows.astype(np.float32, copy=False)
