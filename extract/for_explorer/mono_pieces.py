"""Decoded sound as mono pieces, each at its time: for what needs the sound piece by piece and never as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..media.sound import LOUDEST, mono_graph, pulled

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.filter import Graph

Piece: TypeAlias = tuple[int, NDArray[np.float32]]
"""The number of the first sample, counted from time 0, and the samples."""

_RESYNC_SECONDS = 0.1
"""A frame that comes this far from where the samples so far end is put at its own time."""

_PUSHED_FRAMES = 32
"""Frames that are resampled together: asking for the result costs more than giving a frame."""


class MonoPieces:
    """The mean of all channels at one rate.

    Parameters
    ----------
    rate : of the result, in Hz
    origin : time 0, in seconds of the file's time stamps
    """

    def __init__(self, rate: int, origin: float) -> None:
        self._rate, self._origin = rate, origin
        self._graph: Graph | None = None
        self._format: tuple[str, str, int] | None = None
        self._begin, self._count, self._frame_rate = 0.0, 0, 1
        self._cursor = 0
        self._pushed = 0

    def add(self, frame: AudioFrame) -> Iterator[Piece]:
        """What is ready once a frame is there; frames that cannot be resampled are silent."""
        expected = self._begin + self._count / self._frame_rate
        start = expected if frame.time is None else frame.time - self._origin
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._graph is None or abs(start - expected) > _RESYNC_SECONDS or form != self._format:
            yield from self.finish()
            self._graph = mono_graph(frame, self._rate) if frame.samples and frame.sample_rate > 0 else None
            if self._graph is None:
                return
            self._format = form
            self._begin, self._count, self._frame_rate = start, 0, frame.sample_rate
            self._cursor = round(start * self._rate)
        self._count += frame.samples
        frame.pts = None
        self._graph.push(frame)
        self._pushed += 1
        if self._pushed >= _PUSHED_FRAMES:
            yield from self._pull()

    def finish(self) -> Iterator[Piece]:
        """What is left of the stretch so far."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._pull()
        self._graph = None

    def _pull(self) -> Iterator[Piece]:
        assert self._graph is not None
        self._pushed = 0
        samples = pulled(self._graph)
        samples = np.where(np.abs(samples) < LOUDEST, samples, np.float32(0))
        first, self._cursor = self._cursor, self._cursor + len(samples)
        if first < 0:
            samples, first = samples[-first:], 0
        if len(samples):
            yield first, samples
