"""How exactly torch multiplies float32 numbers: as they are, or rounded to TF32 (ten bits) first, which GPUs do faster.

torch's switches are of the whole process, and its defaults are mixed: convolutions are rounded, matrix products are
not. What computes here says which it needs. Calls that overlap in threads share the setting; those that need another
one wait for them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch


@dataclass(frozen=True)
class Float32:
    """What may be rounded to TF32 on a CUDA device: matrix products, and convolutions."""

    products: bool = False
    convolutions: bool = False


EXACT = Float32()

_changed = threading.Condition()
_active = 0
_rule = EXACT
_restore: Callable[[], None] | None = None
"""Set by the first of the calls that overlap, called by the last."""


@contextmanager
def float32(rule: Float32) -> Iterator[None]:
    """Goes around what computes in float32; afterwards torch's switches are as they were before.

    May be nested with the same rule only.
    """
    global _active, _rule, _restore
    with _changed:
        _changed.wait_for(lambda: not _active or _rule == rule)
        if not _active:
            _restore, _rule = _switches(), rule
            torch.set_float32_matmul_precision("high" if rule.products else "highest")
            torch.backends.cudnn.allow_tf32 = rule.convolutions
        _active += 1
    try:
        yield
    finally:
        with _changed:
            _active -= 1
            if not _active and _restore is not None:
                _restore()
                _changed.notify_all()


def _switches() -> Callable[[], None]:
    """Puts torch's switches back to what they are now, the older names and the newer ones.

    An older one cannot be read where it contradicts a newer one, which is what counts then.
    """
    products: Any = torch.backends.cuda.matmul
    parts: Any = torch.backends.cudnn
    mkldnn: Any = torch.backends.mkldnn
    newer = [(place, place.fp32_precision) for place in (products, parts.conv, parts.rnn, mkldnn.matmul)]
    precision = _readable(torch.get_float32_matmul_precision)
    older = [(place, _readable(partial(getattr, place, "allow_tf32"))) for place in (products, parts)]

    def restore() -> None:
        if precision is not None:
            torch.set_float32_matmul_precision(precision)
        for place, rounded in older:
            if rounded is not None and _readable(partial(getattr, place, "allow_tf32")) != rounded:
                place.allow_tf32 = rounded
        for place, value in newer:
            place.fp32_precision = value

    return restore


def _readable(read: Callable[[], Any]) -> Any:
    """A switch, or None where torch refuses to read it."""
    try:
        return read()
    except RuntimeError:
        return None
