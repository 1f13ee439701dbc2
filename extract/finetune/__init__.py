"""Fine-tuning on cached embeddings (OV-AVEL's second baseline); the only training here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config import FinetuneConfig
    from .run import FinetuneSummary, apply_checkpoint, finetune_store

_HOME = {
    "config": ("FinetuneConfig",),
    "run": ("FinetuneSummary", "apply_checkpoint", "finetune_store"),
}

__all__ = ["FinetuneConfig", "FinetuneSummary", "apply_checkpoint", "finetune_store"]


def __getattr__(name: str) -> Any:
    # the store and the progress bar take a while to import: only when something here is used
    from importlib import import_module

    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
