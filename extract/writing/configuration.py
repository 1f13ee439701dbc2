"""The declared configuration of a store: all that its embeddings depend on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ...cache import open_store
from ...core.errors import DataError, NoAnswer
from ..backbones.base import Backbone, backbone_declaration
from ..command_options import ExtractSettings
from ..media.probe import DECODING_RULE
from ..media.video_readers import READERS, declared_reader

READER_VERSION = 2
"""Declared in every store; counts the changes to this package that give other embeddings for the same file."""

STORED_SETTINGS = ("segment_seconds", "frame_rule", "windows", "max_all_segments", "dtype")


def declare(backbone: Backbone, settings: ExtractSettings) -> dict[str, Any]:
    """The declared configuration: all that embeddings depend on, as JSON values. Its hash is the fingerprint.

    Raises: UsageError where the video reader cannot work, or segments do not hold whole frames.
    """
    spec = backbone.spec
    frames = spec.frames_in(settings.segment_seconds)
    finer = {**({"audio_frames": frames} if frames else {}),
             **({"audio_visual": spec.audio_visual_dim} if spec.audio_visual_dim else {})}  # fmt: skip
    return {
        "backbone": backbone_declaration(backbone),
        "decoder": READERS[settings.video_reader].declare(backbone.frame_device),
        "reader": READER_VERSION,
        "decoding_rule": DECODING_RULE,
        "dims": {"audio": spec.audio_dim, "visual": spec.visual_dim, "visual_rows": spec.visual_rows, **finer},
        "dtype": settings.dtype,
        "sample_rate": spec.sample_rate,
        "audio": "mean of the channels, resampled by libswresample",
        "segment_seconds": float(settings.segment_seconds),
        "frame_rule": settings.frame_rule,
        "windows": settings.windows,
        "max_all_segments": settings.max_all_segments,
    }


def declare_for(store_url: str | os.PathLike[str], backbone: Backbone, settings: ExtractSettings) -> dict[str, Any]:
    """`declare` for a store that may be there already. It keeps the licence that it was made with: what the hub says of
    a licence may change, and changes no embedding. Raises: as `declare`."""
    declared = declare(backbone, settings)
    try:
        kept = open_store(store_url).config.get("backbone", {}).get("licence")
    except NoAnswer:
        raise
    except DataError:  # nothing is there; or something else, which is told when it is opened to write
        return declared
    return declared if kept is None else {**declared, "backbone": {**declared["backbone"], "licence": kept}}


def stored_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a store was made with, from its declared configuration, by their names in `ExtractSettings`."""
    found = {key: config[key] for key in STORED_SETTINGS if key in config}
    return {**found, "video_reader": declared_reader(config)} if "decoder" in config else found
