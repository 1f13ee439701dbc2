"""Who may write a store: one process the whole of it, or several processes a part each.

On a local folder the operating system's locks say so (:mod:`.local_locks`), on a server with conditional writes a lease
(:mod:`.lease`). On other filesystems nothing can exclude a second writer: that is said first, in a line of the log.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from ...core.errors import UsageError
from .local_files import LocalFiles
from .place import Place

_log = logging.getLogger("avreplay")


class Lock(Protocol):
    """The right to write a store or a part of it, until it is closed."""

    def changing_shared(self) -> AbstractContextManager[None]:
        """Held while changing what the parts share: the plan, the vocabulary, the scores."""

    def close(self) -> None:
        """Give the right back."""


class NoLock:
    """What stands for a lock where a filesystem cannot exclude a second writer."""

    @contextmanager
    def changing_shared(self) -> Iterator[None]:
        """Nothing is held."""
        yield

    def close(self) -> None:
        """Nothing is held."""


def _nothing() -> None:
    pass


def take_lock(place: Place, part: tuple[int, int] | None = None, when_alone: Callable[[], None] = _nothing) -> Lock:
    """The right to write a store, or part i of n of it, for :func:`release_lock`.

    ``when_alone`` is called by the first of the writers of parts in a folder, while no other one writes.

    Raises
    ------
    DataError
        another process writes the store, the same part, or a part of another number of parts; a server that does not
        answer
    UsageError
        a filesystem that only reads; parts on one without conditional writes
    """
    place.address.check_writable()
    if isinstance(place.storage, LocalFiles):
        from .local_locks import FolderLock, PartLock

        return FolderLock(place) if part is None else PartLock(place, part, when_alone)
    from .lease import Lease

    try:
        lease = Lease.take(place, place.storage, part)
    finally:
        place.refresh()  # others may have written until now
    if lease is not None:
        return lease
    if part is not None:
        raise UsageError(
            f"{place.url} has no conditional writes, without which several processes cannot write its parts; leave "
            "--shard and --devices out"
        )
    _log.warning(
        f"{place.url} has no conditional writes, so that a second writer cannot be excluded; make sure that only one "
        "process writes there"
    )
    return NoLock()


def release_lock(lock: Lock | None) -> None:
    """Give back the right of :func:`take_lock`."""
    if lock is not None:
        lock.close()
