"""Stores inside a store: embeddings of the same videos by other backbones, in ``backbones/<name>``.

Each is a complete store: every command takes its path, and its writers hold its own locks. The outer store reads no
data from it; it only lists it. An inner store has no inner stores.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..core.errors import DataError, UsageError
from .atomic_write import PARTIAL
from .layout.location import Location
from .layout.root import root_attributes
from .layout.schema import FOLDER_NAME, INNER_STORES_FOLDER


def inner_url(url: str, name: str) -> str:
    """The URL of a store's inner store of a backbone. Raises: UsageError for a name that is no valid folder name."""
    if not FOLDER_NAME.fullmatch(name):
        raise UsageError(f"the backbone {name!r} cannot name a folder; use up to 64 letters, digits, - and _")
    return f"{url}/{INNER_STORES_FOLDER}/{name}"


def backbone_name(config: Mapping[str, Any]) -> str | None:
    """The backbone that a declared configuration names; None where it names none, as for imported scores."""
    backbone = config.get("backbone")
    name: object = backbone.get("name") if isinstance(backbone, Mapping) else None
    return name if isinstance(name, str) else None


def outer_store(place: Location) -> str | None:
    """The URL of the store around an inner store; None where the place is inside no store."""
    url = os.path.abspath(place.path) if place.is_local else place.url
    head, _, _ = url.rpartition("/")
    outer, _, folder = head.rpartition("/")
    if folder != INNER_STORES_FOLDER or not outer:
        return None
    try:
        root_attributes(Location(outer))
    except DataError:
        return None
    return outer


def inner_stores(place: Location, root: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """The content of a store's folder of inner stores.

    Returns
    -------
    the URLs of the inner stores by backbone, sorted; and what does not belong there, by path, with what is wrong
    """
    found: dict[str, str] = {}
    foreign: dict[str, str] = {}
    entries = place.entries(INNER_STORES_FOLDER)
    outer = outer_store(place) if entries else None
    for name, is_folder in entries:
        path, url = f"{INNER_STORES_FOLDER}/{name}", f"{place.url}/{INNER_STORES_FOLDER}/{name}"
        if outer is not None:
            foreign[path] = f"does not belong to the store, which lies inside {outer}"
        elif not is_folder or not FOLDER_NAME.fullmatch(name):
            foreign[path] = "does not belong to the store"
        else:
            problem = _problem(Location(url), name, root) or _unbound(place, name, root)
            if problem:
                foreign[path] = problem
            elif problem is not None:
                found[name] = url
    return found, foreign


def missing_inner_stores(place: Location, root: Mapping[str, Any]) -> list[str]:
    """The names of the inner stores that a store lists as finished and that are not there."""
    there = {name for name, _ in place.entries(INNER_STORES_FOLDER)}
    listed = {name for name, seal in (root.get("inner") or {}).items() if seal is not None}
    return sorted(name for name in listed if name not in there or _root_seal(place, name) is None)


def _unbound(place: Location, name: str, root: Mapping[str, Any]) -> str | None:
    """Why an inner store is not the one that the store around it lists; "" if it is; None if nothing is in it yet.

    A store of an early version 2 has no list, and one of version 1 has none.
    """
    seal = _root_seal(place, name)
    nothing = None if seal is None else ""
    now = root
    for attempt in range(2):
        if now.get("inner") is None or (name in now["inner"] and now["inner"][name] in (None, seal)):
            return nothing
        if attempt == 0:  # a writer may have finished it since the root was read
            place.refresh()
            now, seal = root_attributes(place), _root_seal(place, name)
    if name not in now["inner"]:
        return "was not written into this store" if seal is not None else "is an empty folder"
    return None if seal is None else "is not the one that was written into this store last"


def _root_seal(place: Location, name: str) -> str | None:
    """The seal of the root of an inner store; None where it has no root."""
    root = Location(f"{place.url}/{INNER_STORES_FOLDER}/{name}").attributes(any_version=True)
    return None if root is None else str(root.get("seal", ""))


def _problem(place: Location, name: str, outer: Mapping[str, Any]) -> str | None:
    """Why a folder is not an inner store of a backbone; empty if it is one; None if nothing is in it yet."""
    try:
        if place.attributes() is None:
            begun = all(file.endswith(PARTIAL) for file in place.files())
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
    return "" if other is None else f"holds the video {other!r}, which the store around it does not have"
