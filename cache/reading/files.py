"""The bytes and the text of a file from outside: regular files only, of a stated size at most, UTF-8 only, gzipped or
not."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from ...core.errors import DataError, shown
from ..places import kind_of
from .gzip_file import is_packed, unpacked

MIB = 1 << 20

_SYSTEM = {
    errno.ENOENT: "there is no {what} {path}; check the path",
    errno.ENOTDIR: "there is no {what} {path}; check the path",
    errno.EACCES: "the {what} {path} may not be read by this user; change its permissions",
    errno.EPERM: "the {what} {path} may not be read by this user; change its permissions",
    errno.ENAMETOOLONG: "the path of the {what} is too long: {path}",
    errno.ELOOP: "the {what} {path} is a circle of links; give the file itself",
    errno.ENOMEM: "memory ran out while the {what} {path} was read; end other programs, or take a machine with more",
    errno.EMFILE: "too many files are open to read the {what} {path}; raise the limit (ulimit -n)",
    errno.ENFILE: "too many files are open to read the {what} {path}; close other programs",
}


ROOT_FILE = "zarr.json"
"""In a folder, what makes it a store, or another group of Zarr."""

_MENDS = {
    "predictions file": "give a file that `avreplay replay STORE --out FILE` wrote",
    "trace": "give a file that `avreplay replay STORE --trace FILE` wrote",
}


def named(path: str | os.PathLike[str]) -> str:
    """A path or a name for a message: as it is, or quoted where it holds what is not printed, such as line ends."""
    name = os.fspath(path)
    return name if name.isprintable() else repr(name)


@contextmanager
def open_regular(path: str | os.PathLike[str], what: str) -> Iterator[BinaryIO]:
    """A regular file, opened for reading bytes; ``what`` is it in messages, such as ``alias file``.

    A pipe or a device would block or never end, so they are refused before anything is read.

    Raises: DataError where there is no such file, it is no regular file, or the system refuses to read it.
    """
    name = os.fspath(path)
    if not name or "\0" in name:
        raise DataError(f"{shown(name)} cannot be a path; give the path of the {what}")
    try:
        handle = os.open(name, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError) as error:
        raise system_error(error, name, what) from None
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        raise DataError(f"{named(name)} is {_found(name, mode)}, and no {what}; {_MENDS.get(what, 'give a file')}")
    with open(handle, "rb") as file:
        try:
            yield file
        except OSError as error:
            raise system_error(error, name, what) from None


def _found(path: str, mode: int) -> str:
    return "a store" if os.path.isfile(os.path.join(path, ROOT_FILE)) else kind_of(mode)


def system_error(error: OSError | ValueError, path: str, what: str) -> DataError:
    """The sentence for a file that the system does not open or read."""
    number = error.errno if isinstance(error, OSError) else None
    known = _SYSTEM.get(number or 0)
    if known is not None:
        return DataError(known.format(what=what, path=named(path)))
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return DataError(f"the {what} {named(path)} cannot be read: {reason}")


def read_bytes(path: str | os.PathLike[str], what: str, most: int) -> bytes:
    """The content of a regular file of at most ``most`` bytes. Raises: DataError as :func:`open_regular`, or larger."""
    with open_regular(path, what) as file:
        content = file.read(most + 1) if os.fstat(file.fileno()).st_size <= most else None
    if content is None or len(content) > most:
        raise DataError(f"{named(path)} is larger than {most / MIB:g} MiB, the most for one {what}")
    return content


def read_content(path: str | os.PathLike[str], what: str, most: int) -> bytes:
    """The content of a regular file of at most ``most`` bytes, unpacked where that or the name says that it is gzip.

    Raises: DataError as :func:`read_bytes` and :func:`.gzip_file.unpacked`.
    """
    content = read_bytes(path, what, most)
    return unpacked(content, named(path), what, most) if is_packed(content, path) else content


def read_text(path: str | os.PathLike[str], what: str, most: int) -> str:
    """The text of a UTF-8 file of at most ``most`` bytes, gzipped or not, without a byte order mark.

    Raises: DataError as :func:`read_content`, and for bytes that are not UTF-8 (the message gives the line).
    """
    return decode_text(read_content(path, what, most), named(path))


def decode_text(content: bytes, where: str) -> str:
    """Bytes as UTF-8 text, without a byte order mark. Raises: DataError with the line."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{where}, line {line}: the byte 0x{content[error.start]:02x} is not UTF-8 text; save the file as UTF-8"
        ) from None


def lines_of(text: str) -> list[str]:
    """The lines of a text, ended as Unix, Windows or old Macs do; other separators of Unicode are part of a line."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
