"""Cross triggers: events of one class that truths of another one cover.

Few classes have truths in a video, so that of a table with a column for each nearly all is 0; only the rest is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..kernels.threshold_curves import cross_block
from .spans import Ints


@dataclass(frozen=True, eq=False)
class Sparse:
    """The numbers of a table that are not 0, row by row.

    Shapes
    ------
    starts : (E + 1,) int64, where those of each row begin; (0,) where there is no table
    label : (X,) int32, the column of each; change : (X,) int8
    """

    starts: Ints
    label: NDArray[np.int32]
    change: NDArray[np.int8]

    @staticmethod
    def none() -> Sparse:
        """No table."""
        return Sparse(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int8))

    def rows(self, first: int, last: int, columns: int) -> NDArray[np.int32]:
        """Rows ``first`` to ``last``, with zeros; a table that there is not has none."""
        if not len(self.starts):
            return np.zeros((0, columns), np.int32)
        a, b = self.starts[first], self.starts[last]
        table = np.zeros((last - first, columns), np.int32)
        row = np.repeat(np.arange(last - first), np.diff(self.starts[first : last + 1]))
        table[row, self.label[a:b]] = self.change[a:b]
        return table


@dataclass(frozen=True, eq=False)
class Cross:
    """Where :func:`.intersection_changes` puts cross triggers: of K groups of E items with the M classes that have
    truths in their videos.

    Shapes
    ------
    present_starts : (N + 1,) int64, where the classes of each video begin; present : (M,) int64
    rows : (K + 1,) int64, where the numbers of each group begin; (0,) where they are not counted
    change : (X,) int8, of each item and class; many : (E,) int32, of each item those that are not 0
    item_starts : (K + 1,) int64, where the items of each group begin
    """

    present_starts: Ints
    present: Ints
    rows: Ints
    change: NDArray[np.int8]
    many: NDArray[np.int32]
    item_starts: Ints

    @staticmethod
    def empty(item_starts: Ints, key: Ints, g_starts: Ints, labels: int, counted: bool) -> Cross:
        """Zeros. Arguments as of the kernel."""
        items = int(item_starts[-1])
        if not counted:
            none = np.zeros(0, np.int64)
            return Cross(none, none, none, np.zeros(0, np.int8), np.zeros(0, np.int32), item_starts)
        video, present = np.nonzero((np.diff(g_starts) > 0).reshape(-1, labels))
        starts = np.searchsorted(video, np.arange((len(g_starts) - 1) // labels + 1)).astype(np.int64)
        rows = np.append(0, np.cumsum(np.diff(item_starts) * np.diff(starts)[key // labels])).astype(np.int64)
        change, many = np.zeros(int(rows[-1]), np.int8), np.zeros(items, np.int32)
        return Cross(starts, present.astype(np.int64), rows, change, many, item_starts)

    def of(self, order: Ints, video: Ints) -> Sparse:
        """Those of some items (n,), whose videos are ``video`` (E,)."""
        size = int(self.many.sum())
        found = Sparse(np.empty(len(order) + 1, np.int64), np.empty(size, np.int32), np.empty(size, np.int8))
        cross_block(
            order, self.rows, self.item_starts, self.many, video, self.present_starts, self.present, self.change,
            found.starts, found.label, found.change,
        )  # fmt: skip
        return found
