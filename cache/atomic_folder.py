"""Writing a folder of files in one step: it is there with all of them, or as it was before."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable

from ..core.errors import DataError, UsageError
from .atomic_write import PARTIAL
from .places import cannot_write, check_path, output_folder

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def check_new_folder(
    path: str | os.PathLike[str], what: str, is_own: Callable[[str, list[str]], bool], *, overwrite: bool
) -> str:
    """The folder that :func:`atomic_folder` makes at a path, before anything is done; links are followed.

    Parameters
    ----------
    what : it is, in messages, such as ``an export``
    is_own : whether a folder, given its path and entries, was written by the same command, and may be replaced
    overwrite : replace such a folder

    Raises
    ------
    UsageError
        a path that can be no folder's, the folder of an earlier call without ``overwrite``
    DataError
        a place that cannot be written, a folder with other files
    """
    name = check_path(path, f"the folder of {what}")
    target = os.path.realpath(name)
    output_folder(name, f"the folder of {what}")
    try:
        entries = sorted(os.listdir(target))
    except FileNotFoundError:
        entries = []
    except OSError as error:
        raise cannot_write(name, error) from None
    if os.path.ismount(target):
        raise DataError(f"cannot write {name}: it is where a file system begins; give a new folder")
    if entries and not is_own(target, entries):
        raise DataError(f"cannot write {name}: the folder holds other files ({entries[0]}, for one); give a new folder")
    if entries and not overwrite:
        raise UsageError(f"{name} holds {what} already; give another folder, or --overwrite")
    above = os.path.dirname(target)
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    if not os.access(above, os.W_OK | os.X_OK):
        raise cannot_write(name, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    return target


def atomic_folder(target: str, files: Iterable[tuple[str, bytes]]) -> int:
    """Make a folder of files, or replace one: written beside it, it then takes its place; gives the number of files.

    ``target`` is what :func:`check_new_folder` gave, ``files`` are names without folders and contents. What killed
    calls for the same folder left beside it is removed.

    Raises: DataError where it cannot be written; the folder is then as before.
    """
    above, name = os.path.split(target)
    begin = f".{name[:40]}."
    made = [p for p in _folders_above(target) if not os.path.lexists(p)]
    partial, count = "", 0
    try:
        os.makedirs(above, exist_ok=True)
        _remove_abandoned(above, begin)
        partial = os.path.join(above, f"{begin}{secrets.token_hex(4)}{PARTIAL}")
        os.mkdir(partial)
        lock = os.open(partial, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with contextlib.suppress(OSError):  # a filesystem without locks: nobody will remove it, either
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for file, content in files:
                with open(os.path.join(partial, file), "xb") as opened:
                    opened.write(content)
                count += 1
            _take_place(partial, target, f"{partial[: -len(PARTIAL)]}.old{PARTIAL}")
        finally:
            os.close(lock)
    except BaseException as error:
        if partial:
            shutil.rmtree(partial, ignore_errors=True)
        for folder in reversed(made):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        if isinstance(error, OSError):
            raise cannot_write(target, error) from None
        raise
    return count


def _folders_above(target: str) -> list[str]:
    """The folders in which a path lies, the outermost first."""
    found = []
    while (above := os.path.dirname(target)) != target:
        found.append(above)
        target = above
    return found[::-1]


def _take_place(partial: str, target: str, old: str) -> None:
    """Give a folder the name of another, which then goes."""
    try:
        os.rename(partial, target)  # replaces an empty folder, too
        return
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    if exchange(partial, target):
        shutil.rmtree(partial, ignore_errors=True)
        return
    os.rename(target, old)
    try:
        os.rename(partial, target)
    except OSError:
        os.rename(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def exchange(one: str, other: str) -> bool:
    """Exchange two names in one step, as Linux can; False where the system or the file system cannot."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return bool(rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)


def _remove_abandoned(above: str, begin: str) -> None:
    """Remove what killed calls left: folders that were not complete, and replaced ones."""
    pattern = re.compile(re.escape(begin) + r"[0-9a-f]{8}(\.old)?" + re.escape(PARTIAL))
    with contextlib.suppress(OSError):  # a folder that cannot be listed can still be written
        for entry in [e.path for e in os.scandir(above) if pattern.fullmatch(e.name)]:
            with contextlib.suppress(OSError):
                handle = os.open(entry, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(entry, ignore_errors=True)
                finally:
                    os.close(handle)
