"""Stores inside a store: embeddings of the same videos by other backbones, in ``backbones/<name>``.

Each is a store of its own: every command takes its path, and its writers hold its own locks. The outer store does not
read from it; it only knows that it is there. There are no stores inside an inner store.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..core.errors import DataError, UsageError
from .layout.location import Location, root_attributes
from .layout.schema import BACKBONES, FOLDER_NAME


def inner_url(url: str, name: str) -> str:
    """Where a store has its inner store of a backbone. Raises: UsageError for a name that cannot be a folder's."""
    if not FOLDER_NAME.fullmatch(name):
        raise UsageError(f"the backbone {name!r} cannot name a folder; use up to 64 letters, digits, - and _")
    return f"{url}/{BACKBONES}/{name}"


def backbone_name(config: Mapping[str, Any]) -> str | None:
    """Whose embeddings a declared configuration makes; None where it names no backbone, as of imported scores."""
    backbone = config.get("backbone")
    name = backbone.get("name") if isinstance(backbone, dict) else None
    return name if isinstance(name, str) else None


def outer_store(place: Location) -> str | None:
    """The URL of the store inside which a store lies; None where it lies in none."""
    url = os.path.abspath(place.path) if place.is_local else place.url
    head, _, _ = url.rpartition("/")
    outer, _, folder = head.rpartition("/")
    if folder != BACKBONES or not outer:
        return None
    try:
        root_attributes(Location(outer))
    except DataError:
        return None
    return outer


def inner_stores(place: Location, root: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """What lies in a store's folder of inner stores.

    Returns
    -------
    The URLs of the inner stores by backbone, sorted; and what does not belong there, by path, with what is wrong.
    """
    found: dict[str, str] = {}
    foreign: dict[str, str] = {}
    entries = place.entries(BACKBONES)
    outer = outer_store(place) if entries else None
    for name, folder in entries:
        path, url = f"{BACKBONES}/{name}", f"{place.url}/{BACKBONES}/{name}"
        if outer is not None:
            foreign[path] = f"does not belong to the store, which lies inside {outer}"
        elif not folder or not FOLDER_NAME.fullmatch(name):
            foreign[path] = "does not belong to the store"
        else:
            problem = _problem(Location(url), name, root)
            if problem:
                foreign[path] = problem
            elif problem is not None:
                found[name] = url
    return found, foreign


def _problem(place: Location, name: str, outer: Mapping[str, Any]) -> str | None:
    """Why a folder is not an inner store of a backbone; empty if it is one; None if nothing is in it yet."""
    try:
        if place.attributes() is None:
            begun = all(file.endswith(".partial") for file in place.files())
            return None if begun else "is not an avreplay store"
        root = root_attributes(place)
    except DataError as error:
        return f"cannot be opened: {error}"
    config = root.get("config") or {}
    backbone = backbone_name(config)
    if root.get("kind") != "embeddings" or backbone != name:
        return f"holds no embeddings of the backbone {name}" + (f" but of {backbone}" if backbone else "")
    for key in ("segment_seconds", "frame_rule"):
        if config.get(key) != outer["config"].get(key):
            return f"has {key} {config.get(key)!r} and the store around it {outer['config'].get(key)!r}"
    videos = {id for shard in outer["plan"] for id in shard}
    other = next((id for shard in root["plan"] for id in shard if id not in videos), None)
    return "" if other is None else f"holds the video {other!r}, which the store around it has not"
