"""OV-AVEL's metrics: accuracy, segment and event F-score of the audio-visual track, background being a class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import UsageError
from ..events import Events
from ..kernels.ovavel_counts import ovavel_block
from ..labels import folded
from .base import Scores, Truth
from .counted import CountedMetric, Partial
from .tables import checked_tables

OVAVEL_METRIC_NAMES = ("acc", "seg", "event", "avg")


@dataclass(frozen=True, eq=False)
class OvavelMetrics:
    """OV-AVEL's metrics of P settings on N videos.

    Shapes
    ------
    correct : (P, N) int64, segments with the right label, background counted
    f_scores : (P, N, 2) float64 in 0..1, segment and event F of each video
    segments : (N,) int64
    """

    correct: NDArray[np.int64]
    f_scores: NDArray[np.float64]
    segments: NDArray[np.int64]

    @property
    def per_video(self) -> NDArray[np.float64]:
        """(P, N, 4) percent, columns :data:`OVAVEL_METRIC_NAMES`; a video without segments counts as right."""
        acc = np.where(self.segments > 0, self.correct / np.maximum(self.segments, 1), 1.0)
        three = np.concatenate([acc[..., None], self.f_scores], axis=-1)
        return 100.0 * np.concatenate([three, three.mean(axis=-1, keepdims=True)], axis=-1)

    def table(self, videos: ArrayLike | None = None, batch_size: int | None = None) -> NDArray[np.float64]:
        """(P, 4) percent, columns :data:`OVAVEL_METRIC_NAMES`, over some of the videos (indices or flags).

        Accuracy is over all segments. The F-scores are means over videos; with ``batch_size`` they are means of the
        means of consecutive batches, as the released code logs them, in which the videos of a smaller last batch
        weigh more. NaN without videos. Raises UsageError for a batch size below 1.
        """
        if batch_size is not None and batch_size < 1:
            raise UsageError(f"the batch size is {batch_size}; it must be at least 1")
        chosen = np.arange(len(self.segments)) if videos is None else np.asarray(videos)
        correct, f, segments = self.correct[:, chosen], self.f_scores[:, chosen], self.segments[chosen]
        n, total = f.shape[1], int(segments.sum())
        if n == 0 or total == 0:
            return np.full((len(correct), 4), np.nan)
        size = batch_size or n
        edges = np.arange(0, n, size)
        sums = np.add.reduceat(f, edges, axis=1)
        f_mean = (sums / np.minimum(size, n - edges)[:, None]).mean(axis=1)
        three = np.column_stack([correct.sum(axis=1) / total, f_mean])
        return 100.0 * np.column_stack([three, three.mean(axis=1)])


def ovavel_metrics(
    predicted: Events,
    truth: Events,
    segments_per_video: ArrayLike,
    num_labels: int,
    *,
    other: int = -1,
    other_is_background: bool = False,
    iou: float = 0.5,
) -> OvavelMetrics:
    """Accuracy and F-scores of the audio-visual track, for every setting in ``predicted``.

    Each video's F is the mean over its classes, those predicted or annotated in it, background being one. A segment's
    label, for accuracy, is that of its event (of several, the one with the highest score).

    Parameters
    ----------
    predicted : events of P settings on N videos
    truth : annotated events of the same N videos (one setting)
    segments_per_video : (N,) segments that are scored
    other : label index of the text `other`, -1 where there is none
    other_is_background : predicted events of `other` are background; released, they are background for accuracy only:
        in the F-scores their segments have no class at all
    iou : a predicted event matches an annotated one from this intersection over union on

    Raises
    ------
    UsageError
        an iou outside (0, 1]
    DataError
        tables of different videos, an event outside its video or with an unknown label index
    """
    tables, segments = checked_tables(predicted, truth, segments_per_video, num_labels, iou)
    correct = np.zeros((predicted.num_settings, len(segments)), np.int64)
    f = np.zeros((predicted.num_settings, len(segments), 2))
    score = np.ascontiguousarray(predicted.score)
    ovavel_block(
        *tables[:4], score, *tables[4:], segments, num_labels, other, not other_is_background, float(iou), correct, f
    )
    return OvavelMetrics(correct, f, segments)


_TITLES = {"acc": "Accuracy", "seg": "Segment F", "event": "Event F", "avg": "Average"}
_GROUP_TITLES = {"total": "Total", "seen": "Seen classes", "unseen": "Unseen classes"}


@dataclass(frozen=True)
class OvavelMetric(CountedMetric):
    """OV-AVEL's figures ``acc``, ``seg``, ``event`` and ``avg`` of all videos and of the groups seen and unseen.

    profile : released, segments predicted as `other` have no class in the F-scores, and an IoU equal to ``iou``
        matches; in the paper `other` is background, and the IoU must exceed it
    iou : intersection over union from which a predicted event matches an annotated one, in (0, 1]
    batch_size : average the F-scores over batches of this many videos, as the released code logs them, instead of over
        videos; None for videos
    """

    name: ClassVar[str] = "ovavel"
    about: ClassVar[str] = "accuracy, segment and event F of audio-visual events, by seen and unseen classes"
    headline: ClassVar[tuple[str, ...]] = ("total_avg", "total_acc")
    track_groups: ClassVar[tuple[tuple[str, ...], ...]] = (("audio_visual",),)

    profile: str = "release"
    iou: float = 0.5
    batch_size: int | None = None

    def names(self, truth: Truth) -> tuple[str, ...]:
        return tuple(f"{group}_{name}" for group in self.groups(truth) for name in OVAVEL_METRIC_NAMES)

    def video_names(self, truth: Truth) -> tuple[str, ...]:
        """Those of all videos, as long as the F-scores are means over videos and not over batches."""
        return tuple(f"total_{name}" for name in OVAVEL_METRIC_NAMES)

    def partial(self, predicted: Events, truth: Truth, *, notes: bool = False, classes: bool = False) -> Partial:
        m = ovavel_metrics(predicted, truth.events, truth.segments, len(truth.labels), **self._options(truth))
        others = {"other": _with_other(predicted, _other(truth.labels))} if notes else {}
        return Partial({"correct": m.correct, "f_scores": m.f_scores, **others}, {})

    def scores_of(self, found: Partial, truth: Truth) -> Scores:
        m = _metrics_of(found, truth)
        values = [m.table(videos, self.batch_size) for videos in _members(truth).values()]
        return Scores(self.names(truth), np.concatenate(values, axis=1), m.per_video)

    def per_class_of(self, found: Partial, truth: Truth) -> dict[str, dict[str, float]]:
        """The class of a video is its category, whatever is predicted; empty without categories."""
        if truth.category is None:
            return {}
        m = _metrics_of(found, truth)
        out = {}
        for c in np.unique(truth.category[truth.category >= 0]).tolist():
            videos = np.flatnonzero(truth.category == c)
            row = m.table(videos)[0].tolist()
            out[truth.labels[c]] = {**dict(zip(OVAVEL_METRIC_NAMES, row, strict=True)), "videos": float(len(videos))}
        return out

    def groups(self, truth: Truth) -> dict[str, int]:
        return {group: len(videos) for group, videos in _members(truth).items()}

    def notes_of(self, found: Partial, truth: Truth) -> tuple[str, ...]:
        """Says where segments are predicted as `other`, which the released F-scores treat in a way of their own."""
        videos = int(np.count_nonzero(found.videos["other"][0]))
        if self.profile != "release" or not videos:
            return ()
        return (
            f"{videos} videos have segments predicted as `other`, which have no class in the released F-scores; "
            "--profile paper takes them as background",
        )

    def title(self, name: str) -> tuple[str, str]:
        group, _, figure = name.replace(".", "_").replace("/", "_").partition("_")
        return (_GROUP_TITLES[group], _TITLES[figure]) if group in _GROUP_TITLES else ("", _TITLES.get(name, name))

    def default_objective(self, names: Sequence[str]) -> str:
        return "total_avg"

    def declared(self, truth: Truth) -> dict[str, Any]:
        batches = {} if self.batch_size is None else {"batch_size": self.batch_size}
        return {**self._options(truth), **batches}

    def _options(self, truth: Truth) -> dict[str, Any]:
        """Options of :func:`ovavel_metrics` under the profile."""
        if self.profile == "release":
            return {"other": _other(truth.labels), "other_is_background": False, "iou": self.iou}
        exceeded = float(np.nextafter(self.iou, 1)) if 0 < self.iou < 1 else self.iou
        return {"other": _other(truth.labels), "other_is_background": True, "iou": exceeded}


def _metrics_of(found: Partial, truth: Truth) -> OvavelMetrics:
    return OvavelMetrics(found.videos["correct"], found.videos["f_scores"], truth.segments)


def _with_other(predicted: Events, other: int) -> NDArray[np.bool_]:
    """Whether a video (P, N) has audio-visual events of the label `other`, whose index is given."""
    found = np.zeros(len(predicted.starts) - 1, np.bool_)
    if other >= 0:
        found[np.repeat(np.arange(len(found)), np.diff(predicted.starts))[predicted.label == other]] = True
    return found.reshape(predicted.num_settings, predicted.num_videos, 3)[:, :, 2]


def _members(truth: Truth) -> dict[str, NDArray[np.int64]]:
    """The videos of each group: ``total``, and seen and unseen where the annotations tell them apart."""
    members = {"total": np.arange(len(truth.segments))}
    if truth.group:
        of_video = np.array(truth.group)
        members |= {name: np.flatnonzero(of_video == name) for name in ("seen", "unseen")}
    return members


def _other(labels: tuple[str, ...]) -> int:
    """Index of the label `other`, -1 where there is none."""
    return next((i for i, name in enumerate(labels) if folded(name) == "other"), -1)
