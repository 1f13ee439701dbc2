"""Fine-tuning on cached embeddings (OV-AVEL's second baseline); the only training here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...core.lazy import attach

if TYPE_CHECKING:
    from .config import FinetuneConfig
    from .run import FinetuneSummary, apply_checkpoint, finetune_store

# the store and the progress bar take a while to import: only when something here is used
__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = attach(
    __name__,
    {
        "config": ("FinetuneConfig",),
        "run": ("FinetuneSummary", "apply_checkpoint", "finetune_store"),
    },
)

__all__ = ["FinetuneConfig", "FinetuneSummary", "apply_checkpoint", "finetune_store"]
