"""OV-AVEL's rules: from audio and visual scores of segments to audio-visual events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..bundle import ScoreBundle
from ..errors import DataError, UsageError
from ..events import Events
from ..kernels.ovavel import FEA_AVG, FIRST_AGREEMENT, PER_SEGMENT, PROB_AVG, SQRT, decode_block
from ..kernels.ovavel_steps import filter_rows, tidy_labels
from ..params.needs import deciding_options, needed_arrays, require_arrays
from ..params.ovavel import OvavelParams, make_ovavel_params
from ..params.presets import OVAVEL_MADE_FOR, OVAVEL_PRESETS, MadeFor
from ..params.steps import EDGES
from ..params.table import ParamTable
from .base import Decoder, Inputs, Reads, Replay, Stage
from .explain import ovavel_stages
from .segment_events import frozen, label_events

_RULES = {"first_agreement": FIRST_AGREEMENT, "per_segment": PER_SEGMENT, "sqrt": SQRT, "prob_avg": PROB_AVG,
          "fea_avg": FEA_AVG}  # fmt: skip


def ovavel_events(bundle: ScoreBundle, params: OvavelParams | Sequence[OvavelParams]) -> Events:
    """Decode cosines of audio and visual segments into events of the audio-visual track, for one setting or many.

    Events are maximal runs of segments with one label, without a score. Where segments agree first on the background
    text and ``agreed_other`` is ``event``, their events carry that text as label, as the released metrics count them.
    A video without sound or without pictures has no events.

    Parameters
    ----------
    bundle : ``audio_segments`` and ``visual_segments``, for ``fea_avg`` ``audio_visual_segments`` instead
    params : one setting, or P of them; the events come in the same order

    Raises
    ------
    DataError
        scores that a setting needs and that are missing, a background text that is not among the labels
    UsageError
        no setting
    """
    settings = [params] if isinstance(params, OvavelParams) else list(params)
    if not settings:
        raise UsageError("replay needs at least one parameter setting")
    first = bundle.segment_starts
    present = bundle.has_audio & bundle.has_visual
    timelines = np.empty((len(settings), int(first[-1])), np.int32)
    for predicted, p in zip(timelines, settings, strict=True):
        rule = _RULES[p.fusion if p.strategy == "fused_argmax" else p.strategy]
        require_segments(bundle, p)
        competes, special = _competing(bundle.labels, p.background)
        empty = np.zeros((0, bundle.num_labels), np.float32)
        audio, visual, fused = (
            frozen(_filtered(bundle, getattr(bundle, name), p) if name in _read(p) else empty)
            for name in ("audio_segments", "visual_segments", "audio_visual_segments")
        )
        keep = rule == FIRST_AGREEMENT and p.agreed_other == "event"
        decode_block(
            frozen(first), audio, visual, fused, frozen(present), competes, special, rule, keep,
            p.negative_pairs == "zero", p.no_positive == "first", predicted,
        )  # fmt: skip
        if p.min_length > 1 or p.max_gap > 0:
            tidy_labels(frozen(first), p.min_length, p.max_gap, predicted)
    return runs_of(timelines, bundle.segments_per_video)


def _filtered(bundle: ScoreBundle, rows: NDArray[np.float32], p: OvavelParams) -> NDArray[np.float32]:
    """Scores (S, C) after the median filter of a setting."""
    if p.median == 1:
        return rows
    longest, out = int(bundle.segments_per_video.max(initial=0)), np.empty_like(rows)
    column, window = np.empty((2, longest)), np.empty(p.median)
    filter_rows(frozen(bundle.segment_starts), frozen(rows), p.median, EDGES.index(p.median_edge), column, window, out)
    return out


def require_segments(bundle: ScoreBundle, p: OvavelParams) -> None:
    """Refuse a setting whose arrays or background text are missing. Raises DataError naming what needs them."""
    require_arrays(bundle, p, OvavelDecoder.tracks)
    _competing(bundle.labels, p.background)


def runs_of(timelines: NDArray[np.int32], segments_per_video: NDArray[np.int64]) -> Events:
    """Maximal runs of one label as audio-visual events; timelines (P, S) int32, -1 for no event."""
    return label_events(timelines[:, None], segments_per_video, OvavelDecoder.tracks)


def _competing(labels: tuple[str, ...], background: str) -> tuple[NDArray[np.bool_], int]:
    """Which labels (C,) compete, and the one that stands for background (-1: none)."""
    folded = [name.casefold() for name in labels]
    competes = np.array([name not in ("other", "background") or name == background for name in folded], np.bool_)
    if background != "none" and background not in folded:
        raise DataError(
            f"none of the {len(labels)} labels is {background!r}, which background={background} needs; add it with "
            "`avreplay embed-text`, or set background=none"
        )
    if not competes.any():
        raise DataError("the scores hold no label besides background texts; give some")
    special = folded.index(background) if background != "none" else -1
    return competes, special


class OvavelDecoder(Decoder[OvavelParams]):
    """OV-AVEL's training-free rules and the fused arg-max of its fine-tuned model (sections 3.2 and 3.3)."""

    name: ClassVar[str] = "ovavel"
    about: ClassVar[str] = "OV-AVEL: agreement of audio and visual labels, or the best fused score"
    params = OvavelParams
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = OVAVEL_PRESETS
    made_for: ClassVar[Mapping[str, MadeFor]] = OVAVEL_MADE_FOR
    tracks: ClassVar[tuple[str, ...]] = ("audio_visual",)

    def make_params(
        self, preset: str | None = None, profile: str | None = None, values: Mapping[str, Any] | None = None
    ) -> OvavelParams:
        return make_ovavel_params(preset, profile, values)

    def search_space(self) -> tuple[str, ...]:
        """Every choice of the published rules that any scores allow: not the background text, which the labels decide,
        nor ``fusion=fea_avg``, which needs the cosines of mean features."""
        left_out = ("background=", "median_edge=")
        every = (text for text in super().search_space() if not text.startswith(left_out))
        return tuple(text.replace(",fea_avg", "") for text in every)

    def reads(self, settings: Sequence[OvavelParams]) -> Reads:
        return Reads("cosine", fused=any("audio_visual_segments" in _read(p) for p in settings))

    def decode(self, inputs: Inputs, params: OvavelParams) -> Events:
        return ovavel_events(inputs.scores, params)

    def decode_many(
        self,
        inputs: Inputs,
        settings: Sequence[OvavelParams],
        *,
        tracks: Sequence[str] = ("audio_visual",),
        threads: int | None = None,
        trace: bool = False,
    ) -> Replay:
        self.check_request(tracks, trace)
        return Replay(ovavel_events(inputs.scores, settings))

    def sweeper(
        self, inputs: Inputs, table: ParamTable[OvavelParams], tracks: Sequence[str] = ("audio_visual",)
    ) -> Callable[[int, int], Events]:
        self.check_request(tracks, False)
        for i in table.one_of_each((*deciding_options(OvavelParams), "background")):
            require_segments(inputs.scores, table.params(i))

        def run(begin: int, end: int) -> Events:
            return ovavel_events(inputs.scores, [table.params(i) for i in range(begin, end)])

        return run

    def require(self, scores: ScoreBundle, params: OvavelParams, tracks: Sequence[str] = ("audio_visual",)) -> None:
        require_segments(scores, params)

    def stages(
        self, inputs: Inputs, params: OvavelParams, video: int, track: str, label: int, onset: int, offset: int
    ) -> list[Stage]:
        """At which stage a label got lost, or how it came through, between two segments."""
        self.require(inputs.scores, params, (track,) if track in self.tracks else self.tracks)
        return ovavel_stages(inputs.scores, params, video, track, label, onset, offset)


def _read(params: OvavelParams) -> set[str]:
    """The arrays that a setting reads."""
    return {name for names, _ in needed_arrays(params, OvavelDecoder.tracks) for name in names}
