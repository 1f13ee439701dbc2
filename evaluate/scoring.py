"""Evaluation: predictions against annotations, with how much was scored beside every figure."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cache.tabular import Tabular
from ..core.arguments import typed_arguments
from ..core.errors import DataError, UsageError
from ..core.events import TRACKS, Events
from ..core.metrics.base import Metric, Scores, Truth, check_scores, checked_score
from ..core.metrics.counted import CountedMetric, Partial, PartialJoin
from ..core.metrics.joint import JointMetric
from ..core.metrics.registry import METRICS
from ..core.names import ids_sha256
from ..core.params.options import PROFILES
from ..core.registry import failures_of
from .datasets.annotations import Annotations
from .datasets.registry import metric_of
from .files.alignment import Aligned, align
from .files.prediction_blocks import PredictionBlocks
from .files.predictions_table import Predictions
from .made_from import toy_note

_log = logging.getLogger("avreplay")

SHOWN = 3
"""Figures in the repr of an evaluation or a comparison."""


@dataclass(frozen=True, eq=False)
class Evaluation(Tabular):
    """Figures in percent, and on which videos they stand.

    ``per_video`` holds an (M,) array for each figure that is a mean over videos, ``weights`` (M,) of the videos in it
    (None: all alike). Figures by group are named ``<group>_<figure>``, ``total_acc`` for one; ``groups`` says how many
    videos each group has. ``notes`` are sentences that a reader of the figures should know.
    """

    dataset: str
    split: str
    videos_scored: int
    videos_expected: int
    ids_sha256: str
    metrics: dict[str, float]
    per_video: dict[str, NDArray[np.float64]]
    aligned: Aligned
    profile: str
    metric: Metric
    weights: NDArray[np.float64] | None = None
    groups: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    classes: Partial | None = None
    """What the metric keeps of all videos for the figures by class, where that was counted with the others."""

    def __repr__(self) -> str:
        names = [n for n in dict.fromkeys((*self.metric.headline, *self.metrics)) if n in self.metrics][:SHOWN]
        figures = ", ".join(f"{n} {self.metrics[n]:.1f}" for n in names)
        videos = f"{self.videos_scored} of {self.videos_expected} videos"
        return f"<Evaluation of {self.dataset} {self.split}, {videos}: {figures}>"

    def columns(self) -> dict[str, list[Any]]:
        """``figure`` (its name) and ``percent`` (None where it is undefined)."""
        rows = _or_none(self.metrics)
        return {"figure": list(rows), "percent": list(rows.values())}

    @property
    def undefined(self) -> tuple[str, ...]:
        """Figures that are NaN: nothing in the videos counts in them."""
        return tuple(name for name, value in self.metrics.items() if np.isnan(value))

    @cached_property
    def per_class(self) -> dict[str, dict[str, float]]:
        """Figures per label, in percent; empty where the metric has none. Counted when first asked for."""
        truth = self.aligned.truth.truth()
        with failures_of("metric", self.metric, self.metric.name):
            if isinstance(self.metric, CountedMetric):
                return dict(self.metric.per_class_of(self._by_class, truth))
            return dict(self.metric.per_class(self.aligned.predicted, truth))

    @cached_property
    def counts(self) -> NDArray[np.int64] | None:
        """TP, FP, FN behind the figures by label, track and level (C, 3, 2, 3); None for other metrics than LLP's.
        Counted when first asked for."""
        truth = self.aligned.truth.truth()
        with failures_of("metric", self.metric, self.metric.name):
            if isinstance(self.metric, CountedMetric):
                return self.metric.counts_of(self._by_class, truth)
            return self.metric.counts(self.aligned.predicted, truth)

    @cached_property
    def _by_class(self) -> Partial:
        assert isinstance(self.metric, CountedMetric)
        return _kept(self.metric, self.aligned, notes=False, classes=True) if self.classes is None else self.classes

    def by_group(self) -> dict[str, dict[str, float]]:
        """Figures by group: ``{"total": {"acc": ...}, ...}``; empty where there are no groups."""
        return {
            g: {k.removeprefix(f"{g}_"): v for k, v in self.metrics.items() if k.startswith(f"{g}_")}
            for g in self.groups
        }

    def as_dict(self, per_class: bool = False) -> dict[str, Any]:
        """What ``avreplay evaluate --json`` prints."""
        nested = {g: _or_none(row) for g, row in self.by_group().items()}
        revision = self.aligned.truth.revision
        return {
            **({"per_class": {c: _or_none(row) for c, row in self.per_class.items()}} if per_class else {}),
            "dataset": self.dataset,
            "split": self.split,
            "videos_scored": self.videos_scored,
            "videos_expected": self.videos_expected,
            "ids_sha256": self.ids_sha256,
            "profile": self.profile,
            "metric": METRICS.name_of(self.metric, self.metric.name),
            "length_mismatches": self.aligned.length_mismatches,
            "not_annotated": len(self.aligned.extra),
            "notes": list(self.notes),
            **({"revision": revision} if revision else {}),
            **({"videos_by_group": dict(self.groups)} if self.groups else {}),
            "metrics": nested or _or_none(self.metrics),
        }


def _or_none(row: Mapping[str, float]) -> dict[str, float | None]:
    return {k: None if np.isnan(v) else v for k, v in row.items()}


@typed_arguments
def evaluate_predictions(
    predictions: Predictions | PredictionBlocks,
    annotations: Annotations,
    *,
    profile: str = "release",
    iou: float = 0.5,
    require_complete: bool = False,
    audio_from_visual: bool = False,
    aliases: Mapping[str, str] | None = None,
    metrics: str | Metric = "auto",
    batch_size: int | None = None,
    mask_short: bool = False,
    per_class: bool = False,
) -> Evaluation:
    """Score predictions; only videos that were predicted count, the rest are missing.

    Predictions in blocks are read a block at a time: the figures are, to the bit, those of all at once. A metric that
    is no :class:`.core.metrics.counted.CountedMetric` gets all of them in memory, which is said.

    AVE gives ``accuracy``, OV-AVEBench ``acc``, ``seg``, ``event`` and ``avg`` for each group of videos, LLP and
    annotations of any other kind the ten LLP figures (:data:`avreplay.core.metrics.llp.METRIC_NAMES`).

    Parameters
    ----------
    profile : ``release`` scores AVE on the first prediction and annotation of a video, ``paper`` on all of them. For
        OV-AVEL's metrics, released, segments predicted as `other` have no class in the F-scores, and an IoU equal to
        ``iou`` matches; in the paper `other` is background, and the IoU must exceed it
    iou : intersection over union from which a predicted event matches an annotated one
    require_complete : make missing videos an error
    audio_from_visual : score the visual track as audio, as the released main.py does
    aliases : other names of labels
    metrics : ``auto`` for the dataset's own, the name of any registered metric, or a metric
    batch_size : average OV-AVEL's F-scores over batches of this many videos, as the released code logs them (training
        free 4, fine-tuned 32), instead of over videos
    mask_short : score only the segments that a clip shorter than annotated has
    per_class : count the figures by class along with the others, and not in a second pass when they are asked for

    Raises
    ------
    DataError
        an unknown label, missing videos where completeness is required, no video in common, events without scores for
        a metric that reads them
    UsageError
        an unknown profile, an unknown metric, an option that the metric does not have, an iou outside (0, 1]
    """
    if profile not in PROFILES:
        raise UsageError(f"there is no profile {profile!r}; profiles are {', '.join(PROFILES)}")
    metric = _configured(metrics, annotations, profile, iou, audio_from_visual, batch_size)
    aligned = align(predictions, annotations, aliases, mask_short=mask_short)
    scored, expected = len(aligned.truth.video_ids), len(annotations.video_ids)
    if aligned.missing and require_complete:
        raise DataError(
            f"{len(aligned.missing)} of {expected} videos of {annotations.dataset} {annotations.split} were not "
            f"predicted, {aligned.missing[0]!r} for one; extract them, or score without --require-complete"
        )
    if not predictions.video_ids:
        raise DataError("the predictions hold no video; replay a store that has some")
    if scored == 0:
        raise DataError(
            f"none of the {len(predictions.video_ids)} predicted videos is annotated in {annotations.source}; "
            "check the dataset and the split"
        )
    truth = aligned.truth.truth()
    found, notes, kept = _scored(metric, aligned, truth, per_class)
    parts = () if found.per_video is None else found.per_video[0].T
    with failures_of("metric", metric, metric.name):
        groups = dict(metric.groups(truth))
        for name in found.names:
            _, _ = metric.title(name)
    toy = toy_note(predictions.made_from, aligned.truth.video_ids)
    notes += () if toy is None else (toy,)
    undefined = [name for name, value in zip(found.names, found.values[0].tolist(), strict=True) if np.isnan(value)]
    if undefined:
        names = ", ".join(undefined)
        notes += (f"undefined, since nothing in these videos counts in it: {names}{_other_track(metric, truth)}",)
    return Evaluation(
        annotations.dataset, annotations.split, scored, expected, ids_sha256(aligned.truth.video_ids),
        dict(zip(found.names, found.values[0].tolist(), strict=True)),
        dict(zip(found.video_names, parts, strict=True)),
        aligned, profile, metric, found.weights, groups, aligned.truth.notes + notes, kept if per_class else None,
    )  # fmt: skip


def _other_track(metric: Metric, truth: Truth) -> str:
    """Which track to ask for, where the annotations have one and the metric reads another."""
    annotated = np.flatnonzero(np.diff(truth.events.starts).reshape(-1, len(TRACKS)).sum(axis=0))
    parts = metric.parts if isinstance(metric, JointMetric) else (metric,)
    if len(annotated) != 1:
        return ""
    track = TRACKS[annotated[0]]
    if all(getattr(part, "track", track) == track for part in parts):
        return ""
    return f"; all annotated events are of the track {track}: give --metrics as NAME(track={track})"


def _scored(
    metric: Metric, aligned: Aligned, truth: Truth, classes: bool
) -> tuple[Scores, tuple[str, ...], Partial | None]:
    """The figures, the metric's notes, and what it has kept of the videos, None for one that is no counted metric."""
    if isinstance(metric, CountedMetric):
        with failures_of("metric", metric, metric.name):
            kept = _kept(metric, aligned, notes=True, classes=classes)
            found, notes = metric.scores_of(kept, truth), tuple(metric.notes_of(kept, truth))
        check_scores(metric, found, truth, 1)
        return found, notes, kept
    if len(aligned.source) > 1:
        _log.warning(
            "the metric %s has no partial counts: all %d videos are held in memory", metric.name, len(truth.segments)
        )
    _refuse_unscored(metric, len(aligned.predicted.label), _without_score(aligned.predicted))
    found = checked_score(metric, aligned.predicted, truth)
    with failures_of("metric", metric, metric.name):
        return found, tuple(metric.notes(aligned.predicted, truth)), None


def _kept(metric: CountedMetric, aligned: Aligned, *, notes: bool, classes: bool) -> Partial:
    """What a metric keeps of all videos, from block to block."""
    truth = aligned.truth.truth()
    join = PartialJoin(len(truth.segments))
    events = without = 0
    for places, predicted in aligned.blocks():
        events += len(predicted.score)
        without += _without_score(predicted)
        join.add(metric.partial(predicted, truth.select(places), notes=notes, classes=classes), places)
    _refuse_unscored(metric, events, without)
    return join.result()


def _without_score(events: Events) -> int:
    """How many events have neither a score nor a confidence."""
    return 0 if events.confidence is not None else int(np.count_nonzero(np.isnan(events.score)))


def _refuse_unscored(metric: Metric, events: int, without: int) -> None:
    """Raises: DataError where a metric reads scores, and all events, of which there are some, are without."""
    if "scores" in metric.reads and 0 < events == without:
        raise DataError(
            f"the metric {metric.name!r} ranks events by their scores, and no event has one; decode with scores, or "
            "choose another metric"
        )


def _configured(
    metrics: str | Metric,
    annotations: Annotations,
    profile: str,
    iou: float,
    audio_from_visual: bool,
    batch_size: int | None,
) -> Metric:
    """The metric asked for, under a profile and with the options that differ from their defaults."""
    metric = metrics if isinstance(metrics, Metric) else metric_of(annotations, metrics)
    options: dict[str, Any] = {}
    if iou != 0.5:
        options["iou"] = iou
    if audio_from_visual:
        options["audio_from_visual"] = True
    if batch_size is not None:
        options["batch_size"] = batch_size
    return metric.configured(profile, **options)
