"""Scores of more videos than memory holds: read block by block, each block as what a decoder reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle import ScoreBundle
from ..command_options import size_text
from ..errors import UsageError, shown
from ..read_ahead import consecutive, read_ahead
from .base import Inputs

SHARES = 4
"""A block takes at most this part of the memory: one is worked on, one is read ahead, one is what reading makes on the
way, and the last part is for events."""

_OF_VIDEOS = ("segments_per_video", "audio_clip", "visual_clip", "has_audio", "has_visual")
"""Arrays of a bundle with a row a video."""


@dataclass(frozen=True, eq=False)
class InputBlocks:
    """What a decoder reads of N videos, not in memory: iterating reads it as :class:`Inputs` of consecutive videos, the
    next ones ahead by a thread.

    Attributes
    ----------
    scores : the videos and labels; a bundle without arrays of scores
    source : reads the inputs of some videos of a source, given their indices there, in that order
    videos : (N,) int64, these indices
    sizes : (N,) int64, about how many bytes each video takes
    memory : bytes that all blocks alive at once may take
    """

    scores: ScoreBundle
    source: Callable[[NDArray[np.int64]], Inputs]
    videos: NDArray[np.int64]
    sizes: NDArray[np.int64]
    memory: int

    @property
    def num_videos(self) -> int:
        """N, the number of videos."""
        return len(self.videos)

    @property
    def nbytes(self) -> int:
        """About how many bytes all videos take."""
        return int(self.sizes.sum())

    @property
    def fits(self) -> bool:
        """Whether memory holds all videos at once."""
        return self.nbytes <= self.memory

    def check(self) -> None:
        """Raises: UsageError where not all videos fit, and one of them is too large for a block."""
        if self.fits:
            return
        largest = int(np.argmax(self.sizes))
        size = int(self.sizes[largest])
        if size > self.memory // SHARES:
            raise UsageError(
                f"{size_text(self.memory)} of memory are too little for the video "
                f"{shown(self.scores.video_ids[largest])}, which takes {size_text(size)}; give --memory "
                f"{size_text(SHARES * size)} at least"
            )

    @cached_property
    def slices(self) -> list[slice]:
        """The videos of each block: consecutive, as many as a share of the memory holds; one block where all fit.

        Raises: UsageError as :meth:`check`.
        """
        if self.fits:
            return [slice(0, self.num_videos)]
        self.check()
        return consecutive(self.sizes, self.memory // SHARES)

    def read(self, videos: slice | Sequence[int] | NDArray[np.int64]) -> Inputs:
        """The inputs of some of the videos, in the order given."""
        return self.source(self.videos[videos if isinstance(videos, slice) else np.asarray(videos, np.int64)])

    def whole(self) -> Inputs:
        """The inputs of all videos."""
        return self.read(slice(0, self.num_videos))

    def held(self) -> Inputs | InputBlocks:
        """In memory where they fit, else as they are."""
        return self.whole() if self.fits else self

    def select(self, videos: Sequence[int] | NDArray[np.int64]) -> InputBlocks:
        """Some of the videos, in the order given; nothing is read."""
        chosen = np.asarray(videos, np.int64)
        return replace(
            self, scores=self.scores.select_videos(chosen), videos=self.videos[chosen], sizes=self.sizes[chosen]
        )

    def larger_by(self, sizes: NDArray[np.int64]) -> InputBlocks:
        """The same with more bytes (N,) for each video, for what is made of it."""
        return replace(self, sizes=self.sizes + sizes)

    def __iter__(self) -> Iterator[Inputs]:
        return read_ahead(self.read, self.slices)


def videos_of(scores: Any) -> ScoreBundle:
    """The videos and labels of scores as a bundle without arrays; that a video has a stream is told by the arrays."""
    streams = np.ones(scores.num_videos, np.bool_)
    return ScoreBundle(
        scores.video_ids, scores.labels, scores.segments_per_video, scores.kind, has_audio=streams, has_visual=streams,
        segment_seconds=scores.segment_seconds,
    )  # fmt: skip


def bytes_per_video(inputs: Inputs) -> NDArray[np.int64]:
    """(N,) int64, about how many bytes of inputs in memory each video takes."""
    scores = inputs.scores
    n = scores.num_videos
    rows = {
        "segment": scores.segments_per_video,
        "window": np.bincount(scores.window_video, minlength=n),
        "video": np.ones(n, np.int64),
    }
    arrays = [(f.name, getattr(scores, f.name)) for f in fields(scores)]
    if inputs.embeddings is not None:
        arrays += [("audio_segments", inputs.embeddings.audio_segments)]
        arrays += [("visual_segments", inputs.embeddings.visual_segments)]
    sizes = np.zeros(n, np.int64)
    for name, array in arrays:
        if isinstance(array, np.ndarray) and len(array):
            of = "window" if name.startswith("window_") else "video" if name in _OF_VIDEOS else "segment"
            sizes += rows[of] * (array.nbytes // len(array))
    return sizes


def blocks_in_memory(inputs: Inputs, memory: int) -> InputBlocks:
    """Inputs in memory as blocks, so that parts of the videos are copied block by block.

    memory : bytes that the copies alive at once may take; more where the largest video asks for it
    """
    sizes = bytes_per_video(inputs)
    every = np.arange(len(sizes))

    def read(videos: NDArray[np.int64]) -> Inputs:
        return inputs if np.array_equal(videos, every) else inputs.select(videos)

    return InputBlocks(videos_of(inputs.scores), read, every, sizes, max(memory, SHARES * int(sizes.max(initial=0))))


def parts_of(inputs: Inputs | InputBlocks) -> Iterator[tuple[slice, Inputs]]:
    """The inputs in memory of consecutive videos, all of them in order, and which videos these are."""
    if isinstance(inputs, Inputs):
        yield slice(0, inputs.scores.num_videos), inputs
    else:
        yield from zip(inputs.slices, inputs, strict=True)
