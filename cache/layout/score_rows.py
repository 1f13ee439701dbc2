"""The scores of some videos of a group that holds a score bundle: only their rows are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.bundle import KINDS, ScoreBundle
from ...core.bundle_checks import check_shape, counts, flags, refuse_duplicates
from ...core.errors import DataError
from ...core.names import names_of
from .array_rows import Runs
from .location import Location
from .score_arrays import SCORE_ARRAYS, SEGMENT_ROWS, VIDEO_ARRAYS
from .score_shapes import refuse_unfitting, rows_of

_PIECE = 64 << 20
"""Bytes of an array that are looked through at once."""


class ScoreRows:
    """The scores in a group that :func:`.score_arrays.write_scores` wrote, of which those of some videos are read.

    Attributes
    ----------
    video_ids, labels, kind, segment_seconds, segments_per_video : as in a `ScoreBundle`
    windows_per_video : (N,) int64; zeros where there are no scores of windows
    arrays : names of the arrays of scores that are there
    """

    def __init__(self, place: Location, group: str, marker: Mapping[str, Any], labels: Sequence[str]) -> None:
        """Raises: DataError where arrays are missing, or do not fit each other or the marker."""
        self._where = f"{place.url}/{group}"
        self._url = place.url
        found = place.open_rows([f"{group}/{name}" for name in (*SCORE_ARRAYS, *VIDEO_ARRAYS, "window_index")])
        rows = {name.rpartition("/")[2]: array for name, array in found.items()}
        if "window_index" not in rows or any(name not in rows for name in VIDEO_ARRAYS):
            raise DataError(
                f"the scores of {place.url} are incomplete; `avreplay verify {place.url}` names what is missing"
            )
        self._index = rows.pop("window_index")
        per_video = {name: rows.pop(name) for name in VIDEO_ARRAYS}
        self._rows = rows
        self.arrays: tuple[str, ...] = tuple(rows)
        given = {name: array.read([(0, len(array))]) for name, array in per_video.items()}
        with self._damaged():
            self.video_ids: tuple[str, ...] = names_of(marker["video_ids"], "video_ids")
            self.labels: tuple[str, ...] = names_of(labels, "labels")
            refuse_duplicates(self.video_ids, "video id")
            refuse_duplicates(self.labels, "label")
            self.kind: str = marker["kind"]
            if self.kind not in KINDS:
                raise DataError(f"kind is {self.kind[:40]!r}; it must be one of {', '.join(KINDS)}")
            self.segment_seconds: float = float(marker["segment_seconds"])
            for name, array in per_video.items():
                check_shape(array.shape, name, (len(self.video_ids),))
            self._refuse_long(given["segments_per_video"])
            self.segments_per_video: NDArray[np.int64] = counts(given["segments_per_video"], self.video_ids)
            self._streams = {name: flags(given[name], name, self.video_ids) for name in ("has_audio", "has_visual")}
            self._segment_at = _ends(self.segments_per_video)
            self._count_windows()
            refuse_unfitting(rows, len(self.video_ids), len(self.labels), int(self._segment_at[-1]), len(self._index))

    # --- what is there -----------------------------------------------------------------------------------------

    @contextmanager
    def _damaged(self) -> Iterator[None]:
        try:
            yield
        except DataError as error:
            raise DataError(
                f"the scores in {self._where} are damaged: {error} (`avreplay verify {self._url}` names the files)"
            ) from None

    def _refuse_long(self, segments: NDArray[Any]) -> None:
        most = max((len(self._rows[name]) for name in SEGMENT_ROWS if name in self._rows), default=0)
        if segments.size and (segments.min() < 0 or segments.max() > most):
            raise DataError(f"segments_per_video has a count outside 0 to {most}, the rows that are there")

    def _count_windows(self) -> None:
        """Where the windows of each video are: one pass over the index."""
        n = len(self.video_ids)
        if self._index.shape[1:] != (3,):
            raise DataError(f"window_index has shape {self._index.shape}; expected 3 columns")
        self.windows_per_video: NDArray[np.int64] = np.zeros(n, np.int64)
        self._in_order = True
        if not self.has_windows:
            return
        if self._index.shape[0] and self._index.dtype.kind != "i":
            raise DataError(f"window_video has dtype {self._index.dtype}; expected integers")
        last = 0
        for index in self._index.pieces(max(1, _PIECE // 8 // max(1, self._index.row_bytes))):
            video = index[:, 0]
            low, high = int(video.min()), int(video.max())
            if low < 0 or high >= n:
                wrong = int(video[(video < 0) | (video >= n)][0])
                raise DataError(f"window_video points to video {wrong}, but there are {n} videos")
            self.windows_per_video += np.bincount(video, minlength=n)
            self._in_order &= bool(last <= video[0] and (video[1:] >= video[:-1]).all())
            last = int(video[-1])
        self._window_at = _ends(self.windows_per_video)

    @property
    def has_windows(self) -> bool:
        """Whether there are scores of windows, if only of no window."""
        return "window_audio" in self._rows or "window_visual" in self._rows

    @property
    def columns(self) -> dict[str, tuple[int, ...]]:
        """The arrays of scores, by name with the shape of a row."""
        return {name: array.shape[1:] for name, array in self._rows.items()}

    @property
    def windows(self) -> int:
        """The number of windows that scores are of."""
        return len(self._index) if self.has_windows else 0

    @property
    def bytes_per_video(self) -> NDArray[np.int64]:
        """(N,) int64: the bytes of each video in a score bundle."""
        size = dict.fromkeys(("segments", "clip", "windows"), 0)
        size["windows"] = 3 * 8 if self.has_windows else 0
        for name, array in self._rows.items():
            values = int(np.prod(array.shape[1:], dtype=np.int64))
            size[rows_of(name)] += values * max(array.dtype.itemsize, 8 if name == "visual_cosine" else 4)
        segments, windows = self.segments_per_video, self.windows_per_video
        return segments * size["segments"] + size["clip"] + 10 + windows * size["windows"]

    @property
    def cuts(self) -> NDArray[np.int64]:
        """(N + 1,) int64: it may be cut between any two videos."""
        return np.arange(len(self.video_ids) + 1)

    # --- reading -----------------------------------------------------------------------------------------------

    def read(self, runs: Runs, names: Sequence[str] | None = None) -> ScoreBundle:
        """The scores of runs of consecutive videos, one after the other, no video twice; ``names``: only these arrays.

        Raises: DataError where rows are damaged, or were replaced meanwhile.
        """
        videos = np.concatenate([np.zeros(0, np.int64), *(np.arange(first, last) for first, last in runs)])
        segments = [(int(self._segment_at[first]), int(self._segment_at[last])) for first, last in runs]
        read = {"segments": segments, "clip": runs}
        wanted = [name for name in self._rows if names is None or name in names]
        arrays = {name: self._rows[name].read(read[rows_of(name)]) for name in wanted if rows_of(name) in read}
        index: NDArray[Any] | None = None
        if self.has_windows and (names is None or any(name.startswith("window") for name in names)):
            of_windows = [name for name in wanted if rows_of(name) == "windows"]
            look = self._windows if self._in_order else self._scattered_windows
            windows = look(runs, videos, of_windows)
            index = windows.pop("window_index")
            arrays |= windows
        with self._damaged():
            return ScoreBundle.create(
                video_ids=[self.video_ids[v] for v in videos.tolist()],
                labels=self.labels,
                segments_per_video=self.segments_per_video[videos],
                kind=self.kind,
                segment_seconds=self.segment_seconds,
                window_video=None if index is None else index[:, 0],
                window_start=None if index is None else index[:, 1],
                window_end=None if index is None else index[:, 2],
                **{name: flag[videos] for name, flag in self._streams.items()},
                **arrays,
            )

    def _windows(self, runs: Runs, videos: NDArray[np.int64], names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """The rows of the windows of videos in some arrays, and their index, which counts these videos."""
        there = [(int(self._window_at[first]), int(self._window_at[last])) for first, last in runs]
        found = {name: self._rows[name].read(there) for name in names}
        index = self._index.read(there)
        own = np.repeat(videos, self.windows_per_video[videos])
        if not np.array_equal(index[:, 0], own):
            raise DataError(
                f"{self._where}/window_index changed while it was read; read it when its writer has finished"
            )
        index[:, 0] = np.repeat(np.arange(len(videos)), self.windows_per_video[videos])
        return {**found, "window_index": index}

    def _scattered_windows(self, _: Runs, videos: NDArray[np.int64], names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """As :meth:`_windows`, of windows that are not in the order of their videos: the arrays are looked through."""
        place_of = np.full(len(self.video_ids), -1, np.int64)
        place_of[videos] = np.arange(len(videos))
        parts: dict[str, list[NDArray[Any]]] = {name: [] for name in (*names, "window_index")}
        step = max(1, _PIECE // max(self._index.row_bytes, *(self._rows[name].row_bytes for name in names)))
        for first in range(0, len(self._index), step):
            last = min(first + step, len(self._index))
            index = self._index.read([(first, last)])
            index[:, 0] = place_of[index[:, 0]]
            own = np.flatnonzero(index[:, 0] >= 0)
            if not len(own):
                continue
            parts["window_index"].append(index[own])
            begin, end = first + int(own[0]), first + int(own[-1]) + 1
            for name in names:
                parts[name].append(self._rows[name].read([(begin, end)])[own - own[0]])
        empty = {name: self._rows[name].read([]) for name in names} | {"window_index": self._index.read([])}
        return {name: np.concatenate([empty[name], *parts.pop(name)]) for name in list(parts)}


def _ends(counts_of: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N + 1,) int64: the first row of each video, and the number of all rows."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts_of)])
