"""Calibration: whether of the segments called with a confidence of 0.7, 70 % are annotated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, UsageError
from ..events import Events
from ..kernels.segment_changes import bin_block
from .base import Truth
from .ranking import RankingMetric, summed
from .segments import RankedSegments, covered_segments, on_segments
from .spans import Floats, Ints


@dataclass(frozen=True, eq=False)
class Reliability:
    """Confidence and accuracy of segments, in bins of equal width.

    Shapes
    ------
    segments : (bins,) int64, how many have a confidence in each bin
    confidence, accuracy : (bins,) float64 in 0..1, their mean, and the share that is annotated; NaN of an empty bin
    """

    segments: Ints
    confidence: Floats
    accuracy: Floats

    @property
    def ece(self) -> float:
        """Expected calibration error: mean distance of the two, by segment; NaN without segments."""
        return float(_errors(self.segments, self.confidence, self.accuracy)[0])

    def columns(self) -> dict[str, list[float | None]]:
        """``low`` and ``high`` end of each bin, ``segments``, ``confidence`` and ``accuracy`` (None where empty)."""
        n = len(self.segments)
        some = [[None if np.isnan(x) else x for x in column.tolist()] for column in (self.confidence, self.accuracy)]
        return {
            "low": [i / n for i in range(n)], "high": [(i + 1) / n for i in range(n)],
            "segments": self.segments.tolist(), "confidence": some[0], "accuracy": some[1],
        }  # fmt: skip

    def text(self) -> str:
        """The table, for a terminal."""
        rows = zip(*self.columns().values(), strict=True)
        lines = ["confidence   segments  mean confidence  annotated"]
        for low, high, count, confidence, accuracy in rows:
            cells = ["-" if x is None else f"{100 * x:.1f} %" for x in (confidence, accuracy)]
            lines.append(f"{low:.2f} - {high:.2f}  {count:>8}  {cells[0]:>15}  {cells[1]:>9}")
        return "\n".join([*lines, f"expected calibration error {100 * self.ece:.2f} %"])

    def svg(self) -> str:
        """The reliability picture: the share that is annotated over confidence, and the line where both are equal."""
        size, edge = 300, 40
        n = len(self.segments)
        largest = max(int(self.segments.max(initial=0)), 1)

        def x(value: float) -> str:
            return f"{edge + size * value:.2f}"

        def y(value: float) -> str:
            return f"{edge + size * (1 - value):.2f}"

        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size + 2 * edge} {size + 2 * edge}" '
            'font-family="sans-serif" font-size="12">',
            f'<rect x="{edge}" y="{edge}" width="{size}" height="{size}" fill="none" stroke="#999"/>',
        ]
        for i, (count, accuracy) in enumerate(zip(self.segments.tolist(), self.accuracy.tolist(), strict=True)):
            if count:
                opacity = 0.25 + 0.75 * count / largest
                parts.append(
                    f'<rect x="{x(i / n)}" y="{y(accuracy)}" width="{size / n:.2f}" height="{size * accuracy:.2f}" '
                    f'fill="#4477aa" fill-opacity="{opacity:.3f}"><title>{count} segments</title></rect>'
                )
        parts += [
            f'<line x1="{x(0)}" y1="{y(0)}" x2="{x(1)}" y2="{y(1)}" stroke="#cc3311" stroke-dasharray="4 3"/>',
            f'<text x="{edge + size / 2}" y="{size + 2 * edge - 8}" text-anchor="middle">confidence</text>',
            f'<text x="14" y="{edge + size / 2}" text-anchor="middle" '
            f'transform="rotate(-90 14 {edge + size / 2})">share that is annotated</text>',
            f'<text x="{edge}" y="{edge - 10}">ECE {100 * self.ece:.2f} %, {int(self.segments.sum())} segments</text>',
            "</svg>",
        ]
        return "\n".join(parts) + "\n"


def reliability(segments: RankedSegments, bins: int = 15) -> Reliability:
    """The bins of ranked segments of one setting. Raises: DataError for a confidence outside [0, 1]."""
    counts, sums = (of_video[0].sum(axis=0) for of_video in _binned(segments, bins))
    with np.errstate(invalid="ignore"):
        return Reliability(counts[:, 0], sums[:, 0] / counts[:, 0], counts[:, 1] / counts[:, 0])


@dataclass(frozen=True)
class Calibration(RankingMetric):
    """``ece`` (expected calibration error), ``mce`` (the largest of a bin) and ``brier`` (mean square of confidence
    less 1 or 0) of the segments that events cover; in percent, smaller is better. Where nothing is covered they are
    100, so that a search does not choose silence.

    bins : of equal width, from 0 to 1; one holds its upper edge
    scale, bias : confidences that are no probabilities are made some, 1 / (1 + exp(-(scale * confidence + bias)));
        None: they are taken as they are
    """

    name: ClassVar[str] = "calibration"
    about: ClassVar[str] = "whether confidences are the shares that are right: ECE, MCE, Brier (smaller is better)"
    headline: ClassVar[tuple[str, ...]] = ("ece",)

    bins: int = 15
    scale: float | None = None
    bias: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.bins <= 10_000:
            raise UsageError(f"bins is {self.bins}; give 1 to 10000")
        for name in ("scale", "bias"):
            value = getattr(self, name)
            if value is not None and not np.isfinite(value):
                raise UsageError(f"{name} is {value}; give a finite number")
        if self.scale is None and self.bias:
            raise UsageError(f"bias is {self.bias:g} and scale is not given; give both, such as scale=1")

    def own_names(self) -> tuple[str, ...]:
        return ("ece", "mce", "brier")

    def default_objective(self, names: Sequence[str]) -> str:
        return f"-1*{names[0]}"

    def figures(self, predicted: Events, truth: Truth, times: Ints) -> Floats:
        counts, sums = _binned(self._segments(predicted, truth), self.bins)
        # (B, P, bins, ...), whole numbers and sums in the order of the videos
        n, right, value, square = (
            np.stack([_weighted(of_video[..., k], often) for often in times])
            for of_video in (counts, sums)
            for k in (0, 1)
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            ece, mce = _errors(n, value / n, right / n)
            brier = summed(square) / n.sum(axis=-1)
        figures = np.stack([ece, mce, brier], axis=-1)
        return np.where(np.isnan(figures), 1.0, figures)

    def reliability(self, predicted: Events, truth: Truth) -> Reliability:
        """The bins of the first setting."""
        return reliability(self._segments(predicted, truth), self.bins)

    def picture(self, predicted: Events, truth: Truth) -> str | None:
        return self.reliability(predicted, truth).svg()

    def _segments(self, predicted: Events, truth: Truth) -> RankedSegments:
        found = covered_segments(*self.spans(*on_segments(predicted, truth)), truth.segments)
        if self.scale is None:
            return found
        value = found.spans.value
        value[:] = 1.0 / (1.0 + np.exp(-np.clip(self.scale * value + self.bias, -700, 700)))
        return found


def _binned(segments: RankedSegments, bins: int) -> tuple[Ints, Floats]:
    s = segments.spans
    outside = np.flatnonzero(~((s.value >= 0) & (s.value <= 1)))
    if len(outside):
        raise DataError(
            f"calibration needs confidences from 0 to 1, and one is {s.value[outside[0]]:g}; decode probabilities, or "
            "give scale and bias, such as calibration(scale=10)"
        )
    counts = np.zeros((s.settings, s.videos, bins, 2), np.int64)
    sums = np.zeros((s.settings, s.videos, bins, 2))
    bin_block(s.setting, s.video, s.value, segments.right, counts, sums)
    return counts, sums


def _weighted(of_video: NDArray[np.int64] | Floats, often: Ints) -> Floats:
    """Sum over the videos (P, N, bins) -> (P, bins), each as often as it counts."""
    return np.asarray((of_video * often[None, :, None]).sum(axis=1), np.float64)


def _errors(n: Floats | Ints, confidence: Floats, accuracy: Floats) -> tuple[Floats, Floats]:
    """Mean distance over the segments, and the largest of a bin; NaN without segments."""
    distance = np.where(n > 0, np.abs(np.nan_to_num(accuracy) - np.nan_to_num(confidence)), 0.0)
    total = n.sum(axis=-1)
    mean = np.where(total > 0, summed(n * distance) / np.maximum(total, 1), np.nan)
    return mean, np.where(total > 0, distance.max(axis=-1), np.nan)
