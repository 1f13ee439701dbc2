"""The scores of a store with those of frames pooled to segments, of which some videos are read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.bundle import ScoreBundle
from ..core.pooling import Pool, pool_frames
from .layout.array_rows import Runs
from .score_blocks import Rows


class PooledRows:
    """Other scores with their frames pooled when they are read (:class:`.score_blocks.Rows`)."""

    def __init__(self, rows: Rows, pool: Pool) -> None:
        self._rows = rows
        self._pool = pool
        self.video_ids: tuple[str, ...] = rows.video_ids
        self.labels: tuple[str, ...] = rows.labels
        self.kind: str = rows.kind
        self.segment_seconds: float = rows.segment_seconds
        self.segments_per_video: NDArray[np.int64] = rows.segments_per_video

    @property
    def bytes_per_video(self) -> NDArray[np.int64]:
        """With the frames, which are in memory while they are pooled."""
        return self._rows.bytes_per_video

    @property
    def cuts(self) -> NDArray[np.int64]:
        return self._rows.cuts

    def read(self, runs: Runs) -> ScoreBundle:
        """Raises: as :func:`avreplay.core.pooling.pool_frames`."""
        return pool_frames(self._rows.read(runs), self._pool)
