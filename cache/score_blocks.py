"""The scores of a store block by block: consecutive videos at a time, so that memory is set by the block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.bundle import ScoreBundle
from ..core.errors import UsageError
from ..core.read_ahead import consecutive, read_ahead
from .layout.array_rows import Runs
from .layout.score_arrays import Head

BLOCK_MEMORY = 1 << 30
"""Bytes that all blocks of scores that are alive at once take at most, unless another number is given."""

_ALIVE = 3
"""Blocks alive at once: the one in use, the one that is read ahead, and what the making of one takes for a moment."""


class Rows(Head, Protocol):
    """Scores of which those of some videos can be read; what they are is known without reading them.

    segments_per_video : as in a `ScoreBundle`
    bytes_per_video : (N,) int64, the bytes of each video in a `ScoreBundle`
    cuts : (K + 1,) int64 rising from 0 to N; the videos between two of them are best read together
    """

    segments_per_video: NDArray[np.int64]

    @property
    def bytes_per_video(self) -> NDArray[np.int64]: ...

    @property
    def cuts(self) -> NDArray[np.int64]: ...

    def read(self, runs: Runs) -> ScoreBundle:
        """The scores of runs of consecutive videos, rising, no video twice."""


class ScoreBlocks:
    """The scores of N videos, of which only those of a block are in memory. Made by :meth:`.store.Store.score_blocks`.

    Iterating gives the `ScoreBundle` of each block in order; the next one is read meanwhile by a thread. Joined they
    are bit for bit the bundle of all videos. What is damaged raises DataError when its block is read.

    Attributes
    ----------
    video_ids : N strings, all videos with data, in order
    labels : C strings
    segments_per_video : (N,) int64
    kind, segment_seconds : as in a `ScoreBundle`
    bytes_per_video : (N,) int64, the bytes of each video in a `ScoreBundle`
    nbytes : bytes that the bundle of all videos would take
    slices : the videos of each block, consecutive; there is one block at least, which may be without videos
    """

    def __init__(self, rows: Rows, memory: int | None = None) -> None:
        """``memory``: bytes that the blocks alive at once take at most, as far as single videos (for scores that are
        computed: single shards) do not take more; None for `BLOCK_MEMORY`.

        Raises: UsageError for a number of bytes that is not positive.
        """
        memory = BLOCK_MEMORY if memory is None else memory
        if type(memory) is not int or memory <= 0:
            raise UsageError(f"memory is {memory!r}; give a positive number of bytes")
        self._rows = rows
        self.video_ids: tuple[str, ...] = rows.video_ids
        self.labels: tuple[str, ...] = rows.labels
        self.segments_per_video: NDArray[np.int64] = rows.segments_per_video
        self.kind: str = rows.kind
        self.segment_seconds: float = rows.segment_seconds
        self.bytes_per_video: NDArray[np.int64] = rows.bytes_per_video
        size = self.bytes_per_video
        self.nbytes: int = int(size.sum())
        block = memory if self.nbytes <= memory else max(1, memory // _ALIVE)
        self.slices: tuple[slice, ...] = tuple(block_slices(size, rows.cuts, block))

    def __repr__(self) -> str:
        size = f"{self.nbytes / 1e6:.1f} MB" if self.nbytes < 1e9 else f"{self.nbytes / 1e9:.1f} GB"
        return f"<ScoreBlocks: {self.num_videos} videos × {len(self.labels)} labels, {size} in {len(self)} blocks>"

    @property
    def num_videos(self) -> int:
        """N, the number of videos."""
        return len(self.video_ids)

    @property
    def num_labels(self) -> int:
        """C, the number of labels."""
        return len(self.labels)

    def __len__(self) -> int:
        return len(self.slices)

    def read(self, videos: slice | Sequence[int] | NDArray[np.int64]) -> ScoreBundle:
        """The scores of some videos, in the order given, as :meth:`ScoreBundle.select_videos` gives them.

        ``videos`` is a slice, or indices from 0 to N - 1.

        Raises
        ------
        DataError
            damaged scores, or scores that were replaced meanwhile
        UsageError
            an index that no video has
        """
        chosen = np.arange(self.num_videos)[videos] if isinstance(videos, slice) else np.asarray(videos, np.int64)
        if chosen.size and not 0 <= chosen.min() <= chosen.max() < self.num_videos:
            wrong = next(int(v) for v in chosen if not 0 <= v < self.num_videos)
            raise UsageError(f"there is no video {wrong}; indices go from 0 to {self.num_videos - 1}")
        return read_in_order(self._rows.read, chosen)

    def __iter__(self) -> Iterator[ScoreBundle]:
        return read_ahead(self.read, self.slices)


def block_slices(size: NDArray[np.int64], cuts: NDArray[np.int64], most: int) -> Iterator[slice]:
    """Consecutive videos of at most so many bytes, cut where they may be; larger where a piece between cuts is."""
    pieces = np.diff(np.concatenate([np.zeros(1, np.int64), np.cumsum(size)])[cuts])
    for part in consecutive(pieces, most):
        yield slice(int(cuts[part.start]), int(cuts[part.stop]))
    if len(cuts) < 2:
        yield slice(0, 0)


def read_in_order(read: Callable[[Runs], ScoreBundle], videos: NDArray[np.int64]) -> ScoreBundle:
    """The scores of videos in the order given, from what reads those of runs that rise."""
    rising, order = np.unique(videos, return_inverse=True)
    bundle = read(_consecutive(rising))
    return bundle if np.array_equal(rising, videos) else bundle.select_videos(order)


def _consecutive(rising: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Rising indices as runs of consecutive ones."""
    if not len(rising):
        return []
    breaks = np.flatnonzero(np.diff(rising) != 1) + 1
    first, last = np.concatenate([[0], breaks]), np.concatenate([breaks, [len(rising)]]) - 1
    return [(int(a), int(b) + 1) for a, b in zip(rising[first], rising[last], strict=True)]
