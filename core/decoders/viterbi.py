"""Two states for each label, on and off: the path that the probabilities of the segments and the costs of changes make
best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .. import reference_viterbi as reference
from ..bundle import ScoreBundle
from ..events import TRACKS, Events
from ..kernels.viterbi import SCORE_NORM, SIGMOID_BIAS, viterbi_block
from ..params.needs import refuse_one_label
from ..params.option_rows import option_rows, table_rows
from ..params.table import ParamTable
from ..params.viterbi import VITERBI_PRESETS, VITERBI_SPACE, ViterbiParams
from .base import Decoder, Inputs, Replay, Stage, Trace
from .segment_events import Masks, competing_labels, decided_events, frozen

_OPTIONS = tuple(f.name for f in fields(ViterbiParams))
"""In the order of the columns that the kernel reads."""


class ViterbiDecoder(Decoder[ViterbiParams]):
    """A two-state Viterbi path per label and track."""

    name: ClassVar[str] = "viterbi"
    about: ClassVar[str] = "two states a label: the best path for what segments earn and changes cost"
    params = ViterbiParams
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = VITERBI_PRESETS
    traces: ClassVar[bool] = True

    def search_space(self) -> tuple[str, ...]:
        return VITERBI_SPACE

    def require(self, scores: ScoreBundle, params: ViterbiParams, tracks: Sequence[str] = TRACKS) -> None:
        """Raises: DataError naming a missing array, or the option that helps where z-scores do not exist."""
        super().require(scores, params, tracks)
        competing_labels(scores.labels)
        refuse_one_label(scores.labels, scores.kind, params.score_norm)

    def decode(self, inputs: Inputs, params: ViterbiParams) -> Events:
        return self.decode_many(inputs, [params], threads=1).events

    def decode_many(
        self,
        inputs: Inputs,
        settings: Sequence[ViterbiParams],
        *,
        tracks: Sequence[str] = TRACKS,
        threads: int | None = None,
        trace: bool = False,
    ) -> Replay:
        wanted = self.check_request(tracks, trace, len(settings))
        for params in settings:
            self.require(inputs.scores, params, wanted)
        rows = option_rows(settings, _OPTIONS)
        events = _events(inputs.scores, rows, wanted, threads)
        return Replay(events, trace=_trace(inputs.scores, settings[0]) if trace else None)

    def sweeper(
        self, inputs: Inputs, table: ParamTable[ViterbiParams], tracks: Sequence[str] = TRACKS
    ) -> Callable[[int, int], Events]:
        wanted = self.check_request(tracks, False)
        for i in table.one_of_each(("score_norm",)):
            self.require(inputs.scores, table.params(i), wanted)
        rows = table_rows(table, _OPTIONS)

        def run(begin: int, end: int) -> Events:
            return _events(inputs.scores, rows[begin:end], wanted, 1)

        return run

    def stages(
        self, inputs: Inputs, params: ViterbiParams, video: int, track: str, label: int, onset: int, offset: int
    ) -> list[Stage]:
        """Streams, competition, what the segments say, and the path; late, those of sound and of pictures."""
        b = inputs.scores
        self.require(b, params, (track,))
        sides = _probabilities(b, params, video)
        needed = {"audio": sides[:1], "visual": sides[1:]}.get(track, sides)
        if any(P is None for P in needed):
            lacking = "sound" if sides[0] is None and track != "visual" else "pictures"
            return [Stage("stream", False, f"the video has no {lacking}")]
        if label not in competing_labels(b.labels):
            return [Stage("competition", False, "texts of the background do not compete")]
        if not b.segments_per_video[video]:
            return [Stage("segments", False, "the video has no segments")]
        P_a, P_v = sides
        if track == "audio_visual" and params.fusion != "late" and P_a is not None and P_v is not None:
            return _path(reference.fused(P_a, P_v, params)[:, label], params, onset, offset, "")
        found, on = [], np.ones(offset - onset, np.bool_)
        for name, P in zip(TRACKS, sides, strict=False):
            if P is not None and track in (name, "audio_visual"):
                steps = _path(P[:, label], params, onset, offset, f"{name} ")
                on &= reference.best_path(reference.gains(P[:, label], params), params)[onset:offset]
                found += steps
        if track == "audio_visual":
            found.append(Stage("agreement", bool(on.any()), f"both are on in {int(on.sum())} of {len(on)} segments"))
        return found


def _path(P: reference.Floats, params: ViterbiParams, onset: int, offset: int, name: str) -> list[Stage]:
    """What the segments of one label earn, and whether the best path is on between two of them."""
    gain = reference.gains(P, params)
    on = reference.best_path(gain, params)[onset:offset]
    above = int((gain[onset:offset] > 0).sum())
    text = (
        f"the best path is on in {int(on.sum())} of {offset - onset} segments, of which {above} are above "
        f"{params.threshold:g}; to be on everywhere there earns {gain[onset:offset].sum():.3f}, a change costs "
        f"{params.enter:g} and back {params.leave:g}"
    )
    values = {"probabilities": tuple(map(float, P[onset:offset])), "gains": tuple(map(float, gain[onset:offset]))}
    return [Stage(f"{name}path", bool(on.any()), text, values)]


def _events(b: ScoreBundle, rows: NDArray[np.float64], tracks: Sequence[str], threads: int | None) -> Events:
    columns = competing_labels(b.labels)
    empty = np.zeros((0, b.num_labels), np.float32)
    scores = [empty if x is None else x for x in (b.audio_segments, b.visual_segments)]
    starts = b.segment_starts

    def decide(settings: slice, videos: slice) -> Masks:
        own = slice(int(starts[videos.start]), int(starts[videos.stop]))
        some = rows[settings]
        masks = np.zeros((len(some), len(TRACKS), own.stop - own.start, b.num_labels), np.uint8)
        order = np.lexsort(some[:, SCORE_NORM : SIGMOID_BIAS + 1].T).astype(np.int64)
        viterbi_block(
            frozen(starts[videos.start : videos.stop + 1] - own.start), *(frozen(x[own]) for x in scores),
            frozen(b.has_audio[videos]), frozen(b.has_visual[videos]), frozen(columns), b.kind == "probability",
            frozen(some), frozen(order), masks,
        )  # fmt: skip
        return masks

    return decided_events(decide, len(rows), b, tracks, threads)


def _probabilities(
    b: ScoreBundle, params: ViterbiParams, video: int
) -> tuple[reference.Floats | None, reference.Floats | None]:
    """P (T, C) by sound and by pictures, None without the stream or its scores."""
    rows = slice(*b.segment_starts[video : video + 2].tolist())
    there = (b.audio_segments, b.has_audio[video]), (b.visual_segments, b.has_visual[video])
    audio, visual = (
        reference.probabilities(x[rows], b.kind, params) if x is not None and is_there else None
        for x, is_there in there
    )
    return audio, visual


def _trace(b: ScoreBundle, params: ViterbiParams) -> Trace:
    """Probabilities, and the threshold that they are weighed against; a segment beside an event may be on below it."""
    columns = competing_labels(b.labels)
    made, starts = Trace.undefined(b), b.segment_starts
    for video in np.flatnonzero(b.segments_per_video > 0).tolist():
        P_a, P_v = _probabilities(b, params, video)
        both = None if P_a is None or P_v is None or params.fusion == "late" else reference.fused(P_a, P_v, params)
        rows = np.arange(starts[video], starts[video + 1])[:, None]
        for k, P in enumerate((P_a, P_v, both)):
            if P is not None:
                made.score[k, rows, columns], made.tau[k, rows, columns] = P[:, columns], params.threshold
        made.active[:2, video, columns] = np.array([P_a is not None, P_v is not None])[:, None]
        made.active[2, video, columns] = P_a is not None and P_v is not None
    return made
