"""The scores of some of the videos of a store, of which those of a block are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..core.bundle import ScoreBundle
from .layout.array_rows import Runs
from .score_blocks import BLOCK_MEMORY, read_in_order
from .write_rows import Columns, row_blocks


class ChosenRows:
    """Some videos of the scores of others, in an order of their own; see :class:`.write_rows.Columns`.

    Joined they are bit for bit what :meth:`ScoreBundle.select_videos` gives of the whole bundle.
    """

    def __init__(self, rows: Columns, videos: Sequence[int]) -> None:
        """``videos``: indices of videos of ``rows``, none of them twice."""
        self._rows = rows
        self._videos = np.array(videos, np.int64)
        self.labels: tuple[str, ...] = rows.labels
        self.kind: str = rows.kind
        self.segment_seconds: float = rows.segment_seconds
        self.video_ids: tuple[str, ...] = tuple(rows.video_ids[v] for v in videos)
        self.segments_per_video: NDArray[np.int64] = rows.segments_per_video[self._videos]

    @property
    def bytes_per_video(self) -> NDArray[np.int64]:
        return self._rows.bytes_per_video[self._videos]

    @property
    def cuts(self) -> NDArray[np.int64]:
        count = len(self._videos)
        if (np.diff(self._videos) < 0).any():
            return np.arange(count + 1)
        found: NDArray[np.int64] = np.unique([0, *np.searchsorted(self._videos, self._rows.cuts), count])
        return found

    @property
    def columns(self) -> Mapping[str, tuple[int, ...]]:
        return self._rows.columns

    @cached_property
    def windows(self) -> int:
        if not self._rows.windows:
            return 0
        return sum(len(index) for index in row_blocks(self, BLOCK_MEMORY, "window_index"))

    def read(self, runs: Runs, names: Sequence[str] | None = None) -> ScoreBundle:
        """The scores of runs of consecutive videos of these, rising, no video twice; ``names``: only these arrays.

        Raises: DataError where scores are damaged.
        """
        chosen = np.concatenate([self._videos[:0], *(self._videos[first:last] for first, last in runs)])
        return read_in_order(lambda rising: self._rows.read(rising, names), chosen)
