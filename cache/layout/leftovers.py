"""What killed writers leave in a store: partly written files, groups without their marker, empty folders."""

from __future__ import annotations

import os
import re

from ...core.errors import DataError
from ..atomic_write import PARTIAL
from ..storage.place import LOCKS_FOLDER
from .location import Location
from .schema import FOLDER_NAME, INNER_STORES_FOLDER, REFERENCE_GROUP, SCORE_SETS_FOLDER, STAGING_SUFFIX

_SHARD = re.compile(rf"[0-9]{{5,}}({re.escape(STAGING_SUFFIX)})?")


def clear_leftovers(place: Location) -> None:
    """Remove them. The caller holds the lock of the whole store; the stores inside it have locks of their own.

    Nothing that counts is touched: a group counts from its marker on, which is written last.

    Raises: DataError for something that a store never holds, such as a link, and where nothing can be removed.
    """
    if not place.is_local:
        return
    place.check_plain()
    with place.changing():
        for name in place.own_files():
            if name.endswith(PARTIAL):
                os.remove(os.path.join(place.path, name))
    for group in _unfinished(place):
        place.remove(group)
    with place.changing():
        _remove_empty(place.path, keep=(LOCKS_FOLDER, INNER_STORES_FOLDER))


def _unfinished(place: Location) -> list[str]:
    """The groups without a marker; one whose marker is damaged is left to `avreplay verify`."""
    found = [f"shards/{name}" for name in _folders(place, "shards") if _SHARD.fullmatch(name)]
    for name in _folders(place, "vocabularies"):
        found += [f"vocabularies/{name}/scores", f"vocabularies/{name}"]
    found.append(REFERENCE_GROUP)
    out = [group for group in found if _lacks_marker(place, group)]
    for name in _folders(place, SCORE_SETS_FOLDER):
        folder = f"{SCORE_SETS_FOLDER}/{name}"
        try:
            attributes = place.attributes(folder)
        except DataError:
            continue
        if FOLDER_NAME.fullmatch(name) and attributes is None:
            out.append(folder)
        elif attributes is not None and isinstance(current := attributes.get("current"), str):
            # of an earlier set, which was replaced, or of one that was not finished
            out += [f"{folder}/{key}" for key in _folders(place, folder) if key != current]
    return out


def _lacks_marker(place: Location, group: str) -> bool:
    try:
        return os.path.isdir(os.path.join(place.path, group)) and place.marker(group) is None
    except DataError:
        return False


def _folders(place: Location, name: str) -> list[str]:
    return [entry for entry, is_folder in place.entries(name) if is_folder]


def _remove_empty(root: str, keep: tuple[str, ...]) -> None:
    folders = [os.path.join(root, name) for name in sorted(os.listdir(root)) if name not in keep]
    folders = [folder for folder in folders if os.path.isdir(folder) and not os.path.islink(folder)]
    for folder in folders:  # which grows
        folders += [entry.path for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    for folder in reversed(folders):
        if not os.listdir(folder):
            os.rmdir(folder)
