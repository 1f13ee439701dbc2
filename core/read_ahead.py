"""Blocks that are read one after the other, each while the one before it is in use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from .threads import Pool

B = TypeVar("B")


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
