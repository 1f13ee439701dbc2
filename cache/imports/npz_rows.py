"""The scores of some videos of a score bundle in an ``.npz`` file, for files larger than memory should be.

The members of the archive are read from front to back, whether they are stored or compressed: an array of which rising
videos are read in turn is read once. What all arrays share, ids, counts and the index of windows, is in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.bundle import ScoreBundle
from ...core.errors import DataError
from ..layout.array_rows import Runs
from ..layout.score_shapes import Shaped, refuse_unfitting, rows_of
from ..reading.npz_file import MemberRows, NpzFile

WINDOWS = ("window_video", "window_start", "window_end")


class NpzRows:
    """The scores in an open file whose names of arrays have been checked.

    Attributes
    ----------
    video_ids, labels, kind, segment_seconds, segments_per_video : as in a `ScoreBundle`
    columns : the arrays of scores, by name with the shape of a row
    windows : the number of windows
    bytes_per_video : (N,) int64, windows on average
    cuts : (N + 1,) int64
    """

    def __init__(self, file: NpzFile, names: Sequence[str]) -> None:
        """``names`` are the arrays of the bundle that the file has.

        Raises: DataError where what all arrays share is damaged, or they do not fit each other.
        """
        self._file = file
        self._open: tuple[str, MemberRows] | None = None
        shared = ("video_ids", "labels", "segments_per_video", "has_audio", "has_visual", "kind", "segment_seconds")
        with self._named():
            given: dict[str, Any] = {name: file.read(name) for name in (*shared, *WINDOWS) if name in names}
            self._head = ScoreBundle.create(**given)
            scores = [name for name in names if name not in given]
            self._shapes: dict[str, Shaped] = {name: file.rows(name) for name in scores}
            head = self._head
            segments, windows = int(head.segments_per_video.sum()), len(head.window_video)
            refuse_unfitting(self._shapes, len(head.video_ids), len(head.labels), segments, windows)
        self.video_ids: tuple[str, ...] = head.video_ids
        self.labels: tuple[str, ...] = head.labels
        self.kind: str = head.kind
        self.segment_seconds: float = head.segment_seconds
        self.segments_per_video: NDArray[np.int64] = head.segments_per_video
        self.windows: int = windows
        self.columns: dict[str, tuple[int, ...]] = {
            "visual_cosine" if name == "visual_features" else name: () if name == "visual_features" else array.shape[1:]
            for name, array in self._shapes.items()
        }
        self.cuts: NDArray[np.int64] = np.arange(len(self.video_ids) + 1)
        self._in_order = "window_video" not in given or np.array_equal(
            np.stack([given[name] for name in WINDOWS]), [head.window_video, head.window_start, head.window_end]
        )
        self._segment_at = head.segment_starts
        counts = np.bincount(head.window_video, minlength=len(self.video_ids))
        self._window_at = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        size = {
            of: sum(array.row_bytes for name, array in self._shapes.items() if rows_of(name) == of)
            for of in ("segments", "clip", "windows")
        }
        self.bytes_per_video: NDArray[np.int64] = (
            self.segments_per_video * size["segments"] + size["clip"] + 10 + counts * (size["windows"] + 24)
        )

    @property
    def is_streamed(self) -> bool:
        """Whether the arrays can be read from front to back: not where axes are swapped, or windows not in order."""
        plain = all(not array.fortran for array in self._shapes.values() if isinstance(array, MemberRows))
        return plain and bool(self._in_order)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except DataError as error:
            path = self._file.path
            raise error if path in str(error) else DataError(f"{path}: {error}") from error

    def read(self, runs: Runs, names: Sequence[str] | None = None) -> ScoreBundle:
        """The scores of one run of consecutive videos; ``names``: only these arrays. Raises: DataError."""
        ((first, last),) = runs
        head = self._head
        rows = {
            "clip": (first, last),
            "segments": (int(self._segment_at[first]), int(self._segment_at[last])),
            "windows": (int(self._window_at[first]), int(self._window_at[last])),
        }
        wanted = self.columns if names is None else [name for name in names if name in self.columns]
        index = slice(*rows["windows"])
        windows = names is None or any(name.startswith("window") for name in names)
        with self._named():
            members = ["visual_features" if self._is_cosine(name) else name for name in wanted]
            arrays = {name: self._rows(name, *rows[rows_of(name)]) for name in members}
            return ScoreBundle.create(
                video_ids=self.video_ids[first:last],
                labels=self.labels,
                segments_per_video=self.segments_per_video[first:last],
                kind=self.kind,
                segment_seconds=self.segment_seconds,
                has_audio=head.has_audio[first:last],
                has_visual=head.has_visual[first:last],
                window_video=head.window_video[index] - first if windows else None,
                window_start=head.window_start[index] if windows else None,
                window_end=head.window_end[index] if windows else None,
                **arrays,
            )

    def _is_cosine(self, name: str) -> bool:
        return name == "visual_cosine" and "visual_features" in self._shapes

    def _rows(self, name: str, first: int, last: int) -> NDArray[Any]:
        if self._open is None or self._open[0] != name or self._open[1].at > first:
            self._open = (name, self._file.rows(name))
        return self._open[1].read(first, last)
