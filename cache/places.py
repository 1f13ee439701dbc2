"""Places to write to: which ones cannot be, found before any work is done, and the sentences that say why."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable

from ..core.errors import DataError, UsageError

_READ_ONLY = "choose a place that this user can write"
_NO_ROOM = "make room, or choose another place"
_ROOT_BYTES = 1 << 16
"""Bytes of a zarr.json in which a root that this package wrote has named its format."""

_MENDS = {
    errno.ENOENT: "choose a folder that exists",
    errno.ENOTDIR: "choose a folder that exists",
    errno.EEXIST: "choose another path",
    errno.EISDIR: "choose the path of a file",
    errno.EACCES: _READ_ONLY,
    errno.EPERM: _READ_ONLY,
    errno.EROFS: _READ_ONLY,
    errno.ENOSPC: _NO_ROOM,
    errno.EDQUOT: _NO_ROOM,
    errno.EFBIG: _NO_ROOM,
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "it is a circle of links; choose another path",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "close other programs: the system has too many files open",
    errno.EIO: "the disk may be failing; choose another place",
    errno.EXDEV: "this file system does not move files; choose another place",
}
_AGAIN = {
    _NO_ROOM: "run the same command again when there is room",
    _READ_ONLY: "run the same command again when this user can write there",
}
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a link",
    stat.S_IFREG: "a file",
}


def kind_of(mode: int) -> str:
    """What lies at a path, in words, by its ``st_mode``."""
    return _KINDS.get(stat.S_IFMT(mode), "neither a file nor a folder")


def cannot_write(path: str | os.PathLike[str], error: OSError) -> DataError:
    """The sentence for a file or folder that the system does not let be written."""
    mend = _MENDS.get(error.errno or 0, "choose another path")
    return DataError(f"cannot write {os.fspath(path)}: {error.strerror or error}; {mend}")


def store_not_written(url: str, error: OSError) -> DataError:
    """The sentence for a store whose writing the system refused; what is committed in it stays."""
    mend = _MENDS.get(error.errno or 0, "choose another place")
    return DataError(
        f"{url} cannot be written: {error.strerror or error}; what was committed is kept, {_AGAIN.get(mend, mend)}"
        + ("" if mend in _AGAIN else ", and run the same command again")
    )


def check_path(path: str | os.PathLike[str], what: str) -> str:
    """The path as text. Raises: UsageError for one that names nothing: an empty one, or one with a NUL."""
    name = os.fspath(path)
    if not name.strip() or "\0" in name:
        raise UsageError(f"{name!r} cannot be the path of {what}; give a path")
    return name


def output_file(path: str | os.PathLike[str]) -> str:
    """The file that writing to a path makes or replaces; links are followed.

    Raises
    ------
    UsageError
        a path that can be no file's
    DataError
        a folder, a pipe, a device or a socket; a folder that does not exist or cannot be written
    """
    name = check_path(path, "a file to write")
    target = os.path.realpath(name)
    try:
        mode: int | None = os.stat(target).st_mode
    except FileNotFoundError:
        mode = None
    except OSError as error:
        raise cannot_write(name, error) from None
    if mode is not None and not stat.S_ISREG(mode):
        raise DataError(f"cannot write {name}: it is {kind_of(mode)}; give the path of a file")
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise cannot_write(name, FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)))
    if name.endswith("/"):
        raise DataError(f"cannot write {name}: it ends as the path of a folder; give the path of a file")
    refuse_in_store(name, folder)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise cannot_write(name, _why_not(folder))
    return target


def check_outputs(*paths: str | os.PathLike[str] | None, inputs: Iterable[str | os.PathLike[str] | None] = ()) -> None:
    """Raise what :func:`atomic_write` would raise for files that are written after the work; None for no file.

    ``inputs`` are the files that the same command reads.

    Raises: as :func:`output_file`; UsageError for the same file twice, or one of the inputs.
    """
    targets = [output_file(p) for p in paths if p is not None]
    read = {os.path.realpath(p) for p in inputs if p is not None and os.fspath(p)}
    for k, target in enumerate(targets):
        if target in targets[:k]:
            raise UsageError(f"{target} is to be written twice; give each output a file of its own")
        if target in read:
            raise UsageError(f"{target} is read by the same command; give the output another path")


def refuse_in_store(name: str, folder: str | os.PathLike[str]) -> None:
    """Raises: DataError where a folder is one of a store, or lies in one: nothing but the store itself writes there."""
    here = os.path.realpath(folder)
    while True:
        root = os.path.join(here, "zarr.json")
        if os.path.isfile(root) and _is_store_root(root):
            raise DataError(f"cannot write {name}: it lies in the store {here}; choose a place outside of it")
        above = os.path.dirname(here)
        if above == here:
            return
        here = above


def _is_store_root(path: str) -> bool:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return b'"avreplay.store"' in file.read(_ROOT_BYTES)
    return False


def output_folder(path: str | os.PathLike[str], what: str, *, of_store: bool = False) -> str:
    """The path of a folder that is to be made, or written into; nothing is made. ``of_store``: it may lie in a store.

    Raises
    ------
    UsageError
        a path that can be no folder's
    DataError
        a file, a pipe or the like in its place or in that of a folder above it, or a place that cannot be written
    """
    name = check_path(path, what)
    here = os.path.abspath(name)
    try:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.lstat(here)  # a name that the system does not take is told below
        while not os.path.lexists(here):
            here = os.path.dirname(here)
        mode = os.stat(here).st_mode
    except FileNotFoundError:
        raise DataError(f"cannot write {name}: {here} is a link that leads nowhere; choose another path") from None
    except OSError as error:
        raise cannot_write(name, error) from None
    if not stat.S_ISDIR(mode):
        raise DataError(f"cannot write {name}: {here} is {kind_of(mode)} and no folder; choose another path")
    if not of_store:
        refuse_in_store(name, here)
    if not os.access(here, os.W_OK | os.X_OK):
        raise cannot_write(name, _why_not(here))
    return name


def make_folder(path: str | os.PathLike[str], what: str) -> None:
    """Make a folder and those above it. Raises: as :func:`output_folder`."""
    output_folder(path, what)
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from None


def _why_not(folder: str) -> OSError:
    number = errno.EROFS if os.statvfs(folder).f_flag & os.ST_RDONLY else errno.EACCES
    return OSError(number, os.strerror(number))
