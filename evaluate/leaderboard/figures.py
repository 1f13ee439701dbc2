"""What a row reaches on the split that is reported on: its figures with intervals, the differences to another row, and
the microseconds that decoding takes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...core.decoders.base import Inputs
from ...core.decoders.input_blocks import InputBlocks
from ...core.decoders.replayed import replayed
from ...core.errors import AvreplayError
from ...core.metrics.base import Metric
from ..datasets.annotations import Annotations
from ..files.predictions import Predictions
from ..intervals import Estimate, compared, intervals
from ..leaderboard_options import LeaderboardSettings
from ..made_from import made_from
from ..replay import ReplayResult
from ..scoring import Evaluation, evaluate_predictions
from ..tuning.honest.spread import LEVEL
from .rows import Row, of_decoder
from .stores import StoreScores

_RUNS, _SECONDS = 5, 0.2
"""A setting is replayed so many times, or for so many seconds, to measure it; the fastest counts."""


@dataclass(frozen=True, eq=False)
class Reached:
    """What a row reaches.

    evaluation : on the videos that are reported on
    figures : of it, with their intervals; those that have none are without bounds
    predictions : that it stands on
    microseconds : that decoding takes a video on one thread
    """

    evaluation: Evaluation
    figures: Mapping[str, Estimate]
    predictions: Predictions
    microseconds: float


def judged(
    row: Row, scores: StoreScores, truth: Annotations, metric: Metric, s: LeaderboardSettings
) -> tuple[Row, Reached | None]:
    """A row without its scores, and what it reaches; None where it has a problem, or this is one."""
    if row.params is None:
        return row, None
    try:
        found = reached(row, scores, truth, metric, s)
    except AvreplayError as error:
        if not of_decoder(error):
            raise
        return replace(row, problem=str(error), params=None, inputs=None), None
    return replace(row, inputs=None), found


def reached(row: Row, scores: StoreScores, truth: Annotations, metric: Metric, s: LeaderboardSettings) -> Reached:
    """The figures of a row's setting. Raises: as the decoder and the metric do."""
    assert row.decoder is not None
    assert row.params is not None
    assert row.inputs is not None
    done = replayed(row.decoder, row.inputs, [row.params], threads=s.threads)
    of = row.inputs if isinstance(row.inputs, InputBlocks) else row.inputs.scores
    made = made_from(scores.report_store, s.scores)
    predictions = ReplayResult(of, (row.params,), done, row.decoder, made).predictions()
    found = evaluate_predictions(predictions, truth, profile=s.profile or "release", metrics=metric)
    spread = intervals(found, resamples=s.resamples, level=LEVEL, seed=s.seed)
    nan = float("nan")
    figures = {name: spread.get(name, Estimate(value, nan, nan, nan, nan)) for name, value in found.metrics.items()}
    return Reached(found, figures, predictions, _microseconds(row, row.inputs))


def differences(first: Reached, second: Reached, s: LeaderboardSettings) -> dict[str, Estimate]:
    """The second minus the first, paired by video, as ``avreplay compare`` gives them: both are on all videos that are
    reported on."""
    found = compared(first.evaluation, second.evaluation, resamples=s.resamples, level=LEVEL, seed=s.seed)
    return found.differences


def _microseconds(row: Row, inputs: Inputs | InputBlocks) -> float:
    """What decoding takes a video; of scores that memory does not hold, in the first block, without reading it."""
    block = inputs if isinstance(inputs, Inputs) else inputs.read(inputs.slices[0])
    assert row.decoder is not None
    best, begin = float("inf"), time.perf_counter()
    for _ in range(_RUNS):
        before = time.perf_counter()
        replayed(row.decoder, block, [row.params], threads=1)
        now = time.perf_counter()
        best = min(best, now - before)
        if now - begin > _SECONDS:
            break
    return 1e6 * best / max(block.scores.num_videos, 1)
