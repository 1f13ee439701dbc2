"""Metrics whose figures come from what is kept of each video and from counts that add up, so that predictions of any
number of videos are scored block by block, to the same bits as at once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..events import Events
from .base import Metric, Scores, Truth


@dataclass(frozen=True, eq=False)
class Partial:
    """What a metric keeps of N videos under P settings.

    Shapes
    ------
    videos : (P, N, ...) arrays by name: of each video by itself, whatever other videos there are
    sums : int64 arrays by name: counts, added up over the videos. Whole numbers, since their sum does not depend on the
        order
    """

    videos: Mapping[str, NDArray[Any]]
    sums: Mapping[str, NDArray[np.int64]]


class PartialJoin:
    """Puts together what is kept of N videos from that of blocks of them, which may come in any order."""

    def __init__(self, num_videos: int) -> None:
        self._num_videos = num_videos
        self._videos: dict[str, NDArray[Any]] = {}
        self._sums: dict[str, NDArray[np.int64]] = {}
        self._begun = False

    def add(self, part: Partial, places: NDArray[np.int64]) -> None:
        """Add a block of n videos, the numbers of which among the N are ``places`` (n,).

        Raises: TypeError for what is no :class:`Partial`, ValueError for other names or shapes than the first block's.
        """
        if not isinstance(part, Partial):
            raise TypeError(f"partial() gave {type(part).__name__}, not Partial")
        for name, array in part.sums.items():
            if array.dtype != np.int64:
                raise TypeError(f"its sum {name!r} is of {array.dtype}; sums are counts, int64")
        if not self._begun:
            self._begun = True
            self._sums = {name: np.zeros_like(array) for name, array in part.sums.items()}
            self._videos = {
                name: np.zeros((array.shape[0], self._num_videos, *array.shape[2:]), array.dtype)
                for name, array in part.videos.items()
            }
        if (part.videos.keys(), part.sums.keys()) != (self._videos.keys(), self._sums.keys()):
            raise ValueError("partial() gave arrays of other names for one block than for another")
        for name, array in part.videos.items():
            whole = self._videos[name]
            if array.shape != (whole.shape[0], len(places), *whole.shape[2:]):
                raise ValueError(f"its array {name!r} is of shape {array.shape} for {len(places)} videos")
            whole[:, places] = array
        for name, array in part.sums.items():
            self._sums[name] += array

    def result(self) -> Partial:
        """What is kept of all the videos that were added."""
        return Partial(self._videos, self._sums)


class CountedMetric(Metric):
    """A metric that is scored block by block: subclasses define :meth:`partial` and :meth:`scores_of`, and what else
    they have (:meth:`per_class_of`, :meth:`counts_of`, :meth:`notes_of`), in the place of the methods without ``_of``.

    The truth of the methods with ``_of`` is that of all videos.
    """

    @abstractmethod
    def partial(self, predicted: Events, truth: Truth, *, notes: bool = False, classes: bool = False) -> Partial:
        """What is kept of some videos, every setting in ``predicted``: for :meth:`scores_of` in any case, with
        ``notes`` also for :meth:`notes_of`, with ``classes`` also for :meth:`per_class_of` and :meth:`counts_of`."""

    @abstractmethod
    def scores_of(self, found: Partial, truth: Truth) -> Scores:
        """The figures of all videos."""

    def per_class_of(self, found: Partial, truth: Truth) -> dict[str, dict[str, float]]:
        """As :meth:`per_class`."""
        return {}

    def counts_of(self, found: Partial, truth: Truth) -> NDArray[np.int64] | None:
        """As :meth:`counts`."""
        return None

    def notes_of(self, found: Partial, truth: Truth) -> tuple[str, ...]:
        """As :meth:`notes`."""
        return ()

    def score(self, predicted: Events, truth: Truth) -> Scores:
        return self.scores_of(self.partial(predicted, truth), truth)

    def per_class(self, predicted: Events, truth: Truth) -> dict[str, dict[str, float]]:
        return self.per_class_of(self.partial(predicted, truth, classes=True), truth)

    def counts(self, predicted: Events, truth: Truth) -> NDArray[np.int64] | None:
        return self.counts_of(self.partial(predicted, truth, classes=True), truth)

    def notes(self, predicted: Events, truth: Truth) -> tuple[str, ...]:
        return self.notes_of(self.partial(predicted, truth, notes=True), truth)
