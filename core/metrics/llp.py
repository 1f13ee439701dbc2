"""LLP's metrics: counts and F-scores of predicted against annotated events.

A track's prediction for one label is a string of bits, one a segment: segment counts are popcounts, events are runs
of ones. Everything comes from counts (TP, FP, FN), which are returned too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..events import Events
from ..kernels.by_reference import ByReference
from ..kernels.llp_counts import LIMB, LIMBS, count_block, new_count_memory
from .base import Scores, Truth, title_in
from .counted import CountedMetric, Partial
from .tables import checked_tables

PARTS = ("audio", "visual", "audio_visual", "event_av")
"""The part axis of the F-scores: three tracks, and audio and visual counts pooled (Event@AV)."""

LEVELS = ("segment", "event")

METRIC_NAMES = (
    "audio_seg", "audio_event", "visual_seg", "visual_event", "av_seg", "av_event",
    "type_av_seg", "type_av_event", "event_av_seg", "event_av_event",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Metrics:
    """LLP metrics of P settings on N videos (spec: F per video over the classes present, then the mean over videos).

    Shapes
    ------
    per_video : (P, N, 4, 2) float64 in 0..1, axes :data:`PARTS` and :data:`LEVELS`; 1.0 where no class is present
    totals : (P, C, 3, 2, 3) int64, TP, FP, FN of each class, track and level summed over the videos
    per_class : (P, C, 4, 2) float64 in 0..1, mean over the videos in which the class has an annotated or predicted
        audio-visual event; NaN where there is none
    class_videos : (P, C) int64, how many those are
    class_length : (C,) float64, mean number of audio-visual segments where the class is annotated; NaN where nowhere
    """

    per_video: NDArray[np.float64]
    totals: NDArray[np.int64]
    per_class: NDArray[np.float64]
    class_videos: NDArray[np.int64]
    class_length: NDArray[np.float64]

    def table(self) -> NDArray[np.float64]:
        """(P, 10) percent, columns :data:`METRIC_NAMES`; NaN without videos."""
        if self.per_video.shape[1] == 0:
            return np.full((self.per_video.shape[0], len(METRIC_NAMES)), np.nan)
        return named_columns(100.0 * self.per_video.mean(axis=1))

    def summary(self, setting: int = 0) -> dict[str, float]:
        """The ten figures of one setting, in percent, by name."""
        return dict(zip(METRIC_NAMES, self.table()[setting].tolist(), strict=True))


def named_columns(f: NDArray[np.float64]) -> NDArray[np.float64]:
    """F-scores (..., 4, 2) as columns :data:`METRIC_NAMES` (..., 10); Type@AV is the mean of the three tracks."""
    type_av = f[..., :3, :].mean(axis=-2, keepdims=True)
    return np.concatenate([f[..., :3, :], type_av, f[..., 3:, :]], axis=-2).reshape(*f.shape[:-2], 10)


def llp_metrics(
    predicted: Events,
    truth: Events,
    segments_per_video: ArrayLike,
    num_labels: int,
    *,
    iou: float = 0.5,
    audio_from_visual: bool = False,
) -> Metrics:
    """The ten LLP figures and the counts behind them, for every setting in ``predicted``.

    Parameters
    ----------
    predicted : events of P settings on N videos
    truth : annotated events of the same N videos (one setting)
    segments_per_video : (N,) segments that are scored
    iou : a predicted event matches an annotated one from this intersection over union on
    audio_from_visual : score the visual track as audio, as the released main.py does

    Raises
    ------
    UsageError
        an iou outside (0, 1]
    DataError
        tables of different videos, an event outside its video or with an unknown label index
    """
    return metrics_of(
        llp_partial(
            predicted, truth, segments_per_video, num_labels, iou=iou, audio_from_visual=audio_from_visual, classes=True
        )
    )


def metrics_of(found: Partial) -> Metrics:
    """The F-scores and counts of what :func:`llp_partial` gave with ``classes``."""
    sums = found.sums
    with np.errstate(invalid="ignore", divide="ignore"):
        per_class = _exact(sums["class_sum"]) / sums["class_videos"][:, :, None, None]
        length = sums["annotated"][:, 1] / sums["annotated"][:, 0]
    return Metrics(found.videos["f"], sums["totals"], per_class, sums["class_videos"], length)


def _exact(limbs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sums of F-scores from their limbs (..., LIMBS), added from the smallest on."""
    total = np.zeros(limbs.shape[:-1])
    for k in range(LIMBS)[::-1]:
        total = (total + limbs[..., k]) / LIMB
    return total


def llp_partial(
    predicted: Events,
    truth: Events,
    segments_per_video: ArrayLike,
    num_labels: int,
    *,
    iou: float = 0.5,
    audio_from_visual: bool = False,
    classes: bool = False,
) -> Partial:
    """What :func:`llp_metrics` is made of: ``f`` (P, N, 4, 2), F-scores by video in 0..1; with ``classes`` the sums
    ``totals``, ``class_sum`` (in limbs), ``class_videos`` and ``annotated`` of :func:`count_block`. A sweep over a
    large vocabulary need not hold these. Arguments and errors as there."""
    tables, segments = checked_tables(predicted, truth, segments_per_video, num_labels, iou)
    p = predicted.num_settings
    f = np.zeros((p, len(segments), 4, 2))
    flat = f.reshape(p, len(segments), 8)
    memory = ByReference(new_count_memory(segments, tables[4], num_labels))
    options = (segments, num_labels, float(iou), bool(audio_from_visual))
    if not classes:
        count_block(*tables, *options, flat, None, None, None, None, memory)
        return Partial({"f": f}, {})
    totals = np.zeros((p, num_labels, 3, 2, 3), np.int64)
    class_sum = np.zeros((p, num_labels, 4, 2, LIMBS), np.int64)
    class_videos = np.zeros((p, num_labels), np.int64)
    annotated = np.zeros((num_labels, 2), np.int64)
    count_block(
        *tables, *options, flat, totals.reshape(p, num_labels, 18), class_sum.reshape(p, num_labels, 8, LIMBS),
        class_videos, annotated, memory,
    )  # fmt: skip
    sums = {"totals": totals, "class_sum": class_sum, "class_videos": class_videos, "annotated": annotated}
    return Partial({"f": f}, sums)


def llp_f_scores(
    predicted: Events,
    truth: Events,
    segments_per_video: ArrayLike,
    num_labels: int,
    *,
    iou: float = 0.5,
    audio_from_visual: bool = False,
) -> NDArray[np.float64]:
    """``llp_metrics(...).per_video`` (P, N, 4, 2) alone."""
    f: NDArray[np.float64] = llp_partial(
        predicted, truth, segments_per_video, num_labels, iou=iou, audio_from_visual=audio_from_visual
    ).videos["f"]
    return f


_TITLES = {"audio": "Audio", "visual": "Visual", "av": "AV", "type_av": "Type@AV", "event_av": "Event@AV"}
_LEVEL_TITLES = {"seg": "Segment level", "event": "Event level"}


@dataclass(frozen=True)
class LlpMetric(CountedMetric):
    """The ten LLP figures :data:`METRIC_NAMES`: F per video over the classes present, then the mean over videos.

    iou : a predicted event matches an annotated one from this intersection over union on, in (0, 1]
    audio_from_visual : score the visual track as audio, as the released main.py does
    """

    name: ClassVar[str] = "llp"
    about: ClassVar[str] = "segment and event F of audio, visual and audio-visual events, Type@AV and Event@AV"
    headline: ClassVar[tuple[str, ...]] = ("type_av_seg", "event_av_seg")
    track_groups: ClassVar[tuple[tuple[str, ...], ...]] = (("audio", "visual"), ("audio_visual",))

    iou: float = 0.5
    audio_from_visual: bool = False

    def names(self, truth: Truth) -> tuple[str, ...]:
        return METRIC_NAMES

    def partial(self, predicted: Events, truth: Truth, *, notes: bool = False, classes: bool = False) -> Partial:
        return llp_partial(
            predicted, truth.events, truth.segments, len(truth.labels), iou=self.iou,
            audio_from_visual=self.audio_from_visual, classes=classes,
        )  # fmt: skip

    def scores_of(self, found: Partial, truth: Truth) -> Scores:
        f = found.videos["f"]
        if f.shape[1] == 0:
            return Scores(METRIC_NAMES, np.full((len(f), len(METRIC_NAMES)), np.nan), 100.0 * named_columns(f))
        return Scores(METRIC_NAMES, named_columns(100.0 * f.mean(axis=1)), 100.0 * named_columns(f))

    def per_class_of(self, found: Partial, truth: Truth) -> dict[str, dict[str, float]]:
        m = metrics_of(found)
        columns = 100.0 * named_columns(m.per_class[0])
        return {
            label: {
                **dict(zip(METRIC_NAMES, columns[c].tolist(), strict=True)),
                "videos": float(m.class_videos[0, c]),
                "mean_length": float(m.class_length[c]),
            }
            for c, label in enumerate(truth.labels)
            if m.class_videos[0, c]
        }

    def counts_of(self, found: Partial, truth: Truth) -> NDArray[np.int64]:
        totals: NDArray[np.int64] = found.sums["totals"][0]
        return totals

    def title(self, name: str) -> tuple[str, str]:
        return title_in(_TITLES, _LEVEL_TITLES, name)

    def default_objective(self, names: Sequence[str]) -> str:
        """The mean of Type@AV and Event@AV, segment and event level, which weighs all tracks."""
        pooled = [n for n in names if n.startswith(("type_av", "event_av"))]
        return "+".join(f"{1 / len(pooled):g}*{n}" for n in pooled)

    def declared(self, truth: Truth) -> dict[str, Any]:
        return {"iou": self.iou, **({"audio_from_visual": True} if self.audio_from_visual else {})}
