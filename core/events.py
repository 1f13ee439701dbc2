"""Events of many videos as one flat table: what a decoder returns and what the metrics count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

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
    confidence : (E,) float64, how sure the decoder is of each event, always a number; None where none was made
        (:func:`.confidence.with_confidence` makes it)
    seconds : (E, 2) float64, onset and offset in seconds, where the decoder is finer than segments; else None
    """

    num_settings: int
    num_videos: int
    starts: NDArray[np.int64]
    label: NDArray[np.int32]
    onset: NDArray[np.int32]
    offset: NDArray[np.int32]
    score: NDArray[np.float64]
    confidence: NDArray[np.float64] | None = None
    seconds: NDArray[np.float64] | None = None

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
        return Events(1, self.num_videos, starts - starts[0], **self._columns(s))

    def select(self, videos: Sequence[int] | NDArray[np.int64]) -> Events:
        """The events of some videos under every setting, in the order given; a video may be given several times."""
        chosen = np.asarray(videos, np.int64)
        if np.array_equal(chosen, np.arange(self.num_videos)):
            return self
        first = np.arange(self.num_settings)[:, None] * self.num_videos + chosen
        tracks = (first[:, :, None] * 3 + np.arange(3)).reshape(-1)
        counts = self.starts[tracks + 1] - self.starts[tracks]
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        rows = np.arange(starts[-1]) + np.repeat(self.starts[tracks] - starts[:-1], counts)
        return Events(self.num_settings, len(chosen), starts, **self._columns(rows))

    def first_videos(self, count: int) -> Events:
        """The events of the first ``count`` videos of a table of one setting."""
        if count == self.num_videos:
            return self
        starts = self.starts[: 3 * count + 1]
        return Events(1, count, starts, **self._columns(slice(int(starts[-1]))))

    def where(self, kept: NDArray[np.bool_]) -> Events:
        """The events for which ``kept`` (E,) is True."""
        before = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
        return Events(self.num_settings, self.num_videos, before[self.starts], **self._columns(kept))

    def cut(self, segments: NDArray[np.int64], segment_seconds: float | NDArray[np.float64] = 1.0) -> Events:
        """The events within the first ``segments`` (N,) of each video; the length of a segment, one or (N,), is for
        those of real-valued seconds."""
        per_row = np.tile(np.repeat(np.arange(self.num_videos), 3), self.num_settings)
        video = np.repeat(per_row, np.diff(self.starts))
        limit = np.asarray(segments, np.int32)[video]
        held, seconds = self.onset < limit, self.seconds
        if seconds is not None:
            end = limit * np.broadcast_to(np.asarray(segment_seconds, np.float64), (self.num_videos,))[video]
            held &= seconds[:, 0] < end
            seconds = np.minimum(seconds, end[:, None])
        return replace(self, offset=np.minimum(self.offset, limit), seconds=seconds).where(held)

    @staticmethod
    def joined(parts: Sequence[Events]) -> Events:
        """The settings of several tables of the same videos, one after the other."""
        ends = np.cumsum([0, *(len(p.label) for p in parts)])
        starts = [p.starts[:-1] + first for p, first in zip(parts, ends[:-1].tolist(), strict=True)]
        return Events(
            sum(p.num_settings for p in parts), parts[0].num_videos,
            np.concatenate([*starts, ends[-1:]]).astype(np.int64), **_together([(p, slice(None)) for p in parts]),
        )  # fmt: skip

    def _columns(self, at: slice | NDArray[Any]) -> dict[str, Any]:
        """The columns by name, at some rows."""
        every = {name: getattr(self, name) for name in COLUMNS}
        return {name: None if column is None else column[at] for name, column in every.items()}

    def of_each_track(self) -> list[int]:
        """How many events each track has, over all settings and videos, in the order of :data:`TRACKS`."""
        counts: list[int] = np.diff(self.starts).reshape(-1, len(TRACKS)).sum(axis=0).tolist()
        return counts

    @staticmethod
    def of_videos(parts: Sequence[Events]) -> Events:
        """The videos of several tables of the same settings, one after the other."""
        settings = parts[0].num_settings
        counts = np.concatenate([np.diff(p.starts).reshape(settings, -1) for p in parts], axis=1)
        starts = np.zeros(counts.size + 1, np.int64)
        np.cumsum(counts.reshape(-1), out=starts[1:])
        # (settings, parts), the events of each setting in each part
        rows = [
            (p, slice(int(p.starts[s * p.num_videos * 3]), int(p.starts[(s + 1) * p.num_videos * 3])))
            for s in range(settings)
            for p in parts
        ]
        return Events(settings, sum(p.num_videos for p in parts), starts, **_together(rows))

    @staticmethod
    def from_tracks(videos: Sequence[Sequence[Iterable[Sequence[float]]]]) -> Events:
        """Build a one-setting table from ``videos[v][k] = [(label, onset, offset), ...]``, each event with a score, or
        score and confidence, or score, confidence, and onset and offset in seconds, after these.

        Raises: ValueError for a video without three tracks, an event of another length than these, or events of which
        only some have a confidence or seconds.
        """
        starts = [0]
        rows: list[Sequence[float]] = []
        for tracks in videos:
            if len(tracks) != 3:
                raise ValueError(f"each video needs {len(TRACKS)} tracks {TRACKS}, got {len(tracks)}")
            for events in tracks:
                rows.extend(e if len(e) > 3 else (*e, np.nan) for e in events)
                starts.append(len(rows))
        lengths = {len(row) for row in rows} or {4}
        if len(lengths) > 1 or not lengths <= {4, 5, 7}:
            raise ValueError(
                f"an event is 3, 4, 5 or 7 numbers, and all have a confidence or seconds or none; got {lengths}"
            )
        table = np.array(rows, dtype=np.float64).reshape(-1, *lengths)
        label, onset, offset = (table[:, i].astype(np.int32) for i in range(3))
        score, *confidence = (np.ascontiguousarray(column) for column in table[:, 3:5].T)
        return Events(
            1, len(videos), np.array(starts, np.int64), label, onset, offset, score,
            confidence[0] if confidence else None,
            np.ascontiguousarray(table[:, 5:]) if table.shape[1] > 5 else None,
        )  # fmt: skip


COLUMNS = ("label", "onset", "offset", "score", "confidence", "seconds")
"""The columns of :class:`Events`, a row an event; the last two may be None."""


def _together(parts: Sequence[tuple[Events, slice]]) -> dict[str, Any]:
    """The columns of some rows of several tables, one after the other. What is None in one that has events is None."""

    def column(name: str) -> NDArray[Any] | None:
        given = [(table, getattr(table, name)) for table, _ in parts]
        if any(array is None and len(table.label) for table, array in given):
            return None
        found = [array[at] for (_, at), (_, array) in zip(parts, given, strict=True) if array is not None]
        return np.concatenate(found) if found else None

    return {name: column(name) for name in COLUMNS}
