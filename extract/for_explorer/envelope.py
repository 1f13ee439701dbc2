"""The lowest and highest samples of a file's sound in steps of a few milliseconds: all that a waveform needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..media.find_videos import VideoFile
from ..media.opening import MediaError, check_file, open_media
from ..media.tracks import choose_audio
from ..media.trouble import judged
from .frames import decoded
from .mono_pieces import MonoPieces

STEPS = 200
"""Steps a second."""

_SAMPLES = 40
"""Samples of a step."""

_PART_SECONDS = 60


@dataclass(frozen=True)
class EnvelopeJob:
    """Gives the envelope of a file's sound in parts: arrays (2, n) float16, the lowest and the highest, one after the
    other from time 0; where there is no sound they are 0.

    ``origin`` : time 0, in seconds of the file's time stamps
    """

    origin: float

    def items(self, video: VideoFile) -> Iterator[NDArray[np.float16]]:
        """Raises: MediaError for a file without sound that can be read, Trouble where the machine may be to blame."""
        assert video.path is not None
        try:
            yield from _parts(video.path, self.origin)
        except Exception as error:
            raise judged(error, video.path) from error


def _parts(path: Path, origin: float) -> Iterator[NDArray[np.float16]]:
    steps = _PART_SECONDS * STEPS
    part, first = np.zeros((2, steps + 1), np.float32), 0  # the first step of the part, and one more that is begun
    last = 0
    for begin, samples in _pieces(path, origin):
        # a piece may begin in the middle of a step; one before the part is of time stamps that go back
        at = begin
        while len(samples):
            step = at // _SAMPLES
            if step >= first + steps:
                yield part[:, :steps].astype(np.float16)
                part[:, 0], part[:, 1:], first = part[:, steps], 0, first + steps
                continue
            take = min(len(samples), (first + steps) * _SAMPLES - at)
            if step >= first:
                _add(part, at - first * _SAMPLES, samples[:take])
                last = max(last, (at + take - 1) // _SAMPLES + 1)
            samples, at = samples[take:], at + take
    yield part[:, : max(last - first, 0)].astype(np.float16)


def _pieces(path: Path, origin: float) -> Iterator[tuple[int, NDArray[np.float32]]]:
    check_file(path)
    with open_media(path) as container:
        chosen = choose_audio(container, path, {stream.index for stream in container.streams})
        if chosen.track is None:
            raise MediaError("no_audio", chosen.missing)
        mono = MonoPieces(STEPS * _SAMPLES, origin)
        chosen.track.codec_context.thread_count = 1
        for frame in decoded(container, chosen.track, path):
            yield from mono.add(frame)
        yield from mono.finish()


def _add(part: NDArray[np.float32], at: int, samples: NDArray[np.float32]) -> None:
    """Widen the steps of a part by samples of which the first is number ``at`` of the part."""
    begins = np.arange(at // _SAMPLES, (at + len(samples) - 1) // _SAMPLES + 1)
    cuts = np.maximum(begins * _SAMPLES - at, 0)
    part[0, begins] = np.minimum(part[0, begins], np.minimum.reduceat(samples, cuts))
    part[1, begins] = np.maximum(part[1, begins], np.maximum.reduceat(samples, cuts))


def in_bins(envelope: NDArray[np.float16], start: float, end: float, bins: int) -> NDArray[np.float32]:
    """(2, bins) float32: the lowest and highest of equal parts of a span of seconds; 0 beyond the sound."""
    edges = np.linspace(start, end, bins + 1) * STEPS
    first = np.floor(edges[:-1] + 1e-6).astype(np.int64)
    until = np.maximum(np.ceil(edges[1:] - 1e-6).astype(np.int64), first + 1)
    size = envelope.shape[1]
    padded = np.zeros((2, min(int(until[-1]), size) - min(int(first[0]), size) + 2), np.float32)
    inside: Any = envelope[:, first[0] : until[-1]]
    padded[:, : inside.shape[1]] = inside
    cuts = np.minimum(np.stack([first, until], axis=1).ravel() - first[0], padded.shape[1] - 1)
    found = np.stack([np.minimum.reduceat(padded[0], cuts)[::2], np.maximum.reduceat(padded[1], cuts)[::2]])
    return found.astype(np.float32)
