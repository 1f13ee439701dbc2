"""The scores of several stores as those of one, of which some videos are read (:class:`.score_blocks.Rows`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..core.bundle import ScoreBundle
from .joined_checks import joined_bundle, refuse_unlike
from .layout.array_rows import Runs
from .score_blocks import Rows


class JoinedRows:
    """The scores of the videos of several stores, one store after the other.

    Attributes
    ----------
    video_ids, labels, kind, segment_seconds, segments_per_video : as in a `ScoreBundle`
    bytes_per_video, cuts : those of the stores, one after the other
    """

    def __init__(self, parts: Sequence[tuple[str, Rows]]) -> None:
        """``parts``: URL and scores of each store.

        Raises: DataError where they are of other labels, or another kind or length of segments.
        """
        url, first = parts[0]
        for other, rows in parts[1:]:
            refuse_unlike(url, first, other, rows)
        self._parts = parts
        self.labels: tuple[str, ...] = first.labels
        self.kind: str = first.kind
        self.segment_seconds: float = first.segment_seconds
        self.video_ids: tuple[str, ...] = tuple(id for _, rows in parts for id in rows.video_ids)
        self.segments_per_video: NDArray[np.int64] = np.concatenate([rows.segments_per_video for _, rows in parts])
        self._begin = np.cumsum([0, *(len(rows.video_ids) for _, rows in parts)])

    @property
    def bytes_per_video(self) -> NDArray[np.int64]:
        return np.concatenate([rows.bytes_per_video for _, rows in self._parts])

    @property
    def cuts(self) -> NDArray[np.int64]:
        moved = [rows.cuts + begin for (_, rows), begin in zip(self._parts, self._begin, strict=False)]
        return np.unique(np.concatenate([np.zeros(1, np.int64), *moved]))

    def read(self, runs: Runs) -> ScoreBundle:
        """The scores of runs of consecutive videos, rising, no video twice; of each store those that lie in it."""
        found: list[tuple[str, ScoreBundle]] = []
        for k, (url, rows) in enumerate(self._parts):
            first, last = int(self._begin[k]), int(self._begin[k + 1])
            inside = [(max(a, first) - first, min(b, last) - first) for a, b in runs if a < last and b > first]
            if inside:
                found.append((url, rows.read(inside)))
        return joined_bundle(found) if found else self._parts[0][1].read([])
