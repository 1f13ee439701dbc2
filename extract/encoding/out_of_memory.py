"""Running out of memory: how it is recognised, what is released, how much less goes into a call afterwards, and how it
grows again: what filled the memory may have been one long video, or another process on the device."""

from __future__ import annotations

import errno
import gc
import logging
import sys
from collections.abc import Iterable

from ...core.causes import shortage_number
from ...core.errors import DataError
from ..backbones.base import Backbone

_log = logging.getLogger(__name__)


CALLS_BEFORE_GROWTH = 16
"""Calls in a row that must work before more is tried again; twice as many each time that this fails."""


class CallLimits:
    """How many items go into a call of a backbone, and through its model at once.

    Both are halved where memory runs out, and doubled after some calls that work, up to what they were at first.

    Attributes
    ----------
    items : the largest number of items of a call, by kind
    """

    def __init__(self, backbone: Backbone, kinds: Iterable[str]) -> None:
        self._backbone = backbone
        self.items: dict[str, int] = dict.fromkeys(kinds, backbone.items_per_call or sys.maxsize)
        self._most = (dict(self.items), self.batch_size)
        self._worked = 0
        self._patience = CALLS_BEFORE_GROWTH
        self._grown = False

    @property
    def batch_size(self) -> int | None:
        """The backbone's own batch size; None where it has none."""
        size = self._backbone.batch_size
        return size if isinstance(size, int) else None

    def lower(self, kind: str, what: str, count: int, batch: int | None) -> list[slice]:
        """Halve what ran out of memory: the batch, and once that is 1 or unknown, the number of items of a call.

        Parameters
        ----------
        kind, what : of the call; the second one for the log
        count : items of the call
        batch : the batch size when the call began; a call beside it may have made it smaller since

        Returns
        -------
        The parts of the call to repeat, one after the other; none where a single item is too much.

        Raises: DataError for batches of fixed size, on which the bytes of rows depend.
        """
        now = self.batch_size
        if self._backbone.fixed_batch:
            raise DataError(
                f"{what} ran out of memory with batches of the fixed size {now}; choose a smaller batch_size, or leave "
                "fixed_batch out"
            )
        self._worked = 0
        if self._grown:
            self._grown, self._patience = False, 2 * self._patience
        if now is not None and now > 1:
            if now == batch:
                self._backbone.batch_size = max(1, min(now, count) // 2)
                _log.warning("%s ran out of memory; going on with batches of %d", what, self._backbone.batch_size)
            return [slice(0, count)]
        if count == 1:
            return []
        half = (count + 1) // 2
        self.items[kind] = min(self.items[kind], half)
        _log.warning("%s ran out of memory; going on with %d items a call", what, half)
        return [slice(0, half), slice(half, count)]

    def worked(self, what: str) -> None:
        """A call had memory enough. After some of them in a row more is tried again: first items, then the batch."""
        items, batch = self._most
        now = self.batch_size
        less_items = [kind for kind, count in self.items.items() if count < items[kind]]
        less_batch = now is not None and batch is not None and now < batch
        if not less_items and not less_batch:
            return
        self._worked += 1
        if self._worked < self._patience:
            return
        self._worked, self._grown = 0, True
        if less_items:
            for kind in less_items:
                self.items[kind] = min(items[kind], 2 * self.items[kind])
            _log.info("%s had memory enough for %d calls; trying twice as many items a call", what, self._patience)
        elif now is not None and batch is not None:
            self._backbone.batch_size = min(batch, 2 * now)
            _log.info("%s had memory enough for %d calls; trying batches of %d", what, self._patience, 2 * now)


def out_of_memory(error: BaseException) -> bool:
    """Whether memory has run out, the machine's or the device's; torch need not be installed."""
    return shortage_number(error) == errno.ENOMEM


def release_memory() -> None:
    """Collect garbage and empty torch's caches."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
