"""Confidence intervals over videos, of the figures of one run and of the difference of two."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.metrics.bootstrap import Interval, bootstrap
from .datasets.annotations import Annotations
from .files.predictions import Predictions
from .scoring import Evaluation, evaluate


@dataclass(frozen=True)
class Spread:
    """A figure with its interval, in percent points; ``p`` is two-sided, for a difference."""

    figure: float
    low: float
    high: float
    error: float
    p: float

    def as_dict(self) -> dict[str, float | None]:
        """For JSON, which has no NaN: the error of a single resample is None."""
        return {k: None if np.isnan(v) else v for k, v in vars(self).items()}


def intervals(e: Evaluation, *, resamples: int = 2000, level: float = 0.95, seed: int = 0) -> dict[str, Spread]:
    """Percentile bootstrap over the scored videos for every figure of an evaluation."""
    return _spreads(list(e.per_video), bootstrap(
        _columns(e), weights=_weights(e), resamples=resamples, level=level, seed=seed
    ))  # fmt: skip


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two runs on the videos that both predicted: figures of each, and of the second minus the first."""

    first: Evaluation
    second: Evaluation
    differences: dict[str, Spread]
    resamples: int
    level: float

    def as_dict(self) -> dict[str, Any]:
        return {
            "first": self.first.as_dict(),
            "second": self.second.as_dict(),
            "differences": {name: s.as_dict() for name, s in self.differences.items()},
            "resamples": self.resamples,
            "level": self.level,
        }


def compare(
    first: Predictions,
    second: Predictions,
    annotations: Annotations,
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    **options: Any,
) -> Comparison:
    """Score two runs on the same videos, with paired bootstrap intervals of the difference.

    ``options`` go to :func:`avreplay.evaluate.scoring.evaluate`.

    Raises: DataError when the runs have no annotated video in common, and as evaluation does.
    """
    rows = (set(annotations.match(p.video_ids)) - {-1} for p in (first, second))
    common = annotations.select(sorted(set.intersection(*rows)))
    if not common.video_ids:
        raise DataError(f"the two runs have no video of {annotations.source} in common; check the split")
    expected = len(annotations.video_ids)
    a, b = (replace(evaluate(p, common, **options), videos_expected=expected) for p in (first, second))
    spread = bootstrap(_columns(b) - _columns(a), weights=_weights(a), resamples=resamples, level=level, seed=seed)
    return Comparison(a, b, _spreads(list(a.per_video), spread), resamples, level)


def _columns(e: Evaluation) -> NDArray[np.float64]:
    return np.stack(list(e.per_video.values()), axis=1)


def _weights(e: Evaluation) -> NDArray[np.float64] | None:
    """Accuracy is a share of segments, so videos count by their length; F-scores are means over videos."""
    return e.aligned.truth.segments_per_video.astype(np.float64) if e.dataset == "ave" else None


def _spreads(names: list[str], i: Interval) -> dict[str, Spread]:
    rows = zip(i.figure.tolist(), i.low.tolist(), i.high.tolist(), i.error.tolist(), i.sign.tolist(), strict=True)
    return {name: Spread(*row) for name, row in zip(names, rows, strict=True)}
