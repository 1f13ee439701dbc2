"""What a segment classifier is trained on and scored against: classes of segments, as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .decoders.ovavel import runs_of
from .errors import DataError, UsageError
from .metrics.ovavel import OVAVEL_METRIC_NAMES, ovavel_metrics

SPLITS = ("train", "val", "test")
GROUPS = ("seen", "unseen")


@dataclass(frozen=True, eq=False)
class SegmentTargets:
    """One class for every segment of N videos of up to T segments. Build it with :meth:`create`, which checks it.

    Shapes
    ------
    video_ids : N ids
    labels : C + 1 names, the background name last: what predictions are scored against
    train_labels : the names that are known in training, in the order of the training columns, background last
    classes : (N, T) int64, index into ``labels``; background where no event is
    mask : (N, T) bool, False behind the end of a video of fewer than T segments
    categories : (N,) int64, the class that the video is about, -1 where it is unknown (a video without events)
    splits : (N,) int64, index into :data:`SPLITS`
    groups : (N,) int64, index into :data:`GROUPS`, -1 where it is unknown
    """

    video_ids: tuple[str, ...]
    labels: tuple[str, ...]
    train_labels: tuple[str, ...]
    classes: NDArray[np.int64]
    mask: NDArray[np.bool_]
    categories: NDArray[np.int64]
    splits: NDArray[np.int64]
    groups: NDArray[np.int64]

    @classmethod
    def create(
        cls,
        *,
        video_ids: Sequence[str],
        labels: Sequence[str],
        train_labels: Sequence[str],
        classes: ArrayLike,
        splits: ArrayLike,
        mask: ArrayLike | None = None,
        categories: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> SegmentTargets:
        """Check the arrays; without ``mask`` all segments are present; ``categories`` and ``groups`` are unknown
        where they are not given.

        Raises
        ------
        DataError
            a wrong shape, a repeated id or label, an index out of range, training labels that are not labels or do
            not end with the background, a training video with a class that is not known in training
        """
        ids, names, known = tuple(video_ids), tuple(labels), tuple(train_labels)
        for what, given in (("video id", ids), ("label", names), ("training label", known)):
            if len(set(given)) != len(given):
                raise DataError(f"a {what} is duplicated; each must be unique")
        if not names or known[-1:] != names[-1:]:
            raise DataError("labels and training labels must both end with the background label")
        foreign = sorted(set(known) - set(names))
        if foreign:
            raise DataError(f"the training label {foreign[0]!r} is not one of the {len(names)} labels")
        table = np.array(classes, np.int64)
        if table.ndim != 2 or len(table) != len(ids):
            raise DataError(f"classes has shape {table.shape}; expected ({len(ids)}, segments)")
        n = len(ids)
        present = np.ones(table.shape, np.bool_) if mask is None else np.array(mask, np.bool_)
        if present.shape != table.shape:
            raise DataError(f"mask has shape {present.shape}; expected {table.shape}")
        table[~present] = len(names) - 1
        made = cls(
            ids, names, known, table, present,
            _indices(categories, "categories", n, len(names), -1), _indices(splits, "splits", n, len(SPLITS), 0),
            _indices(groups, "groups", n, len(GROUPS), -1),
        )  # fmt: skip
        if table.size and (table.min() < 0 or table.max() >= len(names)):
            raise DataError(f"classes holds an index that is not one of the {len(names)} labels")
        wrong = np.flatnonzero((made.train_classes[table] < 0).any(1) & (made.splits == 0))
        if len(wrong):
            raise DataError(f"the training video {ids[wrong[0]]!r} has a class that is not known in training")
        for array in (made.classes, made.mask, made.categories, made.splits, made.groups):
            array.setflags(write=False)
        return made

    @property
    def background(self) -> int:
        """Index of the background class in ``labels``."""
        return len(self.labels) - 1

    @property
    def train_classes(self) -> NDArray[np.int64]:
        """(C + 1,) int64: column of each label in ``train_labels``, -1 where it is not known in training."""
        at = {name: i for i, name in enumerate(self.train_labels)}
        return np.array([at.get(name, -1) for name in self.labels], np.int64)

    def select(self, split: str, group: str | None = None) -> NDArray[np.int64]:
        """Indices of the videos of a split, or of one group of it, in order.

        Raises: UsageError for an unknown split or group.
        """
        for what, name, choices in (("split", split, SPLITS), ("group", group or GROUPS[0], GROUPS)):
            if name not in choices:
                raise UsageError(f"there is no {what} {name!r}; choose one of {', '.join(choices)}")
        wanted = self.splits == SPLITS.index(split)
        if group is not None:
            wanted &= self.groups == GROUPS.index(group)
        return np.flatnonzero(wanted)

    def take(self, videos: NDArray[np.int64]) -> SegmentTargets:
        """The targets of some videos, in the order given."""
        return SegmentTargets(
            tuple(self.video_ids[v] for v in videos.tolist()), self.labels, self.train_labels, self.classes[videos],
            self.mask[videos], self.categories[videos], self.splits[videos], self.groups[videos],
        )  # fmt: skip


def segment_figures(
    targets: SegmentTargets, videos: NDArray[np.int64], predicted: NDArray[np.int64]
) -> dict[str, float]:
    """OV-AVEL's accuracy, segment F, event F and their mean, in percent, of some videos.

    ``predicted`` (n, T) holds the class of every segment of ``videos`` (n,), an index into ``targets.labels``. The
    F-scores are means over videos, not the release's means over batches.
    """
    present = targets.mask[videos]
    segments = present.sum(1)
    events = []
    for classes in (predicted, targets.classes[videos]):
        timeline = np.where(classes == targets.background, -1, classes)[present].astype(np.int32)
        events.append(runs_of(timeline[None], segments))
    table = ovavel_metrics(events[0], events[1], segments, len(targets.labels)).table()[0]
    return dict(zip(OVAVEL_METRIC_NAMES, table.tolist(), strict=True))


def _indices(values: ArrayLike | None, name: str, n: int, count: int, least: int) -> NDArray[np.int64]:
    array = np.full(n, -1, np.int64) if values is None else np.array(values, np.int64)
    if array.shape != (n,):
        raise DataError(f"{name} has shape {array.shape}; expected ({n},)")
    if n and (array.min() < least or array.max() >= count):
        raise DataError(f"{name} holds {int(array.max())} or {int(array.min())}; expected {least} to {count - 1}")
    return array
