"""Checking that a store is what was written, as ``avreplay verify`` does: every byte, every attribute, every group.

Of a store of version 2 that a writer has finished, any change, removal or exchange of a file is found. What cannot be
checked, in an older or an unfinished store, is said.
"""

from __future__ import annotations

import os

from ..core.errors import DataError
from .layout.group_file import MOST
from .layout.location import Location
from .problems import Problem, Verification
from .several import one_place
from .verify_groups import Check

_ATTEMPTS = 3


def verify_store(url: str | os.PathLike[str]) -> list[Problem]:
    """:func:`check_store`, only its problems: an empty list means that nothing that could be checked is damaged."""
    return list(check_store(url).problems)


def check_store(url: str | os.PathLike[str]) -> Verification:
    """Hash every file of a store, and of the stores inside it, and compare them, their attributes and their list with
    what was written.

    Raises
    ------
    DataError
        there is no store that can be opened, its root is damaged, or another process goes on writing it
    UsageError
        a pattern or list of stores
    """
    for _ in range(_ATTEMPTS):
        place = one_place(url)
        check = Check(place, check_store)
        check.run()
        if Location(url).content("zarr.json", MOST) == check.root_bytes:
            return Verification(place.url, check.root["schema_version"], tuple(check.problems), tuple(check.unchecked))
    raise DataError(f"{os.fspath(url)} was changed while it was checked; check it again when its writer has finished")
