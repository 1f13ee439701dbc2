"""Stage 1: decode videos, encode them with a backbone, write the cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..core.lazy import attach

if TYPE_CHECKING:
    from .backbones.base import Backbone, BackboneSpec
    from .backbones.registry import load_backbone, register_backbone
    from .command_options import ExtractSettings
    from .embeddings_in import guess_mapping, import_embeddings
    from .labels import embed_labels, read_labels
    from .media.find_videos import find_videos
    from .stills import JoinedStills, join_stills
    from .summary import ExtractSummary
    from .writing.configuration import declare
    from .writing.extract import extract_videos

# av, zarr and rich take a while to import: only when something here is used
__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = attach(
    __name__,
    {
        "backbones.base": ("Backbone", "BackboneSpec"),
        "backbones.registry": ("load_backbone", "register_backbone"),
        "embeddings_in": ("guess_mapping", "import_embeddings"),
        "labels": ("embed_labels", "read_labels"),
        "media.find_videos": ("find_videos",),
        "command_options": ("ExtractSettings",),
        "stills": ("JoinedStills", "join_stills"),
        "summary": ("ExtractSummary",),
        "writing.configuration": ("declare",),
        "writing.extract": ("extract_videos",),
    },
)

__all__ = [
    "Backbone",
    "BackboneSpec",
    "ExtractSettings",
    "ExtractSummary",
    "JoinedStills",
    "declare",
    "embed_labels",
    "extract_videos",
    "find_videos",
    "guess_mapping",
    "import_embeddings",
    "join_stills",
    "load_backbone",
    "read_labels",
    "register_backbone",
]
