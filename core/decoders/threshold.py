"""Segment scores against thresholds: one for all labels or one each, with hysteresis and a median filter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from ..bundle import ScoreBundle
from ..events import TRACKS, Events
from ..params.needs import deciding_options
from ..params.steps import (
    HYSTERESIS_SPACE,
    MEDIAN_SPACE,
    SEBB_SPACE,
    STEPS_PRESETS,
    THRESHOLD_SPACE,
    HysteresisParams,
    MedianParams,
    ScoredParams,
    SebbParams,
    ThresholdParams,
)
from ..params.table import ParamTable
from .base import Decoder, Inputs, Reads, Replay, Stage
from .explain_steps import step_stages
from .steps import inputs_of, read_arrays, require_steps, run_steps, settings_of, settings_of_table, threads_of

P = TypeVar("P", bound=ScoredParams)


class ScoredDecoder(Decoder[P]):
    """A decoder that compares segment scores with thresholds: what those of this module have in common."""

    traces: ClassVar[bool] = True
    finer: ClassVar[bool] = False
    space: ClassVar[tuple[str, ...]] = ()

    def search_space(self) -> tuple[str, ...]:
        return self.space

    def reads(self, settings: Sequence[P]) -> Reads:
        return Reads(fused=any(p.fusion == "given" for p in settings))

    def require(self, scores: ScoreBundle, params: P, tracks: Sequence[str] = TRACKS) -> None:
        """Also refuses scores of one label that would be normalised over the labels, and thresholds of other labels.

        Raises: DataError naming the array and the option that needs it, or the option that helps.
        """
        super().require(scores, params, tracks)
        require_steps(scores, params)

    def decode(self, inputs: Inputs, params: P) -> Events:
        return self.decode_many(inputs, [params], threads=1).events

    def decode_many(
        self,
        inputs: Inputs,
        settings: Sequence[P],
        *,
        tracks: Sequence[str] = TRACKS,
        threads: int | None = None,
        trace: bool = False,
    ) -> Replay:
        wanted = self.check_request(tracks, trace, len(settings))
        for params in settings:
            self.require(inputs.scores, params, wanted)
        scores = inputs.scores
        given = inputs_of(scores, read_arrays(settings, wanted), wanted)
        columns = settings_of(settings, scores)
        return run_steps(
            given, columns, scores.segment_seconds, finer=self.finer, threads=threads_of(threads), trace=trace
        )

    def sweeper(
        self, inputs: Inputs, table: ParamTable[P], tracks: Sequence[str] = TRACKS
    ) -> Callable[[int, int], Events]:
        scores, wanted = inputs.scores, self.check_request(tracks, False)
        of: Any = self.params
        deciding = (*deciding_options(of), "score_norm", "label_thresholds", "median")
        one_of_each = [table.params(i) for i in table.one_of_each(deciding)]
        for params in one_of_each:
            self.require(scores, params, wanted)
        given = inputs_of(scores, read_arrays(one_of_each, wanted), wanted)

        def run(begin: int, end: int) -> Events:
            columns = settings_of_table(table, begin, end, scores)
            return run_steps(given, columns, scores.segment_seconds, finer=self.finer).events

        return run

    def stages(
        self, inputs: Inputs, params: P, video: int, track: str, label: int, onset: int, offset: int
    ) -> list[Stage]:
        """At which stage a label got lost, or how it came through, between two segments."""
        self.require(inputs.scores, params, (track,))
        return step_stages(inputs.scores, params, video, track, label, onset, offset)


class ThresholdDecoder(ScoredDecoder[ThresholdParams]):
    """Scores above a threshold, of all labels or of each, after what steps the options ask for."""

    name: ClassVar[str] = "threshold"
    about: ClassVar[str] = "segment scores above a threshold, with median filter, hysteresis and class-wise thresholds"
    params = ThresholdParams
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = STEPS_PRESETS["threshold"]
    space: ClassVar[tuple[str, ...]] = THRESHOLD_SPACE


class HysteresisDecoder(ScoredDecoder[HysteresisParams]):
    """Runs above a lower threshold in which the score passes a higher one."""

    name: ClassVar[str] = "hysteresis"
    about: ClassVar[str] = "runs of scores above a lower threshold that pass a higher one somewhere"
    params = HysteresisParams
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = STEPS_PRESETS["hysteresis"]
    space: ClassVar[tuple[str, ...]] = HYSTERESIS_SPACE


class MedianDecoder(ScoredDecoder[MedianParams]):
    """Median-filtered scores above a threshold."""

    name: ClassVar[str] = "median"
    about: ClassVar[str] = "median-filtered segment scores above a threshold"
    params = MedianParams
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = STEPS_PRESETS["median"]
    space: ClassVar[tuple[str, ...]] = MEDIAN_SPACE


class SebbDecoder(ScoredDecoder[SebbParams]):
    """Change-point event boxes (cSEBB, arXiv 2406.04212): events of real-valued seconds and a confidence each."""

    name: ClassVar[str] = "sebb"
    about: ClassVar[str] = "change-point event boxes (cSEBB) with a confidence above a threshold"
    params = SebbParams
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = STEPS_PRESETS["sebb"]
    finer: ClassVar[bool] = True
    space: ClassVar[tuple[str, ...]] = SEBB_SPACE
