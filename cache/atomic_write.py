"""Writing a file in one step: a reader sees the old content or the new one, never a part of it."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TextIO

from .places import cannot_write, output_file

PARTIAL = ".partial"
"""Suffix of files that are not yet written completely. Zarr uses the same one, so that one rule finds them all."""

_GATHERED = 1 << 20
"""Bytes that are written at once: Linux keeps them in large pages, from which the file is later read 1.6 times as fast
as one that was written row by row."""


def atomic_write(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file through a temporary one in the same folder, which then takes its name.

    Raises: as :func:`atomic_file`.
    """
    with atomic_file(path) as file:
        file.write(content)


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A new file to write bytes into; it takes the place of ``path`` at the end of the block, unless that raises.

    A link is followed: the file that it leads to is replaced.

    Raises
    ------
    UsageError
        a path that can be no file's
    DataError
        the folder does not exist, something other than a file lies there, or the file cannot be written
    """
    target = output_file(path)
    try:
        with replacing_file_of(target) as file:
            yield file
    except OSError as error:
        raise cannot_write(path, error) from None


@contextmanager
def atomic_text(path: str | os.PathLike[str]) -> Iterator[TextIO]:
    """As :func:`atomic_file`, for UTF-8 text; line ends are written as they are given."""
    with atomic_file(path) as file:
        text = io.TextIOWrapper(file, "utf-8", newline="")
        try:
            yield text
        finally:
            text.detach()  # writes what is left


def replace_file(path: str | os.PathLike[str], content: bytes) -> None:
    """As :func:`atomic_write`, with the OSError of the system for callers that have an error of their own."""
    with replacing_file_of(path) as file:
        file.write(content)


@contextmanager
def replacing_file_of(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """As :func:`atomic_file`, with the OSError of the system for callers that have an error of their own."""
    target = os.fspath(path)
    folder, name = os.path.split(target)
    begin = f".{name[:40]}."
    _remove_abandoned(folder, begin)
    file, partial = _new_file(folder, begin)
    try:
        with file:
            yield file
            file.flush()
            os.replace(partial, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(partial)
        raise


def _new_file(folder: str, begin: str) -> tuple[BinaryIO, str]:
    """A new temporary file, locked while it is open, by which others know that its writer lives."""
    while True:
        partial = os.path.join(folder, f"{begin}{secrets.token_hex(4)}{PARTIAL}")
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with contextlib.suppress(OSError):  # a filesystem without locks: nobody will remove it, either
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(handle).st_nlink:
            return open(handle, "wb", buffering=_GATHERED), partial
        os.close(handle)  # another process took it for abandoned before it was locked


def _remove_abandoned(folder: str, begin: str) -> None:
    """Remove the temporary files of writers of the same name that were killed."""
    pattern = re.compile(re.escape(begin) + "[0-9a-f]{8}" + re.escape(PARTIAL))
    with contextlib.suppress(OSError):  # a folder that cannot be listed can still be written
        for entry in [e.path for e in os.scandir(folder or ".") if pattern.fullmatch(e.name)]:
            _remove_if_abandoned(entry)


def _remove_if_abandoned(path: str) -> None:
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.remove(path)
        finally:
            os.close(handle)
