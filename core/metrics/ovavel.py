"""OV-AVEL's metrics: accuracy, segment and event F-score of the audio-visual track, background being a class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import UsageError
from ..events import Events
from ..kernels.ovavel_counts import ovavel_block
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
