"""Locks on a store in a local folder.

A writer of the whole store holds an exclusive lock on the store's folder. Writers of parts share that lock, and each
holds one on a file of its own in ``.locks/``; another file there is locked briefly by a writer that changes what the
parts share. The operating
system releases the locks when a process ends, even if it is killed; a file in ``.locks/`` that is not locked has no
meaning.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ...core.errors import DataError
from ..places import store_not_written
from .place import LOCKS_FOLDER, Place

SHARED_SECONDS = 600.0
"""How long to wait, at most, while another part's writer changes what the parts share."""


@contextmanager
def replacing_file(place: Place, name: str) -> Iterator[None]:
    """Held while a file is read, changed and replaced, by one process at a time; nothing where there is no such file.

    The lock is on the file that is replaced: who waited for it looks again which file has the name.

    Raises: DataError where another process holds it for more than :data:`SHARED_SECONDS`.
    """
    end = time.monotonic() + SHARED_SECONDS
    path = Path(place.path, name)
    handle: int | None = None
    while handle is None:
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            break  # what is wrong is told by who reads or writes it
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.stat(path).st_ino == os.fstat(handle).st_ino:
                break
        except BlockingIOError:
            if time.monotonic() > end:
                os.close(handle)
                raise DataError(f"another process blocks the writing of {place.url}; end it, and try again") from None
            time.sleep(0.01)
        except OSError:
            break  # a filesystem without locks
        os.close(handle)
        handle = None
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


class FolderLock:
    """The lock of a writer of the whole store, released by :meth:`close`.

    Raises
    ------
    DataError
        another process writes the store
    """

    def __init__(self, place: Place) -> None:
        self._folder = _lock_folder(place, shared=False)

    @contextmanager
    def changing_shared(self) -> Iterator[None]:
        """Held while changing what belongs to all parts: nobody else writes any."""
        yield

    def close(self) -> None:
        """Release the lock."""
        if self._folder is not None:
            os.close(self._folder)
        self._folder = None


class PartLock:
    """The locks of the writer of part i of n, released by :meth:`close`.

    The first of them calls ``when_alone``.

    Raises
    ------
    DataError
        another process writes the whole store, the same part, or a part of another number of parts
    """

    def __init__(self, place: Place, part: tuple[int, int], when_alone: Callable[[], None]) -> None:
        self._place = place
        self._when_alone = when_alone
        self._name = f"{part[0]}-of-{part[1]}"
        self._folder = _lock_folder(place, shared=True)
        self._own: int | None = None
        try:
            with self.changing_shared():
                self._own = self._take_own(part)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def changing_shared(self) -> Iterator[None]:
        """Held while changing what the parts share: the plan, the vocabulary, the scores.

        Raises: DataError where another process holds it for more than :data:`SHARED_SECONDS`.
        """
        end = time.monotonic() + SHARED_SECONDS
        while (handle := _lock_file(self._place, "shared")) is None:
            if time.monotonic() > end:
                raise DataError(f"another process blocks the writing of {self._place.url}; end it, and try again")
            time.sleep(0.02)
        try:
            yield
        finally:
            _unlock_file(self._place, "shared", handle)

    def _take_own(self, part: tuple[int, int]) -> int:
        folder = Path(self._place.path, LOCKS_FOLDER)
        alone = self._folder is not None
        for name in sorted(os.listdir(folder)):
            count = name.partition("-of-")[2]
            if not count or name == self._name:
                continue
            other = _lock_file(self._place, name)
            if other is not None:
                _unlock_file(self._place, name, other)
                continue
            alone = False
            if count != str(part[1]):
                raise DataError(
                    f"other processes are writing {self._place.url} in {count} parts; divide it into as many here"
                )
        own = _lock_file(self._place, self._name)
        if own is None:
            raise DataError(
                f"another process is writing part {part[0]}/{part[1]} of {self._place.url}; take another part"
            )
        if alone:  # no other part begins while what they share is held
            try:
                self._when_alone()
            except BaseException:
                _unlock_file(self._place, self._name, own)
                raise
        return own

    def close(self) -> None:
        """Release the locks."""
        if self._own is not None:
            _unlock_file(self._place, self._name, self._own)
        self._own = None
        if self._folder is not None:
            os.close(self._folder)
        self._folder = None


def _lock_folder(place: Place, shared: bool) -> int | None:
    """A lock on the store's folder; None where its filesystem has no locks."""
    with place.changing():
        handle = os.open(place.path, os.O_RDONLY)
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise DataError(f"another process is writing {place.url}; wait until it has finished") from None
    except OSError:
        os.close(handle)  # a filesystem without locks
        return None
    if os.fstat(handle).st_nlink == 0:
        os.close(handle)
        raise DataError(f"another process has just removed the empty folder {place.url}; run the same command again")
    return handle


def _lock_file(place: Place, name: str) -> int | None:
    """A lock on a file that still exists once it is locked; None if another process holds it."""
    path = Path(place.path, LOCKS_FOLDER, name)
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:
            continue  # another process has just removed the empty folder
        except OSError as error:
            raise store_not_written(place.url, error) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        except OSError:
            return handle  # a filesystem without locks
        with contextlib.suppress(FileNotFoundError):
            if os.stat(path).st_ino == os.fstat(handle).st_ino:
                return handle
        os.close(handle)  # its last holder removed it after it was opened here


def _unlock_file(place: Place, name: str, handle: int) -> None:
    with contextlib.suppress(OSError):  # a file that stays has no meaning once it is not locked
        os.remove(Path(place.path, LOCKS_FOLDER, name))
    os.close(handle)
    with contextlib.suppress(OSError):
        os.rmdir(Path(place.path, LOCKS_FOLDER))  # fails where it holds the locks of others
