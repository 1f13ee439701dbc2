"""CueRator: votes of sound and pictures whose thresholds cues move, one label a segment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .. import reference_cuerator as reference
from ..bundle import ScoreBundle
from ..events import TRACKS, Events
from ..kernels.cuerator import votes_block
from ..params.cuerator import CUERATOR_BOX, CUERATOR_PRESETS, CueratorParams
from ..params.needs import require_arrays
from ..params.option_rows import table_rows
from ..params.table import ParamTable
from .base import Decoder, Inputs, Reads, Replay, Stage, Trace
from .segment_events import both_streams, competing_labels, frozen, label_events

Points = NDArray[np.float32]
"""(P, 10) float32, the weights of P settings."""


def cuerator_votes(bundle: ScoreBundle, points: Points) -> NDArray[np.int32]:
    """The label of each segment under P settings, by sound, by pictures and where both agree.

    Parameters
    ----------
    bundle : ``audio_segments`` and ``visual_segments`` of N videos
    points : (P, 10) float32, weights

    Returns
    -------
    (P, 3, S) int32, tracks in the order of :data:`TRACKS`; -1 for background, and in a video without sound or pictures

    Raises
    ------
    DataError
        an array is missing, or fewer than two labels that are no background text
    """
    require_arrays(bundle, CueratorParams(), TRACKS)
    columns = competing_labels(bundle.labels, "cuerator", 2)
    assert bundle.audio_segments is not None
    assert bundle.visual_segments is not None
    votes = np.empty((len(points), len(TRACKS), len(bundle.audio_segments)), np.int32)
    votes_block(
        frozen(bundle.segment_starts), frozen(bundle.audio_segments), frozen(bundle.visual_segments),
        frozen(both_streams(bundle)), frozen(columns), frozen(points), votes,
    )  # fmt: skip
    return votes


class CueratorDecoder(Decoder[CueratorParams]):
    """CueRator's rule, with weights for a data set; one label a segment in each track."""

    name: ClassVar[str] = "cuerator"
    about: ClassVar[str] = "CueRator: audio and visual votes over thresholds that cues move, and where they agree"
    params = CueratorParams
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = CUERATOR_PRESETS
    traces: ClassVar[bool] = True

    def search_space(self) -> tuple[str, ...]:
        """The published box."""
        return tuple(f"{name}={low:g}:{high:g}" for name, (low, high) in CUERATOR_BOX.items())

    def reads(self, settings: Sequence[CueratorParams]) -> Reads:
        return Reads("cosine")

    def require(self, scores: ScoreBundle, params: CueratorParams, tracks: Sequence[str] = TRACKS) -> None:
        """Raises: DataError naming a missing array, or saying that there are too few labels to compare."""
        super().require(scores, params, tracks)
        competing_labels(scores.labels, self.name, 2)

    def decode(self, inputs: Inputs, params: CueratorParams) -> Events:
        return self.decode_many(inputs, [params]).events

    def decode_many(
        self,
        inputs: Inputs,
        settings: Sequence[CueratorParams],
        *,
        tracks: Sequence[str] = TRACKS,
        threads: int | None = None,
        trace: bool = False,
    ) -> Replay:
        wanted = self.check_request(tracks, trace, len(settings))
        events = _events(inputs.scores, np.array([astuple(p) for p in settings], np.float32), wanted)
        return Replay(events, trace=_trace(inputs.scores, settings[0]) if trace else None)

    def sweeper(
        self, inputs: Inputs, table: ParamTable[CueratorParams], tracks: Sequence[str] = TRACKS
    ) -> Callable[[int, int], Events]:
        wanted = self.check_request(tracks, False)
        self.require(inputs.scores, table.base, wanted)
        points = table_rows(table, tuple(CUERATOR_BOX)).astype(np.float32)

        def run(begin: int, end: int) -> Events:
            return _events(inputs.scores, points[begin:end], wanted)

        return run

    def stages(
        self, inputs: Inputs, params: CueratorParams, video: int, track: str, label: int, onset: int, offset: int
    ) -> list[Stage]:
        """Streams, competition, and the votes by sound and by pictures with the thresholds of the label."""
        b = inputs.scores
        self.require(b, params, (track,))
        if not both_streams(b)[video]:
            lacking = "pictures" if b.has_audio[video] else "sound"
            return [Stage("stream", False, f"the video has no {lacking}, and the cues are of both")]
        if not b.segments_per_video[video]:
            return [Stage("segments", False, "the video has no segments")]
        columns = competing_labels(b.labels, self.name, 2)
        if label not in columns:
            return [Stage("competition", False, "texts of the background do not compete")]
        k = int(np.flatnonzero(columns == label)[0])
        a, v = _scores(b, columns, video)
        theta = reference.thresholds(a, v, astuple(params))
        votes = reference.votes(a, v, astuple(params))
        found = []
        for side, x, tau, chosen in zip(TRACKS, (a, v), theta, votes, strict=False):
            if track in (side, "audio_visual"):
                found.append(_vote_stage(side, x[:, k], tau[:, k], chosen, k, b, columns, onset, offset))
        if track == "audio_visual":
            agreed = [t for t in range(onset, offset) if votes[2][t] == k]
            text = f"both vote for it in {len(agreed)} of {offset - onset} segments"
            found.append(Stage("agreement", bool(agreed), text, {"segments": tuple(map(float, agreed))}))
        return found


def _events(bundle: ScoreBundle, points: Points, tracks: Sequence[str]) -> Events:
    votes = cuerator_votes(bundle, points)
    if len(tracks) < len(TRACKS):
        votes = votes[:, [TRACKS.index(t) for t in tracks]]
    return label_events(votes, bundle.segments_per_video, tracks)


def _scores(b: ScoreBundle, columns: NDArray[np.int64], video: int) -> tuple[reference.Floats, reference.Floats]:
    rows = slice(*b.segment_starts[video : video + 2].tolist())
    assert b.audio_segments is not None
    assert b.visual_segments is not None
    return b.audio_segments[rows][:, columns], b.visual_segments[rows][:, columns]


def _trace(b: ScoreBundle, params: CueratorParams) -> Trace:
    """Thresholds and scores of the audio and the visual track; the audio-visual one has none of its own."""
    columns = competing_labels(b.labels, "cuerator", 2)
    made, starts = Trace.undefined(b), b.segment_starts
    for video in np.flatnonzero(both_streams(b) & (b.segments_per_video > 0)).tolist():
        found = _scores(b, columns, video)
        rows = np.arange(starts[video], starts[video + 1])[:, None]
        for k, (x, theta) in enumerate(zip(found, reference.thresholds(*found, astuple(params)), strict=True)):
            made.score[k, rows, columns], made.tau[k, rows, columns] = x, theta
        made.active[:, video, columns] = True
    return made


def _vote_stage(
    side: str,
    x: reference.Floats,
    tau: reference.Floats,
    chosen: Sequence[int],
    k: int,
    b: ScoreBundle,
    columns: NDArray[np.int64],
    onset: int,
    offset: int,
) -> Stage:
    """Whether a modality votes for a label in any segment, and if not, why."""
    spans = range(onset, offset)
    won = [t for t in spans if chosen[t] == k]
    text = f"{len(won)} of {offset - onset} segments vote for it"
    above = [t for t in spans if x[t] > tau[t]]
    if not won and above:
        t = above[0]
        text += f"; in segment {t} it is above its threshold, but {b.labels[columns[chosen[t]]]!r} scores higher"
    elif not won:
        t = max(spans, key=lambda t: float(x[t] - tau[t]))
        text += f"; the nearest is segment {t}: score {x[t]:.4f}, threshold {tau[t]:.4f}"
    values = {"scores": tuple(map(float, x[onset:offset])), "thresholds": tuple(map(float, tau[onset:offset]))}
    return Stage(f"{side} vote", bool(won), text, values)
