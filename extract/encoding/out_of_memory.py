"""Running out of memory: how it is recognised, what is released, and how much less goes into a call afterwards."""

from __future__ import annotations

import errno
import gc
import logging
import sys
from collections.abc import Iterable

from ...core.causes import shortage_number
from ..backbones.base import Backbone

_log = logging.getLogger(__name__)


class CallLimits:
    """How many items go into a call of a backbone, and through its model at once.

    Attributes
    ----------
    items : the largest number of items of a call, by kind
    """

    def __init__(self, backbone: Backbone, kinds: Iterable[str]) -> None:
        self._backbone = backbone
        self.items: dict[str, int] = dict.fromkeys(kinds, backbone.items_per_call or sys.maxsize)

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
        """
        now = self.batch_size
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
