"""What a report is made of: the data classes a caller fills, and the checks on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.decoders.base import Candidates
from ...core.errors import DataError
from ...core.events import TRACKS, Events
from .candidates import candidates_of


@dataclass(frozen=True, eq=False)
class Trace:
    """Scores and thresholds of one replay, by track (names of :data:`TRACKS`; a track may be absent).

    Shapes
    ------
    score : [S, C] float, the score each segment was judged by; S = segments of all videos, in their order
    tau : [S, C] float, the moving threshold, NaN where the label was not active
    active : [N, C] bool, the labels selected for a video
    candidates : of N videos; None for a trace of before they were kept
    videos, labels : [N] and [C] bool, which of the report's videos and labels the replay was of; None: of all
    drawn : the report's videos that the arrays hold, S segments and N rows of `active` then being theirs; None: all
    """

    score: Mapping[str, NDArray[np.floating]]
    tau: Mapping[str, NDArray[np.floating]]
    active: Mapping[str, NDArray[np.bool_]]
    candidates: Candidates | None = None
    videos: NDArray[np.bool_] | None = None
    labels: NDArray[np.bool_] | None = None
    drawn: tuple[int, ...] | None = None

    def place(self, video: int) -> int:
        """Where a video of the report stands in ``active`` and ``candidates``."""
        return video if self.drawn is None else self.drawn.index(video)

    def rows(self, offsets: NDArray[np.int64], video: int) -> slice:
        """The segments of a video in ``score`` and ``tau``, given where those of the report's videos begin."""
        length = int(offsets[video + 1] - offsets[video])
        before = offsets[video] if self.drawn is None else sum(
            int(offsets[v + 1] - offsets[v]) for v in self.drawn[: self.place(video)]
        )  # fmt: skip
        return slice(int(before), int(before) + length)

    @property
    def tracks(self) -> tuple[str, ...]:
        """The tracks that have both scores and thresholds, in track order."""
        return tuple(t for t in TRACKS if t in self.score and t in self.tau and t in self.active)

    @staticmethod
    def from_arrays(arrays: Mapping[str, Any]) -> Trace:
        """A trace from the arrays of a trace file (``<track>_score``, ``_tau``, ``_active``; ``candidates_...``).

        ``arrays`` is an opened ``.npz`` or a dict; its videos and labels must stand in the report's order.
        """

        def part(name: str) -> dict[str, NDArray[Any]]:
            return {t: np.asarray(arrays[f"{t}_{name}"]) for t in TRACKS if f"{t}_{name}" in arrays}

        return Trace(part("score"), part("tau"), part("active"), candidates_of(arrays))


@dataclass(frozen=True, eq=False)
class ReportRun:
    """One replay shown in a report: its events, figures and parameters.

    events : one setting, N videos in the order of ``ReportData.video_ids``, labels index ``ReportData.labels``
    metrics : figure by name (``type_av_seg``, ``accuracy``, ``seen_avg``, ...), percent
    per_video : figure by name, each [N] float, percent, NaN where undefined; ranks and indexes the videos
    params : parameter by name, shown as they are
    """

    name: str
    events: Events
    metrics: Mapping[str, float]
    per_video: Mapping[str, NDArray[np.floating]] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    trace: Trace | None = None


@dataclass(frozen=True, eq=False)
class ReportData:
    """Everything a report shows. The last of ``runs`` is the main one; differences are last minus first.

    Shapes and units
    ----------------
    labels : C label names; video_ids : N ids; segments_per_video : [N] int
    segment_seconds : seconds per segment, one number or [N]
    truth : one setting, N videos, or None when there is no annotation
    paper_rows : (name, figure by name) of published results, percent
    per_class : run name -> figure name -> [C] float, percent, NaN where undefined
    fingerprint, licence : of the store the runs come from, shown when given
    titles : group and column title of figures by name; a figure without is its own title
    """

    title: str
    dataset: str
    split: str
    labels: Sequence[str]
    video_ids: Sequence[str]
    segments_per_video: NDArray[np.integer] | Sequence[int]
    segment_seconds: float | NDArray[np.floating] = 1.0
    truth: Events | None = None
    runs: Sequence[ReportRun] = ()
    videos_expected: int | None = None
    ids_sha256: str = ""
    paper_rows: Sequence[tuple[str, Mapping[str, float]]] | None = None
    notes: Sequence[str] = ()
    per_class: Mapping[str, Mapping[str, NDArray[np.floating]]] | None = None
    fingerprint: str = ""
    licence: str = ""
    titles: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<ReportData of {self.dataset} {self.split}: {len(self.runs)} runs, {len(self.video_ids)} videos>"

    @property
    def offsets(self) -> NDArray[np.int64]:
        """[N + 1] int64, where each video's segments begin on the flat segment axis of a trace."""
        return np.concatenate([[0], np.cumsum(np.asarray(self.segments_per_video, np.int64))]).astype(np.int64)

    def seconds(self, video: int) -> float:
        """Seconds per segment of one video."""
        return float(np.broadcast_to(np.asarray(self.segment_seconds, float), (len(self.video_ids),))[video])

    def check(self) -> None:
        """Raise DataError, naming the array, when the parts do not fit together."""
        n, c = len(self.video_ids), len(self.labels)
        _expect("segments_per_video", np.shape(self.segments_per_video), (n,))
        if np.ndim(self.segment_seconds):
            _expect("segment_seconds", np.shape(self.segment_seconds), (n,))
        if len(set(self.video_ids)) < n:
            raise DataError("the report's video ids are not unique: list each video once")
        _check_events("the ground truth", self.truth, n, c)
        total = int(self.offsets[-1])
        for run in self.runs:
            _check_events(f"run {run.name!r}", run.events, n, c)
            for name, values in (run.per_video or {}).items():
                _expect(f"per_video[{name!r}] of run {run.name!r}", np.shape(values), (n,))
            held, segments = n, total
            if run.trace is not None and run.trace.drawn is not None:
                held = len(run.trace.drawn)
                segments = int(np.asarray(self.segments_per_video)[list(run.trace.drawn)].sum())
            for track in run.trace.tracks if run.trace else ():
                assert run.trace is not None
                for part, rows in (("score", segments), ("tau", segments), ("active", held)):
                    shape = np.shape(getattr(run.trace, part)[track])
                    _expect(f"{track}_{part} in the trace of run {run.name!r}", shape, (rows, c))
            if run.trace is not None and run.trace.candidates is not None:
                what, found = f"the candidates in the trace of run {run.name!r}", run.trace.candidates
                _check_events(what, found.events, held, c)
                _expect(f"kept of {what}", np.shape(found.kept), (len(found.events.label),))
        for name, columns in (self.per_class or {}).items():
            for key, values in columns.items():
                _expect(f"per_class[{name!r}][{key!r}]", np.shape(values), (c,))


def _expect(name: str, got: tuple[int, ...], want: tuple[int, ...]) -> None:
    if tuple(got) != want:
        raise DataError(
            f"{name} has shape {tuple(got)}, the report's videos and labels need {want}: "
            "give arrays of the same videos and labels"
        )


def _check_events(name: str, events: Events | None, videos: int, labels: int) -> None:
    if events is None:
        return
    if events.num_settings != 1 or events.num_videos != videos:
        raise DataError(
            f"{name} holds {events.num_settings} setting(s) of {events.num_videos} videos, "
            f"the report has 1 setting of {videos} videos: select them first"
        )
    if events.label.size and not 0 <= events.label.min() <= events.label.max() < labels:
        raise DataError(f"{name} has a label index outside 0..{labels - 1}: its label list is another one")
