"""The cache: stores of embeddings and scores in Zarr v3, local or on any fsspec filesystem."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..core.lazy import attach

if TYPE_CHECKING:
    from .imports.bundle_npz import read_bundle, write_bundle
    from .imports.score_store import import_bundle, import_file
    from .imports.third_party import import_scores, read_third_party
    from .info import store_info
    from .joined import JoinedStore, open_stores
    from .layout.schema import NOTES, STATUSES, Note, VideoEmbeddings, VideoRecord, Vocabulary
    from .problems import Problem, Verification
    from .score_blocks import ScoreBlocks
    from .score_set_writer import write_score_set
    from .store import Store, open_store
    from .upgrade import Upgrade, upgrade_store
    from .verify import check_store, verify_store
    from .writer import StoreWriter

# zarr takes a while to import: only when something here is used
__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = attach(
    __name__,
    {
        "imports.bundle_npz": ("read_bundle", "write_bundle"),
        "imports.score_store": ("import_bundle", "import_file"),
        "imports.third_party": ("import_scores", "read_third_party"),
        "info": ("store_info",),
        "joined": ("JoinedStore", "open_stores"),
        "layout.schema": ("NOTES", "STATUSES", "Note", "VideoEmbeddings", "VideoRecord", "Vocabulary"),
        "problems": ("Problem", "Verification"),
        "score_blocks": ("ScoreBlocks",),
        "score_set_writer": ("write_score_set",),
        "store": ("Store", "open_store"),
        "upgrade": ("Upgrade", "upgrade_store"),
        "verify": ("check_store", "verify_store"),
        "writer": ("StoreWriter",),
    },
)

__all__ = [
    "NOTES", "STATUSES", "JoinedStore", "Note", "Problem", "ScoreBlocks", "Store", "StoreWriter", "Upgrade",
    "Verification", "VideoEmbeddings", "VideoRecord", "Vocabulary", "check_store", "import_bundle", "import_file",
    "import_scores", "open_store", "open_stores", "read_bundle", "read_third_party", "store_info", "upgrade_store",
    "verify_store", "write_bundle", "write_score_set",
]  # fmt: skip
