"""Annotated events of a dataset, in one form whatever file they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError, shown
from ...core.events import Events
from ...core.metrics.base import Truth
from ...core.names import ids_sha256


@dataclass(frozen=True, eq=False)
class Annotations:
    """Annotated events of N videos.

    Shapes and units
    ----------------
    labels : C names; video_ids : N ids, in the order of the file
    segments_per_video : (N,) int64
    events : a one-setting table over the three tracks, label indices into ``labels``; the events of an AVE or own
        track stand in the order of the file (scoring as released takes the first), those of LLP are maximal runs
    source : the file or folder they were read from
    notes : what a reader of the figures should know about the file, a sentence each
    segment_seconds : length of a segment in seconds, one number or (N,) float64
    aliases : other names of labels that predictions may use
    background : names of a background class that predictions may use and that is no label here; such events count
        as none
    category : (N,) int64, the label of the video as a whole, which its segments need not show; None where unknown
    group : of each video (``seen``, ``unseen``), figures being given by group too; empty where there are none
    revision : which of several published label files it is, where a dataset has them
    metric : name of the metric it is scored with; empty for that of its dataset
    tracks_apart : whether audio and visual events are annotated apart; None: as its dataset has them
    durations : (N,) float64, the videos in seconds, where events are annotated in seconds (``events.seconds``) and the
        segments are made of these (:mod:`.in_seconds`); None where they are annotated by the segment
    source_video : gives for the id of a clip that of the video it was cut from, where ids may be written either way;
        None where they may not
    """

    dataset: str
    split: str
    labels: tuple[str, ...]
    video_ids: tuple[str, ...]
    segments_per_video: NDArray[np.int64]
    events: Events
    source: str
    notes: tuple[str, ...] = ()
    segment_seconds: float | NDArray[np.float64] = 1.0
    aliases: Mapping[str, str] = field(default_factory=dict)
    background: tuple[str, ...] = ()
    category: NDArray[np.int64] | None = None
    group: tuple[str, ...] = ()
    revision: str = ""
    metric: str = ""
    tracks_apart: bool | None = None
    durations: NDArray[np.float64] | None = None
    source_video: Callable[[str], str] | None = None

    def __repr__(self) -> str:
        what = f"{self.dataset} {self.split}, {len(self.video_ids)} videos"
        return f"<Annotations: {what}, {len(self.labels)} labels, {len(self.events.label)} events>"

    @property
    def ids_sha256(self) -> str:
        """:func:`ids_sha256` of all videos."""
        return ids_sha256(self.video_ids)

    def match(self, ids: Iterable[str]) -> list[int]:
        """Index of each id, -1 where it is not annotated.

        With ``source_video``, ids match with and without the times of the clip, on either side; two different clips of
        one video never do.

        Raises: DataError when two of the ids are the same annotated video, or an id fits several annotated clips.
        """
        exact = dict(zip(self.video_ids, range(len(self.video_ids)), strict=True))
        ids = list(ids)
        found = list(map(exact.get, ids, repeat(-1)))
        unknown = found.count(-1)
        if (unknown == 0 or self.source_video is None) and len(set(found)) == len(found) - max(0, unknown - 1):
            return found
        clips_of: dict[str, list[int]] = {}
        if self.source_video is not None:
            for v, i in exact.items():
                clips_of.setdefault(self.source_video(v), []).append(i)
        out: list[int] = []
        taken: dict[int, str] = {}
        for name in ids:
            i = exact.get(name, -1)
            if i < 0 and self.source_video is not None:
                # the id names a video that is annotated by its clip, or a clip of a video annotated without one
                clips = clips_of.get(name, [])
                if len(clips) > 1:
                    raise DataError(
                        f"the video {shown(name)} fits {len(clips)} annotated clips, "
                        f"{shown(self.video_ids[clips[0]])} for one; "
                        "name it with its _start_end"
                    )
                i = clips[0] if clips else exact.get(self.source_video(name), -1)
            if i >= 0 and i in taken:
                raise DataError(
                    f"the videos {shown(taken[i])} and {shown(name)} are both the annotated "
                    f"{shown(self.video_ids[i])}; keep one"
                )
            if i >= 0:
                taken[i] = name
            out.append(i)
        return out

    @property
    def seconds(self) -> NDArray[np.float64]:
        """(N,) float64, length of a segment of each video in seconds."""
        return np.array(np.broadcast_to(np.asarray(self.segment_seconds, np.float64), (len(self.video_ids),)))

    def truth(self) -> Truth:
        """What a metric reads of them."""
        return Truth(self.events, self.segments_per_video, self.labels, self.seconds, self.category, self.group)

    def select(self, videos: Sequence[int]) -> Annotations:
        """Some of the videos, in the order given."""
        chosen = np.asarray(videos, np.int64)
        if np.array_equal(chosen, np.arange(len(self.video_ids))):
            return self
        seconds = self.segment_seconds
        return replace(
            self,
            video_ids=tuple(self.video_ids[v] for v in chosen.tolist()),
            segments_per_video=self.segments_per_video[chosen],
            events=self.events.select(chosen.tolist()),
            segment_seconds=seconds[chosen] if isinstance(seconds, np.ndarray) else seconds,
            category=None if self.category is None else self.category[chosen],
            durations=None if self.durations is None else self.durations[chosen],
            group=tuple(self.group[v] for v in chosen.tolist()) if self.group else (),
        )

    def cut(self, segments: NDArray[np.int64]) -> Annotations:
        """Only the first ``segments`` (N,) of each video, where it has more."""
        kept = np.minimum(self.segments_per_video, segments)
        return replace(self, segments_per_video=kept, events=self.events.cut(kept, self.segment_seconds))


def merged(events: Iterable[tuple[int, int, int]]) -> dict[int, list[tuple[int, int]]]:
    """The events of a track as maximal runs per label, the union of events that overlap or touch."""
    runs: dict[int, list[tuple[int, int]]] = {}
    for label, start, end in sorted(events):
        of_label = runs.setdefault(label, [])
        if of_label and start <= of_label[-1][1]:
            of_label[-1] = (of_label[-1][0], max(end, of_label[-1][1]))
        else:
            of_label.append((start, end))
    return runs


def agreed(audio: Iterable[tuple[int, int, int]], visual: Iterable[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Audio-visual events: per label the segments annotated in both tracks, as maximal ``(label, onset, offset)``."""
    in_audio, in_visual = merged(audio), merged(visual)
    return [
        (label, *overlap) for label, runs in in_audio.items() for overlap in _overlaps(runs, in_visual.get(label, []))
    ]


def _overlaps(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Where runs of two lists overlap; both are in order, so that one walk along them is enough."""
    i = k = 0
    while i < len(a) and k < len(b):
        start, end = max(a[i][0], b[k][0]), min(a[i][1], b[k][1])
        if start < end:
            yield start, end
        if a[i][1] < b[k][1]:
            i += 1
        else:
            k += 1
