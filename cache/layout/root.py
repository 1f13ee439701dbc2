"""The root of a store: what its attributes must say, and where a new store may begin."""

from __future__ import annotations

import os
from typing import Any

from ...core.errors import DataError
from ..atomic_write import PARTIAL
from .location import Location
from .schema import FORMAT, SCHEMA_VERSION


def root_attributes(place: Location) -> dict[str, Any]:
    """The attributes of a store's root group.

    Raises: DataError where there is no store, something else, a damaged store, or one of a newer schema version.
    """
    root = place.attributes()
    if root is None:
        if place.exists():
            raise DataError(f"{place.url} is not an avreplay store: it has no zarr.json; give the folder of a store")
        raise DataError(f"there is no store at {place.url}; check the path, or make one with `avreplay extract`")
    if root.get("format") != FORMAT:
        raise DataError(f"{place.url} is a Zarr group but not an avreplay store; give the folder of a store")
    version = root.get("schema_version")
    if not isinstance(version, int):
        raise DataError(f"{place.url} has no schema version; restore its zarr.json from a copy")
    if version > SCHEMA_VERSION:
        raise DataError(
            f"{place.url} has schema version {version}, this avreplay reads up to {SCHEMA_VERSION}; upgrade avreplay"
        )
    return root


def prepare_root(place: Location) -> None:
    """Make the folder of a new store, or check that the one at this place can be opened.

    Raises: DataError for a file, and for a folder that holds anything but a store or an interrupted beginning of one.
    """
    if place.attributes() is not None:
        root_attributes(place)
        return
    if place.is_local and os.path.isfile(place.path):
        raise DataError(f"{place.url} is a file; give a new folder for the store")
    others = [f for f in place.files() if not f.endswith(PARTIAL)]
    if "zarr.json" in others:  # another process has made a store there since
        place.refresh()
        root_attributes(place)
        return
    if others:
        raise DataError(
            f"{place.url} is not an avreplay store and not empty (it holds {others[0]}); give another folder"
        )
    if place.is_local:
        os.makedirs(place.path, exist_ok=True)
