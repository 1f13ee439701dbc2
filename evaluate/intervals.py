"""Confidence intervals over videos, of the figures of one run and of the difference of two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.arguments import typed_arguments
from ..core.errors import DataError
from ..core.metrics.base import Metric
from ..core.metrics.bootstrap import Interval, bootstrap, bootstrap_metric
from .datasets.annotations import Annotations
from .files.prediction_blocks import PredictionBlocks
from .files.predictions_table import Predictions
from .scoring import SHOWN, Evaluation, evaluate_predictions


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval, in percent points; ``p`` is two-sided, for a difference."""

    figure: float
    low: float
    high: float
    error: float
    p: float

    def as_dict(self) -> dict[str, float | None]:
        """For JSON, which has no NaN: the error of a single resample is None."""
        return {k: None if np.isnan(v) else v for k, v in vars(self).items()}


@typed_arguments
def intervals(e: Evaluation, *, resamples: int = 2000, level: float = 0.95, seed: int = 0) -> dict[str, Estimate]:
    """Percentile bootstrap over the scored videos: of every figure with a part in each video, or of all figures, scored
    anew on each resample, of a metric that is no mean over videos. The figures alone where ``resamples`` is 0."""
    if resamples == 0:
        return _alone(e.metrics)
    if e.metric.mean_over_videos:
        found = _spread(e, _columns(e), resamples, level, seed)
        return _estimates(list(e.per_video), found)
    found = bootstrap_metric(
        e.metric, [e.aligned.predicted], e.aligned.truth.truth(), resamples=resamples, level=level, seed=seed
    )
    return _estimates(list(e.metrics), found)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two runs on the videos that both predicted: figures of each, and of the second minus the first."""

    first: Evaluation
    second: Evaluation
    differences: dict[str, Estimate]
    resamples: int
    level: float

    def __repr__(self) -> str:
        names = (*self.first.metric.headline, *self.differences)
        shown = [n for n in dict.fromkeys(names) if n in self.differences][:SHOWN]
        gains = ", ".join(f"{n} {self.differences[n].figure:+.1f}" for n in shown)
        return f"<Comparison on {self.first.videos_scored} videos: {gains}>"

    def as_dict(self) -> dict[str, Any]:
        return {
            "first": self.first.as_dict(),
            "second": self.second.as_dict(),
            "differences": {name: s.as_dict() for name, s in self.differences.items()},
            "resamples": self.resamples,
            "level": self.level,
        }


@typed_arguments
def compare(
    first: Predictions | PredictionBlocks,
    second: Predictions | PredictionBlocks,
    annotations: Annotations,
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    profile: str = "release",
    iou: float = 0.5,
    audio_from_visual: bool = False,
    aliases: Mapping[str, str] | None = None,
    metrics: str | Metric = "auto",
    batch_size: int | None = None,
    mask_short: bool = False,
) -> Comparison:
    """Score two runs on the same videos, with paired bootstrap intervals of the difference.

    Parameters
    ----------
    resamples, seed : of the videos; the differences alone where ``resamples`` is 0
    level : of the intervals, between 0 and 1
    profile, iou, audio_from_visual, aliases, metrics, batch_size, mask_short : as
        :func:`avreplay.evaluate_predictions` has them

    Raises: DataError when the runs have no annotated video in common, and as evaluation does.
    """
    rows = (set(annotations.match(p.video_ids)) - {-1} for p in (first, second))
    common = annotations.select(sorted(set.intersection(*rows)))
    if not common.video_ids:
        raise DataError(f"the two runs have no video of {annotations.source} in common; check the split")
    expected = len(annotations.video_ids)
    scored = (
        evaluate_predictions(
            p, common, profile=profile, iou=iou, audio_from_visual=audio_from_visual, aliases=aliases, metrics=metrics,
            batch_size=batch_size, mask_short=mask_short,
        )
        for p in (first, second)
    )  # fmt: skip
    a, b = (replace(e, videos_expected=expected) for e in scored)
    return compared(a, b, resamples=resamples, level=level, seed=seed)


def compared(a: Evaluation, b: Evaluation, *, resamples: int, level: float, seed: int) -> Comparison:
    """Two evaluations of the same videos with the same metric, as :func:`compare` compares runs; nothing is scored
    again. Raises: DataError where none of the videos has a segment."""
    if resamples == 0:
        return Comparison(a, b, _alone({n: b.metrics[n] - a.metrics[n] for n in a.metrics}), resamples, level)
    if a.metric.mean_over_videos:
        spread = _spread(a, _columns(b) - _columns(a), resamples, level, seed)
        differences = _estimates(list(a.per_video), spread)
        return Comparison(a, b, differences | dict.fromkeys((*a.undefined, *b.undefined), NONE), resamples, level)
    spread = bootstrap_metric(
        a.metric, [a.aligned.predicted, b.aligned.predicted], a.aligned.truth.truth(), resamples=resamples, level=level,
        seed=seed,
    )  # fmt: skip
    return Comparison(a, b, _estimates(list(a.metrics), spread), resamples, level)


def _alone(figures: Mapping[str, float]) -> dict[str, Estimate]:
    """Figures without intervals."""
    return {name: Estimate(value, *(float("nan"),) * 4) for name, value in figures.items()}


NONE = Estimate(*(float("nan"),) * 5)
"""Of a difference with a figure that is undefined."""


def _spread(e: Evaluation, columns: NDArray[np.float64], resamples: int, level: float, seed: int) -> Interval:
    """Intervals of parts of figures by video; a video without a segment, which has no weight, has no part in them."""
    weights = e.weights
    if weights is not None and (weights == 0).any():
        if not weights.any():
            raise DataError("none of the videos has a segment, so there is no figure to make an interval of")
        columns, weights = columns[weights > 0], weights[weights > 0]
    return bootstrap(columns, weights=weights, resamples=resamples, level=level, seed=seed)


def _columns(e: Evaluation) -> NDArray[np.float64]:
    return np.stack(list(e.per_video.values()), axis=1)


def _estimates(names: list[str], i: Interval) -> dict[str, Estimate]:
    rows = zip(i.figure.tolist(), i.low.tolist(), i.high.tolist(), i.error.tolist(), i.sign.tolist(), strict=True)
    return {name: Estimate(*row) for name, row in zip(names, rows, strict=True)}
