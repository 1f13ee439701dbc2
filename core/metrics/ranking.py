"""What the metrics that rank events by their confidence have in common.

None of them is a mean over videos. Their figures follow from counts of each video, though, so that resamples of the
videos are scored from the same counts (:meth:`RankingMetric.resampled`), and not anew.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, UsageError
from ..events import TRACKS, Events, check_tracks
from .base import Metric, Scores, Truth
from .spans import Floats, Ints, Spans, both

_RESAMPLED_AT_ONCE = 1 << 22
"""Numbers of how often a video is in a resample that are held at a time."""


@dataclass(frozen=True)
class RankingMetric(Metric):
    """A metric of the events of one track, by label. Figures are in percent, their names begin with the track unless
    that is ``audio_visual``.

    track : whose events, ``audio``, ``visual`` or ``audio_visual``
    """

    reads: ClassVar[frozenset[str]] = frozenset({"events", "scores", "durations"})
    mean_over_videos: ClassVar[bool] = False

    track: str = "audio_visual"

    def __post_init__(self) -> None:
        check_tracks((self.track,))

    @abstractmethod
    def own_names(self) -> tuple[str, ...]:
        """Names of the M figures, without the track."""

    @abstractmethod
    def figures(self, predicted: Events, truth: Truth, times: Ints) -> Floats:
        """The M figures (B, P, M) in 0..1 of B samples of the videos, in which each counts ``times`` (B, N)."""

    def names(self, truth: Truth) -> tuple[str, ...]:
        return self._names()

    def _names(self) -> tuple[str, ...]:
        prefix = "" if self.track == "audio_visual" else f"{self.track}_"
        return tuple(f"{prefix}{name}" for name in self.own_names())

    def score(self, predicted: Events, truth: Truth) -> Scores:
        once = np.ones((1, len(truth.segments)), np.int64)
        return Scores(self.names(truth), 100.0 * self.figures(predicted, truth, once)[0])

    def resampled(self, predicted: Events, truth: Truth, draws: NDArray[np.int64]) -> NDArray[np.float64]:
        n = len(truth.segments)
        size = max(1, _RESAMPLED_AT_ONCE // max(n, 1))
        parts = []
        for first in range(0, len(draws), size):
            times = np.stack([np.bincount(draw, minlength=n) for draw in draws[first : first + size]])
            parts.append(100.0 * self.figures(predicted, truth, times.astype(np.int64))[:, 0])
        return np.concatenate(parts)

    def title(self, name: str) -> tuple[str, str]:
        if name not in self._names():  # a figure of another metric beside this one
            return "", name
        track = next((t for t in TRACKS if name.startswith(f"{t}_")), "")
        return track.replace("_", "-").capitalize(), name.removeprefix(f"{track}_").replace("_", " ")

    def declared(self, truth: Truth) -> dict[str, Any]:
        return {**super().declared(truth), "figures": self.names(truth)}

    def spans(self, predicted: Events, truth: Truth, *, ranked: bool = True) -> tuple[Spans, Spans]:
        """Predicted and annotated events of the track. Raises: DataError where events are to be ranked and have no
        confidence, and as :func:`.spans.both`."""
        found, true = both(predicted, truth, self.track)
        if ranked and np.isnan(found.value).any():
            raise DataError(
                f"the metric {self.name!r} ranks events by their confidence, and these events have none; replay the "
                "store again, and score what that writes"
            )
        return found, true


def check_share(value: float, name: str, *, zero: bool = False) -> None:
    """Raises: UsageError for what is not above 0 (or at least, with ``zero``) and at most 1."""
    if not (0 <= value <= 1 if zero else 0 < value <= 1):
        raise UsageError(f"{name} is {value}; it must be {'from 0' if zero else 'above 0'} to 1")


def mean_of_classes(values: Floats, counted: NDArray[np.bool_]) -> Floats:
    """Mean over the last axis of those that are ``counted``, NaN where none is."""
    n = counted.sum(axis=-1)
    return np.where(n > 0, summed(np.where(counted, values, 0.0)) / np.maximum(n, 1), np.nan)


def summed(values: NDArray[Any]) -> Floats:
    """Sum over the last axis, one after the other: the same bits whatever the other axes are."""
    total = np.zeros(values.shape[:-1])
    for c in range(values.shape[-1]):
        total += values[..., c]
    return total


def by_label(labels: Sequence[str], kept: NDArray[np.bool_], **columns: Floats) -> dict[str, dict[str, float]]:
    """Figures by label from columns (C,), of the labels that are ``kept``."""
    return {
        label: {name: float(column[c]) for name, column in columns.items()} for c, label in enumerate(labels) if kept[c]
    }
