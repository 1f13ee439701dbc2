"""The root of a store: what its attributes must say."""

from __future__ import annotations

import os
from typing import Any

from ...core.errors import DataError
from ..reading.files import ROOT_FILE
from .attributes import check_root_attributes
from .group_file import seal_holds
from .location import Location
from .schema import FORMAT, SCHEMA_VERSION


def root_attributes(place: Location) -> dict[str, Any]:
    """The attributes of a store's root group.

    Raises: DataError where there is no store, something else, a damaged store, or one of a newer schema version.
    """
    root = place.attributes(any_version=True)
    if root is None:
        if place.exists():
            raise DataError(f"{place.url} is not an avreplay store: {_no_root(place)}")
        raise DataError(f"there is no store at {place.url}; check the path, or make one with `avreplay extract`")
    if root.get("format") != FORMAT:
        raise DataError(f"{place.url} is a Zarr group but not an avreplay store; give the folder of a store")
    version = root.get("schema_version")
    if type(version) is not int or version < 1:
        raise DataError(f"{place.url} has no schema version; restore its zarr.json from a copy")
    if version > SCHEMA_VERSION:
        raise DataError(
            f"{place.url} has schema version {version}, this avreplay reads up to {SCHEMA_VERSION}; upgrade avreplay"
        )
    if not seal_holds("", root) or (version == 1 and "ledger" in root):
        raise DataError(
            f"{place.url}/zarr.json is not what was written there: its seal does not fit its attributes; restore "
            "it from a copy"
        )
    check_root_attributes(place, root)
    return root


def writable_root(place: Location) -> dict[str, Any]:
    """:func:`root_attributes` of a store that is about to be written into.

    Raises: DataError also for a store of an older version, which is read only.
    """
    root = root_attributes(place)
    if root["schema_version"] < SCHEMA_VERSION:
        raise DataError(
            f"{place.url} has schema version {root['schema_version']}, which is read but no longer written into; run "
            f"`avreplay upgrade {place.url}` first"
        )
    return root


def _no_root(place: Location) -> str:
    """What lies at a place without a root group, and what to give instead."""
    if place.is_local and os.path.isfile(place.path):
        return "it is a file; give the folder of a store"
    try:
        inside = [name for name, folder in place.entries() if folder] if place.is_local else []
    except OSError as error:
        return f"it cannot be looked into ({error.strerror}); give the folder of a store"
    stores = [name for name in inside if os.path.isfile(os.path.join(place.path, name, ROOT_FILE))]
    found = f"; did you mean {place.url}/{stores[0]}?" if len(stores) == 1 else "; give the folder of a store"
    return f"it has no {ROOT_FILE}{found}"
