"""Scores of more videos than memory holds: read block by block, each block as what a decoder reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..bundle import ScoreBundle
from ..command_options import size_text
from ..errors import UsageError, shown
from ..read_ahead import read_ahead
from .base import Inputs

SHARES = 4
"""A block takes at most this part of the memory: one is worked on, one is read ahead, one is what reading makes on the
way, and the last part is for events."""


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


def consecutive(sizes: NDArray[np.int64], most: int) -> list[slice]:
    """All videos in blocks, one after the other: as many at once as take ``most`` together, and one at least."""
    ends, at = np.cumsum(sizes), 0
    found: list[slice] = []
    while at < len(sizes):
        before = int(ends[at - 1]) if at else 0
        end = max(at + 1, int(np.searchsorted(ends, before + most, "right")))
        found.append(slice(at, end))
        at = end
    return found


def parts_of(inputs: Inputs | InputBlocks) -> Iterator[tuple[slice, Inputs]]:
    """The inputs in memory of consecutive videos, all of them in order, and which videos these are."""
    if isinstance(inputs, Inputs):
        yield slice(0, inputs.scores.num_videos), inputs
    else:
        yield from zip(inputs.slices, inputs, strict=True)
