"""Where a new store may begin, and how its beginning is undone where it is refused."""

from __future__ import annotations

import contextlib
import os

from ...core.errors import AvreplayError, DataError
from ..atomic_write import PARTIAL
from ..places import kind_of, output_folder
from .location import Location
from .root import writable_root
from .root_writer import Around, store_around
from .schema import INNER_STORES_FOLDER


class Beginning:
    """What :func:`prepare_root` did for a store that is not there yet; nothing for one that is."""

    def __init__(self, place: Location) -> None:
        self._place = place
        self._made: list[str] = []
        self._around: Around | None = None

    def undo(self, *, also_root: bool = False) -> None:
        """Remove what was made, as far as nothing came into it; with ``also_root`` the root and its groups, too.

        The caller holds the lock.
        """
        with contextlib.suppress(OSError, AvreplayError):
            if also_root:
                for name, _ in sorted(self._place.entries(), key=lambda entry: entry[0] == "zarr.json"):
                    self._place.remove(name)  # the root last: until then it is a store
        for folder in reversed(self._made):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        with contextlib.suppress(AvreplayError):
            if self._around is not None and self._place.attributes(any_version=True) is None:
                self._around.forget()

    def make(self) -> None:
        """Make the folder, known to the store around it first. Raises: DataError where it cannot be made."""
        around = store_around(self._place)
        if around is not None and self._place.attributes(any_version=True) is None:
            around.begin()
            self._around = around
        if not self._place.is_local:
            return
        here = self._place.path
        while not os.path.lexists(here):
            self._made.insert(0, here)
            here = os.path.dirname(here)
        with self._place.changing():
            try:
                os.makedirs(self._place.path, exist_ok=True)
            except OSError:
                self.undo()
                raise


def prepare_root(place: Location) -> Beginning:
    """Make the folder of a new store, or check that the one at this place can be opened.

    Raises: DataError for a file, a folder that holds anything but a store or an interrupted beginning of one, and a
    place that cannot be written.
    """
    check_root(place)
    beginning = Beginning(place)
    beginning.make()
    return beginning


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
