"""The cache: stores of embeddings and scores in Zarr v3, local or on any fsspec filesystem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .imports.bundle import import_file, read_bundle, write_bundle
    from .imports.third_party import import_scores, read_third_party
    from .layout.schema import STATUSES, VideoEmbeddings, VideoRecord, Vocabulary
    from .score_sets import write_score_set
    from .score_writer import import_bundle
    from .store import Store, open_store
    from .verify import Problem, store_info, verify_store
    from .writer import StoreWriter

_HOME = {
    "imports.bundle": ("import_file", "read_bundle", "write_bundle"),
    "verify": ("Problem", "store_info", "verify_store"),
    "layout.schema": ("STATUSES", "VideoEmbeddings", "VideoRecord", "Vocabulary"),
    "score_sets": ("write_score_set",),
    "score_writer": ("import_bundle",),
    "store": ("Store", "open_store"),
    "imports.third_party": ("import_scores", "read_third_party"),
    "writer": ("StoreWriter",),
}

__all__ = [
    "STATUSES", "Problem", "Store", "StoreWriter", "VideoEmbeddings", "VideoRecord", "Vocabulary", "import_bundle",
    "import_file", "import_scores", "open_store", "read_bundle", "read_third_party", "store_info", "verify_store",
    "write_bundle", "write_score_set",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # zarr takes a while to import: only when something here is used
    from importlib import import_module

    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
