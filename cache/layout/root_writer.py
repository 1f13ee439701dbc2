"""Writing the root of a store, and the list of inner stores in the root of the store around them.

The root's ``inner`` names each store inside the store: with the seal of its root when it is finished, with null from
before anything in it is changed until then. So the removal, exchange or addition of an inner store is noticed, and a
writer that is killed at any moment leaves null or the right seal. Its writers change that list and nothing else of the
outer root; writers of the outer store change all else. Each reads the root, changes it and replaces it while the other
cannot: under a lock on the file, or on a server by conditional writes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ...core.errors import Changed, DataError
from ..storage.local_locks import replacing_file
from .group_file import seal
from .location import Location
from .root import root_attributes
from .schema import FOLDER_NAME, INNER_STORES_FOLDER

_ATTEMPTS = 20
"""Times that a root is read and written anew because another process was quicker."""


class Around:
    """The list of inner stores of the store around a place, as far as it speaks of the store at that place.

    place : of the inner store
    outer : of the store around it
    name : of the inner store
    """

    def __init__(self, place: Location, outer: Location, name: str) -> None:
        self._place = place
        self._outer = outer
        self._name = name
        self._before: dict[str, str | None] = {}
        self._known = True
        """Whether the outer root has just been read."""

    def begin(self) -> None:
        """Before the inner store is changed: it is not finished.

        Raises: DataError where it is another one than the outer store names.
        """
        now = self._place.attributes(any_version=True)

        def change(inner: dict[str, str | None]) -> None:
            self._before = {k: v for k, v in inner.items() if k == self._name}
            if now is not None:
                self._refuse_another(inner, now)
            inner[self._name] = None

        self._change(change)

    def finish(self, root: Mapping[str, Any]) -> None:
        """After the inner store is finished: ``root`` are the attributes of its root.

        Raises: DataError where it is another one than the outer store names.
        """

        def change(inner: dict[str, str | None]) -> None:
            self._refuse_another(inner, root)
            inner[self._name] = seal("", root)

        self._change(change)

    def forget(self) -> None:
        """Take :meth:`begin` back: nothing was written."""

        def change(inner: dict[str, str | None]) -> None:
            del inner[self._name]
            inner.update(self._before)

        self._change(change)

    def _refuse_another(self, inner: Mapping[str, str | None], root: Mapping[str, Any]) -> None:
        if inner.get(self._name, "") not in (None, seal("", root)):
            raise DataError(
                f"{self._place.url} is not the store that was written into {self._outer.url} last; "
                f"`avreplay verify {self._outer.url}` says what to do"
            )

    def _change(self, change: Callable[[dict[str, str | None]], None]) -> None:
        for attempt in range(_ATTEMPTS):
            if not self._known:
                self._outer.refresh()
            self._known = False
            try:
                with _root_lock(self._outer):
                    root = root_attributes(self._outer)
                    inner = dict(root["inner"])
                    change(inner)
                    if inner != root["inner"]:
                        root["inner"] = dict(sorted(inner.items()))
                        self._outer.set_attributes("", root)
                return
            except Changed:
                if attempt == _ATTEMPTS - 1:
                    raise


def store_around(place: Location) -> Around | None:
    """The list of the store that an inner store lies in; None where it lies in none, or in one that keeps no list."""
    url = os.path.realpath(place.path) if place.is_local else place.url
    head, _, name = url.rpartition("/")
    outer, _, folder = head.rpartition("/")
    if folder != INNER_STORES_FOLDER or not outer or not FOLDER_NAME.fullmatch(name):
        return None
    around = Location(outer)
    try:
        root = root_attributes(around)
    except DataError:
        return None
    if root.get("inner") is None or store_around(around) is not None:  # an inner store has no inner stores
        return None
    return Around(place, around, name)


def write_root(place: Location, root: dict[str, Any]) -> None:
    """Write the attributes of a root, with the list of inner stores that is there by now.

    The caller holds the lock of the root. Raises: Changed where another process has written more than that list.
    """
    around = store_around(place)
    if around is not None:
        around.begin()
    for attempt in range(_ATTEMPTS):
        with _root_lock(place):
            known = place.attributes(any_version=True) if "seal" in root else None
            if known is not None and "inner" in known:
                root["inner"] = known["inner"]
            try:
                place.set_attributes("", root)
                break
            except Changed:
                place.refresh()
                now = place.attributes(any_version=True)
                if known is None or now is None or _own(now) != _own(known) or attempt == _ATTEMPTS - 1:
                    raise
    if around is not None and root["ledger"] is not None:
        around.finish(root)


def _own(root: Mapping[str, Any]) -> dict[str, Any]:
    """What the store's own writers write."""
    return {key: value for key, value in root.items() if key not in ("inner", "seal")}


def _root_lock(place: Location) -> AbstractContextManager[None]:
    return replacing_file(place, "zarr.json") if place.is_local else nullcontext()
