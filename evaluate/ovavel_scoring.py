"""OV-AVEL's figures: by group of videos and by class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.metrics.ovavel import OVAVEL_METRIC_NAMES, OvavelMetrics, ovavel_metrics
from .datasets.labels import folded
from .files.predictions import Aligned

Figures = dict[str, float]


def ovavel_figures(
    aligned: Aligned, profile: str, iou: float, batch_size: int | None
) -> tuple[Figures, dict[str, NDArray[np.float64]], dict[str, Figures], dict[str, int]]:
    """Figures by group (``total_acc``), by video and by class, and the number of videos of each group.

    Groups are ``total`` and those of the annotations. The class of a video is its category, whatever is predicted;
    without categories there are no figures by class. See :func:`avreplay.evaluate.scoring.evaluate`.
    """
    truth = aligned.truth
    m = ovavel_metrics(
        aligned.predicted, truth.events, truth.segments_per_video, len(truth.labels),
        **metric_options(truth.labels, profile, iou),
    )  # fmt: skip
    members = {"total": np.arange(len(truth.video_ids))}
    if truth.group:
        of_video = np.array(truth.group)
        members |= {name: np.flatnonzero(of_video == name) for name in ("seen", "unseen")}
    figures = {
        f"{group}_{name}": value
        for group, videos in members.items()
        for name, value in zip(OVAVEL_METRIC_NAMES, m.table(videos, batch_size)[0].tolist(), strict=True)
    }
    columns = m.per_video[0]
    # the average first: it ranks the videos of a report
    order = ("avg", "acc", "seg", "event")
    per_video = {f"total_{name}": columns[:, OVAVEL_METRIC_NAMES.index(name)] for name in order}
    return figures, per_video, _by_class(m, aligned), {group: len(videos) for group, videos in members.items()}


def metric_options(labels: tuple[str, ...], profile: str, iou: float = 0.5) -> dict[str, Any]:
    """Options of :func:`avreplay.core.metrics.ovavel.ovavel_metrics` under a profile."""
    if profile == "release":
        return {"other": _other(labels), "other_is_background": False, "iou": iou}
    exceeded = float(np.nextafter(iou, 1)) if 0 < iou < 1 else iou
    return {"other": _other(labels), "other_is_background": True, "iou": exceeded}


def other_note(aligned: Aligned) -> tuple[str, ...]:
    """A sentence where segments are predicted as `other`, which the released F-scores treat in a way of their own."""
    e = aligned.predicted
    owner = np.repeat(np.arange(len(e.starts) - 1), np.diff(e.starts))
    videos = np.unique(owner[(e.label == _other(aligned.truth.labels)) & (owner % 3 == 2)] // 3)
    if not len(videos):
        return ()
    return (
        f"{len(videos)} videos have segments predicted as `other`, which have no class in the released F-scores; "
        "--profile paper takes them as background",
    )


def _other(labels: tuple[str, ...]) -> int:
    """Index of the label `other`, -1 where there is none."""
    return next((i for i, name in enumerate(labels) if folded(name) == "other"), -1)


def _by_class(m: OvavelMetrics, aligned: Aligned) -> dict[str, Figures]:
    truth = aligned.truth
    if truth.category is None:
        return {}
    out = {}
    for c in np.unique(truth.category).tolist():
        videos = np.flatnonzero(truth.category == c)
        row = m.table(videos)[0].tolist()
        out[truth.labels[c]] = {**dict(zip(OVAVEL_METRIC_NAMES, row, strict=True)), "videos": float(len(videos))}
    return out
