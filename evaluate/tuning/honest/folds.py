"""Folds of the videos of a search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...datasets.annotations import Annotations
from ..problem import class_stratified


def stratified_folds(annotations: Annotations, count: int, seed: int) -> list[NDArray[np.int64]]:
    """The videos in ``count`` folds that differ in size by one at most, each with about the classes of all.

    ``count`` is at most the number of videos.
    """
    left = np.arange(len(annotations.video_ids))
    folds = []
    for i in range(count, 1, -1):
        # rounded up: the larger folds come first
        size = -(-len(left) // i)
        inside = class_stratified(annotations.select(left.tolist()), size, seed)
        folds.append(left[inside])
        left = np.delete(left, inside)
    return [*folds, left]


def others(fold: NDArray[np.int64], videos: int) -> NDArray[np.int64]:
    """The videos that are not in a fold."""
    return np.delete(np.arange(videos), fold)
