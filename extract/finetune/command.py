"""The options of ``avreplay finetune`` as a configuration."""

from __future__ import annotations

from typing import Any

from ...core.errors import UsageError
from ...core.segment_targets import SegmentTargets
from .config import FinetuneConfig
from .run import FinetuneSummary, apply_checkpoint, finetune_store

_RUN = ("name", "device", "overwrite")


def finetune_command(store: str, targets: SegmentTargets, **options: Any) -> FinetuneSummary:
    """Train with the options that were given; None stands for the default. Raises as :func:`finetune_store` does."""
    run = {k: options.pop(k) for k in (*_RUN, "checkpoint", "skip_missing")}
    given = {k: v for k, v in options.items() if v is not None}
    return finetune_store(store, targets, FinetuneConfig(**given), **run)


def apply_command(store: str, source: str, **options: Any) -> FinetuneSummary:
    """Score with a checkpoint. Raises: UsageError for an option of training; as :func:`apply_checkpoint` does."""
    run = {k: options.pop(k) for k in _RUN}
    trains = sorted(k for k, v in options.items() if v not in (None, False))
    if trains:
        raise UsageError(f"--apply trains nothing, so --{trains[0].replace('_', '-')} has no meaning beside it")
    return apply_checkpoint(store, source, **run)
