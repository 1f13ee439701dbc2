"""The root of a store: what its attributes must say, and where a new store may begin."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import Any

from ...core.errors import DataError
from ..atomic_write import PARTIAL
from ..places import kind_of, output_folder
from .attributes import check_root_attributes
from .group_file import seal_holds
from .location import Location
from .schema import FORMAT, INNER_STORES_FOLDER, SCHEMA_VERSION


def root_attributes(place: Location) -> dict[str, Any]:
    """The attributes of a store's root group.

    Raises: DataError where there is no store, something else, a damaged store, or one of a newer schema version.
    """
    root = place.attributes(any_version=True)
    if root is None:
        if place.exists():
            raise DataError(f"{place.url} is not an avreplay store: it has no zarr.json; give the folder of a store")
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


def prepare_root(place: Location) -> list[str]:
    """Make the folder of a new store, or check that the one at this place can be opened.

    Returns
    -------
    the folders that were made, the outermost first: those that :func:`remove_root` removes again

    Raises: DataError for a file, a folder that holds anything but a store or an interrupted beginning of one, and a
    place that cannot be written.
    """
    check_root(place)
    if not place.is_local:
        return []
    made: list[str] = []
    here = place.path
    while not os.path.lexists(here):
        made.insert(0, here)
        here = os.path.dirname(here)
    with place.changing():
        try:
            os.makedirs(place.path, exist_ok=True)
        except OSError:
            remove_root(made)
            raise
    return made


def check_root(place: Location) -> None:
    """Raise what :func:`prepare_root` would raise for what lies at the place; nothing is made."""
    if place.attributes(any_version=True) is not None:
        writable_root(place)
        return
    if place.is_local and os.path.lexists(place.path) and not os.path.isdir(place.path):
        kind = kind_of(os.stat(place.path).st_mode if os.path.exists(place.path) else os.lstat(place.path).st_mode)
        raise DataError(f"{place.url} is {kind}; give a new folder for the store")
    with place.changing():
        # a listing of everything below would walk a whole disk
        found = [name for name, _ in place.entries()] if place.is_local else place.files()
    others = [f for f in found if not f.endswith(PARTIAL)]
    if "zarr.json" in others:  # another process has made a store there since
        place.refresh()
        writable_root(place)
        return
    if others:
        raise DataError(
            f"{place.url} is not an avreplay store and not empty (it holds {others[0]}); give another folder"
        )
    if place.is_local:
        inner = os.path.basename(os.path.dirname(place.path)) == INNER_STORES_FOLDER
        output_folder(place.path, "a store", of_store=inner)


def remove_root(made: Sequence[str]) -> None:
    """Remove folders that :func:`prepare_root` made, where nothing came into them. The caller holds the lock."""
    with contextlib.suppress(OSError):
        for folder in reversed(made):
            os.rmdir(folder)
