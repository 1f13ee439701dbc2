"""Evaluation: predictions against annotations, with how much was scored beside every figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, UsageError
from ..core.metrics.ave_accuracy import ave_accuracy
from ..core.metrics.llp import METRIC_NAMES, Metrics, llp_metrics, named_columns
from .datasets.annotations import Annotations, ids_sha256
from .files.predictions import Aligned, Predictions, align
from .ovavel_scoring import other_note, ovavel_figures

METRICS = ("auto", "ovavel")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Figures in percent, and on which videos they stand.

    ``per_video`` holds an (M,) array per metric; ``per_class`` a dict of metrics per label (LLP and OV-AVEL metrics);
    ``counts`` the TP, FP, FN behind them by label, track and level (C, 3, 2, 3), only of LLP metrics. OV-AVEL's
    figures are by group, ``total_acc`` for one; ``groups`` says how many videos stand behind each group. ``notes`` are
    sentences that a reader of the figures should know.
    """

    dataset: str
    split: str
    videos_scored: int
    videos_expected: int
    ids_sha256: str
    metrics: dict[str, float]
    per_video: dict[str, NDArray[np.float64]]
    per_class: dict[str, dict[str, float]]
    counts: NDArray[np.int64] | None
    aligned: Aligned
    profile: str
    groups: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def by_group(self) -> dict[str, dict[str, float]]:
        """OV-AVEL's figures: ``{"total": {"acc": ...}, ...}``; empty where there are no groups."""
        return {
            g: {k.removeprefix(f"{g}_"): v for k, v in self.metrics.items() if k.startswith(f"{g}_")}
            for g in self.groups
        }

    def as_dict(self, per_class: bool = False) -> dict[str, Any]:
        """What ``avreplay evaluate --json`` prints."""
        classes = {c: _or_none(row) for c, row in self.per_class.items()}
        nested = {g: _or_none(row) for g, row in self.by_group().items()}
        revision = self.aligned.truth.revision
        return {
            **({"per_class": classes} if per_class else {}),
            "dataset": self.dataset,
            "split": self.split,
            "videos_scored": self.videos_scored,
            "videos_expected": self.videos_expected,
            "ids_sha256": self.ids_sha256,
            "profile": self.profile,
            "length_mismatches": self.aligned.length_mismatches,
            "not_annotated": len(self.aligned.extra),
            "notes": list(self.notes),
            **({"revision": revision} if revision else {}),
            **({"videos_by_group": dict(self.groups)} if self.groups else {}),
            "metrics": nested or _or_none(self.metrics),
        }


def _or_none(row: Mapping[str, float]) -> dict[str, float | None]:
    return {k: None if np.isnan(v) else v for k, v in row.items()}


def evaluate(
    predictions: Predictions,
    annotations: Annotations,
    *,
    profile: str = "release",
    iou: float = 0.5,
    require_complete: bool = False,
    audio_from_visual: bool = False,
    aliases: Mapping[str, str] | None = None,
    metrics: str = "auto",
    batch_size: int | None = None,
    mask_short: bool = False,
) -> Evaluation:
    """Score predictions; only videos that were predicted count, the rest are missing.

    AVE gives ``accuracy``, OV-AVEBench ``acc``, ``seg``, ``event`` and ``avg`` for each group of videos, everything
    else the ten LLP figures (:data:`avreplay.core.metrics.llp.METRIC_NAMES`).

    Parameters
    ----------
    profile : ``release`` scores AVE on the first prediction and annotation of a video, ``paper`` on all of them. For
        OV-AVEL's metrics, released, segments predicted as `other` have no class in the F-scores, and an IoU equal to
        ``iou`` matches; in the paper `other` is background, and the IoU must exceed it
    iou : intersection over union from which a predicted event matches an annotated one
    require_complete : make missing videos an error
    audio_from_visual : score the visual track as audio, as the released main.py does
    aliases : other names of labels
    metrics : ``auto``, or ``ovavel`` for OV-AVEL's metrics on any dataset
    batch_size : average OV-AVEL's F-scores over batches of so many videos, as the released code logs them (training
        free 4, fine-tuned 32), instead of over videos
    mask_short : score only the segments that a clip shorter than annotated has

    Raises
    ------
    DataError
        an unknown label, missing videos where completeness is required, no video in common
    UsageError
        an unknown profile, unknown metrics, an iou outside (0, 1], a batch size for other metrics
    """
    if profile not in ("release", "paper"):
        raise UsageError(f"there is no profile {profile!r}; profiles are release, paper")
    if metrics not in METRICS:
        raise UsageError(f"there are no metrics {metrics!r}; there are {', '.join(METRICS)}")
    ovavel = metrics == "ovavel" or annotations.dataset == "ovavebench"
    if batch_size is not None and not ovavel:
        raise UsageError(f"averaging over batches is OV-AVEL's; {annotations.dataset} is scored without it")
    aligned = align(predictions, annotations, aliases, mask_short=mask_short)
    scored, expected = len(aligned.truth.video_ids), len(annotations.video_ids)
    if aligned.missing and require_complete:
        raise DataError(
            f"{len(aligned.missing)} of {expected} videos of {annotations.dataset} {annotations.split} were not "
            f"predicted, {aligned.missing[0]!r} for one; extract them, or score without --require-complete"
        )
    if scored == 0:
        raise DataError(
            f"none of the {len(predictions.video_ids)} predicted videos is annotated in {annotations.source}; "
            "check the dataset and the split"
        )
    truth = aligned.truth
    per_video: dict[str, NDArray[np.float64]]
    per_class: dict[str, dict[str, float]] = {}
    counts = None
    groups: dict[str, int] = {}
    notes = truth.notes
    if ovavel:
        notes += other_note(aligned) if profile == "release" else ()
        figures, per_video, per_class, groups = ovavel_figures(aligned, profile, iou, batch_size)
    elif annotations.dataset == "ave":
        correct = ave_accuracy(
            aligned.predicted, truth.events, truth.segments_per_video, len(truth.labels),
            first_only=profile == "release",
        )[0]  # fmt: skip
        per_video = {"accuracy": 100.0 * correct / truth.segments_per_video}
        figures = {"accuracy": 100.0 * float(correct.sum()) / float(truth.segments_per_video.sum())}
    else:
        m = llp_metrics(
            aligned.predicted, truth.events, truth.segments_per_video, len(truth.labels), iou=iou,
            audio_from_visual=audio_from_visual,
        )  # fmt: skip
        figures = m.summary()
        columns = 100.0 * named_columns(m.per_video[0])
        per_video = {name: columns[:, i] for i, name in enumerate(METRIC_NAMES)}
        per_class = _class_table(m, truth.labels)
        counts = m.totals[0]
    return Evaluation(
        annotations.dataset, annotations.split, scored, expected, ids_sha256(truth.video_ids), figures, per_video,
        per_class, counts, aligned, profile, groups, notes,
    )  # fmt: skip


def _class_table(m: Metrics, labels: tuple[str, ...]) -> dict[str, dict[str, float]]:
    columns = 100.0 * named_columns(m.per_class[0])
    return {
        label: {
            **dict(zip(METRIC_NAMES, columns[c].tolist(), strict=True)),
            "videos": float(m.class_videos[0, c]),
            "mean_length": float(m.class_length[c]),
        }
        for c, label in enumerate(labels)
        if m.class_videos[0, c]
    }
