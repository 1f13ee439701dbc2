"""Stage 1: decode videos, encode them with a backbone, write the cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..core.lazy import attach

if TYPE_CHECKING:
    from .backbones.base import BACKBONES, Backbone, BackboneSpec, load_backbone
    from .pipeline import extract_videos
    from .settings import ExtractSettings, declare
    from .summary import ExtractSummary
    from .videos import find_videos
    from .vocabulary import embed_labels, read_labels

# av, zarr and rich take a while to import: only when something here is used
__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = attach(
    __name__,
    {
        "backbones.base": ("BACKBONES", "Backbone", "BackboneSpec", "load_backbone"),
        "pipeline": ("extract_videos",),
        "settings": ("ExtractSettings", "declare"),
        "summary": ("ExtractSummary",),
        "videos": ("find_videos",),
        "vocabulary": ("embed_labels", "read_labels"),
    },
)

__all__ = [
    "BACKBONES",
    "Backbone",
    "BackboneSpec",
    "ExtractSettings",
    "ExtractSummary",
    "declare",
    "embed_labels",
    "extract_videos",
    "find_videos",
    "load_backbone",
    "read_labels",
]
