"""AVE accuracy: the share of segments whose label is right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from ..events import Events
from ..kernels.ave_counts import accuracy_block
from .base import Scores, Truth
from .counted import CountedMetric, Partial
from .tables import check_events


def ave_accuracy(
    predicted: Events,
    truth: Events,
    segments_per_video: ArrayLike,
    num_labels: int,
    *,
    first_only: bool = True,
) -> NDArray[np.int64]:
    """Correct segments (P, N) of the audio-visual track: the label of the segment, or background where none is.

    With ``first_only`` (release) just the first predicted and the first annotated event of a video count; otherwise
    every one, a segment's label being that of the event with the higher score, and any annotated label is right.
    The paper's accuracy is 100 * correct.sum() / segments.sum().

    Raises: DataError as :func:`llp_metrics`.
    """
    segments = np.ascontiguousarray(segments_per_video, np.int64)
    if predicted.num_videos != len(segments) or truth.num_videos != len(segments):
        raise DataError(
            f"predictions are of {predicted.num_videos} videos, annotations of {truth.num_videos}; align them first"
        )
    for name, events in (("predicted", predicted), ("annotated", truth)):
        check_events(events, segments, num_labels, name)
    correct = np.zeros((predicted.num_settings, len(segments)), np.int64)
    arrays = [predicted.starts, predicted.label, predicted.onset, predicted.offset, predicted.score,
              truth.starts, truth.label, truth.onset, truth.offset]  # fmt: skip
    accuracy_block(*map(np.ascontiguousarray, arrays), segments, bool(first_only), correct)
    return correct


@dataclass(frozen=True)
class AveAccuracy(CountedMetric):
    """One figure, ``accuracy``: the share of segments whose label is right, over all videos.

    profile : ``release`` scores the first predicted and the first annotated event of a video, ``paper`` all of them
    """

    name: ClassVar[str] = "ave_accuracy"
    about: ClassVar[str] = "share of segments whose label, or background, is right"
    headline: ClassVar[tuple[str, ...]] = ("accuracy",)
    track_groups: ClassVar[tuple[tuple[str, ...], ...]] = (("audio_visual",),)

    profile: str = "release"

    @property
    def first_event_only(self) -> bool:
        return self.profile == "release"

    def names(self, truth: Truth) -> tuple[str, ...]:
        return ("accuracy",)

    def partial(self, predicted: Events, truth: Truth, *, notes: bool = False, classes: bool = False) -> Partial:
        correct = ave_accuracy(
            predicted, truth.events, truth.segments, len(truth.labels), first_only=self.first_event_only
        )
        return Partial({"correct": correct}, {})

    def scores_of(self, found: Partial, truth: Truth) -> Scores:
        correct = found.videos["correct"]
        with np.errstate(invalid="ignore"):
            values = 100.0 * correct.sum(axis=1, keepdims=True) / truth.segments.sum()
            per_video = 100.0 * correct / truth.segments
        return Scores(("accuracy",), values, per_video[:, :, None], truth.segments.astype(np.float64))

    def title(self, name: str) -> tuple[str, str]:
        return "", "Accuracy" if name == "accuracy" else name

    def declared(self, truth: Truth) -> dict[str, Any]:
        return {"first_only": self.first_event_only}
