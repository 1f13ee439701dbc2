"""Blocks of consecutive videos, read one after the other, each while the one before it is in use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .threads import Pool

B = TypeVar("B")


def consecutive(sizes: NDArray[np.int64], most: int) -> list[slice]:
    """All videos in blocks, one after the other: as many at once as take ``most`` together, and one at least."""
    ends, at = np.cumsum(sizes), 0
    found: list[slice] = []
    while at < len(sizes):
        before = int(ends[at - 1]) if at else 0
        end = max(at + 1, int(np.searchsorted(ends, before + most, "right")))
        found.append(slice(at, end))
        at = end
    return found


def read_ahead(read: Callable[[slice], B], slices: Sequence[slice]) -> Iterator[B]:
    """What ``read`` gives for each slice, in order. Two blocks are alive at most, if the caller drops each in time.

    A single block is read by the calling thread, others by a thread of their own. Raises: what ``read`` raises.
    """
    if len(slices) < 2:
        yield from map(read, slices)
        return
    with Pool(1) as reader:
        following = reader.submit(read, slices[0])
        for upcoming in slices[1:]:
            block = following.result()
            following = reader.submit(read, upcoming)
            yield block
            del block  # not alive while the one after the next is read
        yield following.result()
