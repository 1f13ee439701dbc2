"""Events of many videos as one flat table: what a decoder returns and what the metrics count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .errors import UsageError

TRACKS = ("audio", "visual", "audio_visual")
"""The three tracks of a video, in the order of every track axis."""


def check_tracks(tracks: Iterable[str]) -> None:
    """Raises UsageError for a track that is none of :data:`TRACKS`."""
    for track in tracks:
        if track not in TRACKS:
            raise UsageError(f"there is no track {track!r}; tracks are {', '.join(TRACKS)}")


@dataclass(frozen=True, eq=False, repr=False)
class Events:
    """Events of N videos under P parameter settings, three tracks each, as a flat ragged table.

    Row ``(p * N + v) * 3 + k`` of ``starts`` is where the events of setting ``p``, video ``v`` and track ``k``
    begin (:data:`TRACKS` order); they end where the next row begins. Within a track the events stand in the
    order in which the decoder produced them.

    Shapes and units
    ----------------
    starts : (P * N * 3 + 1,) int64
    label : (E,) int32, index into the label list
    onset, offset : (E,) int32, segments, half-open ``[onset, offset)``
    score : (E,) float64, the refinement score, NaN where there was none
    """

    num_settings: int
    num_videos: int
    starts: NDArray[np.int64]
    label: NDArray[np.int32]
    onset: NDArray[np.int32]
    offset: NDArray[np.int32]
    score: NDArray[np.float64]

    def __repr__(self) -> str:
        settings = "" if self.num_settings == 1 else f", {self.num_settings} settings"
        return f"<Events: {len(self.label)} events in {self.num_videos} videos{settings}>"

    def rows(self, video: int, track: int | str, setting: int = 0) -> slice:
        """The slice of the event arrays that holds one track of one video under one setting."""
        k = TRACKS.index(track) if isinstance(track, str) else track
        row = (setting * self.num_videos + video) * 3 + k
        return slice(int(self.starts[row]), int(self.starts[row + 1]))

    def track(self, video: int, track: int | str, setting: int = 0) -> list[tuple[int, int, int, float]]:
        """``(label, onset, offset, score)`` of each event of a track, in order."""
        s = self.rows(video, track, setting)
        return list(
            zip(
                self.label[s].tolist(),
                self.onset[s].tolist(),
                self.offset[s].tolist(),
                self.score[s].tolist(),
                strict=True,
            )
        )

    def setting(self, index: int) -> Events:
        """The events of one parameter setting, as a table of its own."""
        rows = self.num_videos * 3
        starts = self.starts[index * rows : (index + 1) * rows + 1]
        s = slice(int(starts[0]), int(starts[-1]))
        return Events(
            1,
            self.num_videos,
            starts - starts[0],
            self.label[s],
            self.onset[s],
            self.offset[s],
            self.score[s],
        )

    def select(self, videos: Sequence[int] | NDArray[np.int64]) -> Events:
        """The events of some videos under every setting, in the order given; a video may be given several times."""
        chosen = np.asarray(videos, np.int64)
        first = np.arange(self.num_settings)[:, None] * self.num_videos + chosen
        tracks = (first[:, :, None] * 3 + np.arange(3)).reshape(-1)
        counts = self.starts[tracks + 1] - self.starts[tracks]
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        rows = np.arange(starts[-1]) + np.repeat(self.starts[tracks] - starts[:-1], counts)
        return Events(
            self.num_settings, len(chosen), starts, self.label[rows], self.onset[rows], self.offset[rows],
            self.score[rows],
        )  # fmt: skip

    def where(self, kept: NDArray[np.bool_]) -> Events:
        """The events for which ``kept`` (E,) is True."""
        before = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
        return Events(
            self.num_settings, self.num_videos, before[self.starts], self.label[kept], self.onset[kept],
            self.offset[kept], self.score[kept],
        )  # fmt: skip

    def cut(self, segments: NDArray[np.int64]) -> Events:
        """The events within the first ``segments`` (N,) of each video."""
        per_row = np.tile(np.repeat(segments, 3), self.num_settings)
        limit = np.repeat(per_row, np.diff(self.starts)).astype(np.int32)
        return replace(self, offset=np.minimum(self.offset, limit)).where(self.onset < limit)

    @staticmethod
    def joined(parts: Sequence[Events]) -> Events:
        """The settings of several tables of the same videos, one after the other."""
        ends = np.cumsum([0, *(len(p.label) for p in parts)])
        starts = [p.starts[:-1] + first for p, first in zip(parts, ends[:-1].tolist(), strict=True)]
        return Events(
            sum(p.num_settings for p in parts), parts[0].num_videos,
            np.concatenate([*starts, ends[-1:]]).astype(np.int64),
            *(np.concatenate([getattr(p, name) for p in parts]) for name in ("label", "onset", "offset", "score")),
        )  # fmt: skip

    @staticmethod
    def from_tracks(
        videos: Sequence[Sequence[Iterable[tuple[int, int, int] | tuple[int, int, int, float]]]],
    ) -> Events:
        """Build a one-setting table from ``videos[v][k] = [(label, onset, offset[, score]), ...]``."""
        starts = [0]
        rows: list[tuple[float, ...]] = []
        for tracks in videos:
            if len(tracks) != 3:
                raise ValueError(f"each video needs {len(TRACKS)} tracks {TRACKS}, got {len(tracks)}")
            for events in tracks:
                rows.extend((*e, np.nan)[:4] for e in events)
                starts.append(len(rows))
        table = np.array(rows, dtype=np.float64).reshape(-1, 4)
        label, onset, offset = (table[:, i].astype(np.int32) for i in range(3))
        return Events(
            1,
            len(videos),
            np.array(starts, np.int64),
            label,
            onset,
            offset,
            np.ascontiguousarray(table[:, 3]),
        )
