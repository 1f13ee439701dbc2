"""The events of every (tau0, tau_r) of AV²A, with all other options fixed: a few lists of events for each video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..bundle import ScoreBundle
from ..decoders.av2a import prepare_inputs, replay_scores
from ..events import TRACKS, Events
from ..kernels.replay import ReplayInputs
from ..params.av2a import Params
from ..params.records import to_records
from .kernels.cells import enumerate_track
from .kernels.overlay import TrackRegions, late_lists, overlay
from .kernels.pieces import pieces_of_track

_STATES_MOST = 1 << 22
"""Numbers that the histories of a track may take; beyond it each cell is computed from the first segment on."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Where over tau0 in [0, 1] the candidates of one track of N videos change: B cells, E candidates.

    Shapes and units
    ----------------
    first : (N + 1,) int64, first cell of each video; a video has at least one
    start : (B,) float64, tau0 from which on, rising within a video; the cell ends before the next one's start, the
        last at 1, which is in it
    end : (B + 1,) int64, the first candidate of each cell
    candidates : (E, 3) int32, label, onset, offset (segments, exclusive), in the order of the replay
    """

    first: NDArray[np.int64]
    start: NDArray[np.float64]
    end: NDArray[np.int64]
    candidates: NDArray[np.int32]

    def of_video(self, video: int) -> list[tuple[float, list[tuple[int, int, int]]]]:
        """Start and candidates of each cell of one video."""
        cells = range(int(self.first[video]), int(self.first[video + 1]))
        return [
            (float(self.start[b]), [(c, s, e) for c, s, e in self.candidates[self.end[b] : self.end[b + 1]].tolist()])
            for b in cells
        ]

    def at(self, video: int, tau0: float) -> list[tuple[int, int, int]]:
        """The candidates of one video at one tau0, in order."""
        starts = self.start[self.first[video] : self.first[video + 1]]
        b = int(self.first[video]) + int(np.searchsorted(starts, tau0, "right")) - 1
        return [(c, s, e) for c, s, e in self.candidates[self.end[b] : self.end[b + 1]].tolist()]


@dataclass(frozen=True, eq=False)
class JointRegions:
    """Several tracks at once over the plane: B cells of tau0, Q pieces of tau_r, M distinct combinations of the tracks'
    lists of events.

    Shapes
    ------
    cell_first : (N + 1,) int64, first cell of each video; cell_start : (B,) float64, tau0 from which on
    piece_first : (B + 1,) int64, first piece of each cell; piece_start : (Q,) float64, tau_r from which on
    piece_combination : (Q,) int64
    combination_first : (N + 1,) int64, first combination of each video
    lists : (M, 3) int64, the list of each track (:data:`avreplay.core.events.TRACKS`); 0 where the track is not in it
    """

    cell_first: NDArray[np.int64]
    cell_start: NDArray[np.float64]
    piece_first: NDArray[np.int64]
    piece_start: NDArray[np.float64]
    piece_combination: NDArray[np.int64]
    combination_first: NDArray[np.int64]
    lists: NDArray[np.int64]

    @property
    def video(self) -> NDArray[np.int64]:
        """(M,) the video of each combination."""
        return np.repeat(np.arange(len(self.combination_first) - 1), np.diff(self.combination_first))

    def combination_at(self, tau0: float, tau_r: float) -> NDArray[np.int64]:
        """(N,) the combination of each video at one setting."""
        found = np.empty(len(self.cell_first) - 1, np.int64)
        for v in range(len(found)):
            a, b = self.cell_first[v : v + 2]
            cell = a + np.searchsorted(self.cell_start[a:b], tau0, "right") - 1
            p, q = self.piece_first[cell : cell + 2]
            found[v] = self.piece_combination[p + np.searchsorted(self.piece_start[p:q], tau_r, "right") - 1]
        return found


@dataclass(frozen=True, eq=False)
class Regions:
    """All events of N videos over the plane (tau0, tau_r) of one setting of the other options.

    bundle, params : what was replayed
    tracks : regions of audio, visual and audio-visual events
    single : whether tau_r is rounded to float32 before it is compared
    """

    bundle: ScoreBundle
    params: Params
    tracks: tuple[TrackRegions, TrackRegions, TrackRegions]

    @property
    def single(self) -> bool:
        return self.params.precision == "float32"

    def rounded(self, tau_r: float) -> float:
        """tau_r as it is compared."""
        return float(np.float32(tau_r)) if self.single else float(tau_r)

    def joint(self, tracks: Sequence[str] = TRACKS) -> JointRegions:
        """Where the events of any of some tracks change."""
        nothing = _nothing(self.bundle.num_videos)
        chosen = (self.tracks[k] if TRACKS[k] in tracks else nothing for k in range(3))
        return JointRegions(*overlay(*chosen))

    def events_of(self, lists: NDArray[np.int64], tracks: Sequence[str] = TRACKS) -> Events:
        """The events of combinations of lists (M, 3), as those of M videos; tracks that are left out are empty."""
        count = len(lists)
        sizes = np.zeros((count, 3), np.int64)
        for k, track in enumerate(self.tracks):
            if TRACKS[k] in tracks:
                sizes[:, k] = track.list_first[lists[:, k] + 1] - track.list_first[lists[:, k]]
        flat = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes.reshape(-1))])
        starts = flat[:-1].reshape(count, 3)
        label, onset, offset = (np.empty(flat[-1], np.int32) for _ in range(3))
        score = np.empty(flat[-1])
        for k, track in enumerate(self.tracks):
            if TRACKS[k] not in tracks:
                continue
            size = sizes[:, k]
            within = np.arange(int(size.sum())) - np.repeat(np.cumsum(size) - size, size)
            to = np.repeat(starts[:, k], size) + within
            parts = np.repeat(track.list_first[lists[:, k]], size) + within
            for i, array in enumerate((label, onset, offset)):
                array[to] = track.events[parts, i]
            score[to] = track.score[parts]
        return Events(1, count, flat, label, onset, offset, score)

    def events_at(self, tau0: float, tau_r: float) -> Events:
        """The events of all videos at one setting, as :func:`avreplay.core.decoders.av2a.replay_scores` gives them."""
        joint = self.joint()
        return self.events_of(joint.lists[joint.combination_at(tau0, self.rounded(tau_r))])


def track_cells(bundle: ScoreBundle, params: Params, track: str) -> Cells:
    """Every cell of tau0 in [0, 1] of one track, for fixed other options (``params.tau0`` does not matter).

    Parameters
    ----------
    bundle : scores of N videos
    params : the other options
    track : ``audio``, ``visual``, or ``audio_visual`` (with ``fusion=score``)

    Raises
    ------
    DataError
        an array that the setting needs is not in the bundle
    UsageError
        an unknown track
    """
    return _Enumeration(bundle, params, (track,)).cells(TRACKS.index(track))


def plane_regions(bundle: ScoreBundle, params: Params, tracks: Sequence[str] = TRACKS) -> Regions:
    """The events of every (tau0, tau_r) in [0, 1] x [0, 1], for fixed other options.

    ``tracks`` are those that are wanted; the others may stay empty.

    Raises: as :func:`track_cells`.
    """
    late = params.fusion == "late" and "audio_visual" in tracks
    wanted = TRACKS if late else tuple(t for t in TRACKS if t in tracks)
    found = _Enumeration(bundle, params, wanted)
    nothing = _nothing(bundle.num_videos)
    audio, visual, both = (
        found.regions(k) if track in wanted and not (late and k == 2) else nothing for k, track in enumerate(TRACKS)
    )
    if late:
        both = _late(bundle, audio, visual, found.inputs.rank)
    return Regions(bundle, params, (audio, visual, both))


class _Enumeration:
    """What the kernels read: the segments' scores and selected labels of one replay, and the window arrays."""

    def __init__(self, bundle: ScoreBundle, params: Params, tracks: Sequence[str]) -> None:
        trace = replay_scores(bundle, params, tracks=tracks, threads=1, trace=True).trace
        assert trace is not None
        self.score, self.active = trace.score, trace.active
        self.records, norms = to_records([params], bundle.kind)
        self.inputs: ReplayInputs = prepare_inputs(bundle, self.records, norms, tracks)

    def cells(self, k: int) -> Cells:
        first, active = self.inputs.first, np.ascontiguousarray(self.active[k])
        labels, longest = active.shape[1], int(np.diff(first).max(initial=1))
        most = int(active.sum(axis=1).max(initial=0))
        by_pattern = most if most <= 4 * longest else 0
        keep = (longest + 1) * (by_pattern + 1) ** 2 <= _STATES_MOST
        inverse = bool(self.records["pinv"][0])
        work = np.empty((2, min(longest, labels) + 1, labels) if inverse else (2, 0, 0))
        scores = np.ascontiguousarray(self.score[k])
        return Cells(
            *enumerate_track(scores, active, first, self.inputs.cosine, k, self.records, by_pattern, keep, work)
        )

    def regions(self, k: int) -> TrackRegions:
        cells, active = self.cells(k), np.ascontiguousarray(self.active[k])
        made = pieces_of_track(self.inputs, k, self.records, active, cells.first, cells.end, cells.candidates)
        return TrackRegions(cells.first, cells.start, *made)


def _nothing(videos: int) -> TrackRegions:
    """A track without events: one region for each video, all of one empty list."""
    zero = np.zeros(videos)
    return TrackRegions(
        np.arange(videos + 1), zero, np.arange(videos + 1), zero, np.zeros(videos, np.int64), np.zeros(2, np.int64),
        np.zeros((0, 3), np.int32), np.zeros(0),
    )  # fmt: skip


def _late(bundle: ScoreBundle, audio: TrackRegions, visual: TrackRegions, rank: NDArray[np.int64]) -> TrackRegions:
    joint = JointRegions(*overlay(audio, visual, _nothing(bundle.num_videos)))
    first, events = late_lists(audio, visual, joint.lists, joint.video, bundle.segments_per_video, rank)
    return TrackRegions(
        joint.cell_first, joint.cell_start, joint.piece_first, joint.piece_start, joint.piece_combination, first,
        events, np.full(len(events), np.nan),
    )  # fmt: skip
