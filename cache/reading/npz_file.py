"""Arrays of an ``.npz`` file from outside, read without pickles and without NumPy's own parser of headers.

The directory of the archive is read by `zipfile`. Headers of arrays are matched with a regular expression; what they
declare is compared with the bytes that are there before memory is taken, and the bytes go straight into the array.
"""

from __future__ import annotations

import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from .arrays import FREE, RATIO, bytes_of, human, missing_array, new_array, plain_dtype, refuse_bad_values
from .files import open_regular

MAGIC = b"\x93NUMPY"
_MAX_HEADER = 10_000
_BLOCK = 1 << 20
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_ENCRYPTED_OR_PATCHED = 0x1 | 0x20 | 0x40
_UNPACKED_MOST = 1032
"""How many bytes deflate makes of one at most."""

_NUMBER = r"(?:0|[1-9]\d{0,18})L?"
_VALUES = {
    "descr": r"(?:'(?P<descr>[^'\"\\]{1,32})'|\"(?P<descr2>[^'\"\\]{1,32})\"|(?P<fields>\[.*\]))",
    "fortran_order": "(?P<fortran>True|False)",
    "shape": rf"\(\s*(?P<shape>(?:{_NUMBER}\s*,\s*(?:{_NUMBER}\s*(?:,\s*{_NUMBER}\s*)*,?)?)?)\s*\)",
}
_ITEM = re.compile(
    r"\s*(?:" + "|".join(rf"(?:'{key}'|\"{key}\")\s*:\s*{value}" for key, value in _VALUES.items()) + r")\s*(?:,|\Z)",
    re.DOTALL,
)


class NpzFile:
    """An open ``.npz`` file; made by :func:`open_npz`.

    Attributes
    ----------
    path : of the file
    names : of its arrays, in the order of the archive
    """

    def __init__(self, file: BinaryIO, path: str) -> None:
        self.path = path
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self._members = self._directory()
        self.names: tuple[str, ...] = tuple(self._members)
        self._unpacked: dict[str, int] = {}

    @property
    def unpacked_size(self) -> int:
        """The bytes of all arrays, as the directory of the archive declares them."""
        return sum(info.file_size for info in self._members.values())

    def read(self, name: str) -> NDArray[Any]:
        """An array, with the dtype and the byte order it has in the file.

        Raises: DataError where there is none of this name, it is damaged, or it is not of plain numbers or text.
        """
        where = f"{name} in {self.path}"
        member, (shape, fortran, dtype), size = self._begun(name, where)
        array = new_array(shape[::-1] if fortran else shape, dtype, where)
        if size:
            member.fill(memoryview(array.reshape(-1).view(np.uint8)))  # type: ignore[arg-type]
        member.finish()
        refuse_bad_values(array, where)
        return array.T if fortran else array

    def rows(self, name: str) -> MemberRows:
        """An array whose rows are read from front to back, and nothing else meanwhile. Raises: as :meth:`read`."""
        where = f"{name} in {self.path}"
        member, header, _ = self._begun(name, where)
        return MemberRows(member, *header, where)

    def _begun(self, name: str, where: str) -> tuple[_Member, tuple[tuple[int, ...], bool, np.dtype[Any]], int]:
        """A member after its header, what that says, and the bytes that follow."""
        if name not in self._members:
            raise missing_array(self.path, name, self.names)
        member = _Member(self._file, self._members[name], where)
        shape, fortran, dtype = read_header(member, where)
        size = bytes_of(shape, dtype, where)
        if size != member.left:
            raise DataError(
                f"{where} declares {human(size)} ({dtype}, shape {shape}) and {human(member.left)} of it are there; "
                "the file is damaged, save it again"
            )
        if dtype.itemsize == 0 and 0 not in shape:
            raise DataError(f"{where} holds nothing but empty text; save it again")
        if member.packed:
            self._unpacked[name] = size
            if sum(self._unpacked.values()) > max(FREE, RATIO * self._size):
                raise DataError(
                    f"{where} unpacks to {human(size)}, more than {RATIO} times its file; save it with numpy.savez"
                )
        return member, (shape, fortran, dtype), size

    def _directory(self) -> dict[str, zipfile.ZipInfo]:
        """The members of the archive by the names of their arrays."""
        start = self._file.read(len(MAGIC))
        if start == MAGIC:
            raise DataError(f"{self.path} is a single array, not an .npz file; save it with numpy.savez")
        if start[:4] not in (b"PK\x03\x04", b"PK\x05\x06"):
            raise DataError(f"{self.path} is not a readable .npz file (it is no zip); save it with numpy.savez")
        try:
            with zipfile.ZipFile(self._file) as archive:
                listed = archive.infolist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, EOFError, OverflowError, OSError,
                IndexError) as error:  # fmt: skip
            raise DataError(f"{self.path} is not a readable .npz file ({error}); save it with numpy.savez") from None
        members: dict[str, zipfile.ZipInfo] = {}
        end = 0
        for info in sorted(listed, key=lambda info: info.header_offset):
            if info.header_offset < end or info.header_offset + _LOCAL.size + info.compress_size > self._size:
                raise DataError(
                    f"{self.path} is not a readable .npz file (its parts overlap); save it with numpy.savez"
                )
            end = info.header_offset + _LOCAL.size + info.compress_size
        for info in listed:
            name = info.filename.removesuffix(".npy")
            if name in members:
                raise DataError(f"{self.path} has two arrays {name!r}; save it again with numpy.savez")
            # of every member: one that is not read may be a damaged name of one that is looked for
            _seek_bytes(self._file, info, f"{name} in {self.path}")
            members[name] = info
        return members


@contextmanager
def open_npz(path: str | os.PathLike[str], what: str) -> Iterator[NpzFile]:
    """An ``.npz`` file, open for reading; ``what`` names the kind of file in messages, such as ``score bundle``.

    Raises: DataError as :func:`.files.open_regular`, and where it is no such archive.
    """
    with open_regular(path, what) as file:
        yield NpzFile(file, os.fspath(path))


class _Member:
    """The bytes of one member of the archive, unpacked, in order.

    left : how many are left
    """

    def __init__(self, file: BinaryIO, info: zipfile.ZipInfo, where: str) -> None:
        self._file, self._where, self._wanted = file, where, info.CRC
        if info.flag_bits & _ENCRYPTED_OR_PATCHED:
            raise self._damaged("it is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise self._damaged(f"its compression {info.compress_type} is not one of numpy.savez_compressed")
        self.packed = info.compress_type == zipfile.ZIP_DEFLATED
        self.left = info.file_size
        most = info.compress_size * (_UNPACKED_MOST if self.packed else 1)
        if self.left > most or (not self.packed and self.left != most):
            raise self._damaged(f"it declares {human(self.left)} in {human(info.compress_size)}")
        self._packed_left = info.compress_size
        self._engine = zlib.decompressobj(-15)
        self._crc = 0
        _seek_bytes(file, info, where)

    def take(self, count: int) -> bytes:
        """The next bytes. Raises: DataError where there are not as many."""
        if count > self.left:
            raise self._damaged("it ends within its header")
        part = bytearray(count)
        self.fill(memoryview(part))
        return bytes(part)

    def fill(self, target: memoryview) -> None:
        """Put the next bytes into a buffer. Raises: DataError where there are not as many, or they do not unpack."""
        done = 0
        while done < len(target):
            block = target[done : done + _BLOCK]
            count = self._inflate(block) if self.packed else self._copy(block)
            if count == 0:
                raise self._damaged("it is cut short")
            self._crc = zlib.crc32(block[:count], self._crc)
            done += count
        self.left -= done

    def finish(self) -> None:
        """Raises: DataError where something is left, or the checksum is not the archive's."""
        if self.packed and self._inflate(memoryview(bytearray(1))):
            raise self._damaged("it is longer than it declares")
        if self._crc != self._wanted:
            raise self._damaged("its checksum is wrong")

    def _copy(self, target: memoryview) -> int:
        count = self._file.readinto(target[: self._packed_left])  # type: ignore[attr-defined]
        self._packed_left -= count
        return int(count)

    def _inflate(self, target: memoryview) -> int:
        try:
            while not self._engine.eof:
                packed = self._engine.unconsumed_tail
                if not packed and self._packed_left:
                    packed = self._file.read(min(self._packed_left, _BLOCK // 4))
                    self._packed_left = self._packed_left - len(packed) if packed else 0
                found = self._engine.decompress(packed, len(target))
                if found:
                    target[: len(found)] = found
                    return len(found)
                if not packed:
                    break
        except zlib.error as error:
            raise self._damaged(str(error)) from None
        return 0

    def _damaged(self, reason: str) -> DataError:
        return _damaged(self._where, reason)


def _damaged(where: str, reason: str) -> DataError:
    return DataError(f"{where} is damaged: {reason}; save the file again")


def _seek_bytes(file: BinaryIO, info: zipfile.ZipInfo, where: str) -> None:
    """Go to the bytes of a member. Raises: DataError where its place holds another member than the directory says."""
    file.seek(info.header_offset)
    local = file.read(_LOCAL.size)
    if len(local) < _LOCAL.size or local[:4] != b"PK\x03\x04":
        raise _damaged(where, "its place in the archive holds something else")
    *_, name, extra = _LOCAL.unpack(local)
    if file.read(name) != info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437", "replace"):
        raise _damaged(where, "it has two names")
    file.seek(extra, os.SEEK_CUR)


class MemberRows:
    """An array of an archive whose rows are read from front to back.

    Attributes
    ----------
    shape, dtype : of the array
    fortran : whether its first axis varies fastest: its rows are then no pieces of the file
    row_bytes : of one row
    at : the next row
    """

    def __init__(
        self, member: _Member, shape: tuple[int, ...], fortran: bool, dtype: np.dtype[Any], where: str
    ) -> None:
        self._member = member
        self._where = where
        self.shape = shape
        self.fortran: bool = fortran and len(shape) > 1
        self.dtype = dtype
        self.row_bytes: int = math.prod(shape[1:]) * dtype.itemsize
        self.at: int = 0

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Rows from a first on, not before :attr:`at`. The end of the array is checked with its last row.

        Raises: DataError where the file is damaged or too large for the memory.
        """
        left = (first - self.at) * self.row_bytes
        while left:
            left -= len(self._member.take(min(left, _BLOCK)))
        rows = new_array((last - first, *self.shape[1:]), self.dtype, self._where)
        if rows.size:
            self._member.fill(memoryview(rows.reshape(-1).view(np.uint8)))  # type: ignore[arg-type]
        self.at = last
        if last == self.shape[0]:
            self._member.finish()
        return rows


class Bytes(Protocol):
    """Where a header is read from: the next bytes, and how many are left."""

    left: int

    def take(self, count: int) -> bytes: ...


def read_header(member: Bytes, where: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether the first axis varies fastest, and dtype of an array in NumPy's format."""
    start = member.take(min(8, member.left))
    if start[: len(MAGIC)] != MAGIC:
        raise DataError(f"{where} is no array of NumPy; save it with numpy.savez")
    version = start[len(MAGIC)] if len(start) == 8 else 0
    if version not in (1, 2, 3) or start[7]:
        raise DataError(f"{where} is of a version of NumPy's format that is not read; save it with numpy.savez")
    length = int.from_bytes(member.take(2 if version == 1 else 4), "little")
    if length > _MAX_HEADER:
        raise DataError(f"{where} has a header of {length} bytes, which is too long; save it again")
    text = member.take(length).decode("utf-8" if version == 3 else "latin1", "replace")
    text = " ".join(text.split())
    found: dict[str, str] = {}
    at = 1
    while at < len(text) - 1:
        item = _ITEM.match(text, at, len(text) - 1)
        if item is None:
            break
        given = {k: v for k, v in item.groupdict().items() if v is not None}
        if given.keys() & found.keys():
            break
        found |= given
        at = item.end()
    if "fields" in found:
        raise DataError(f"{where} holds a structure; save plain numbers or text")
    dtype = found.get("descr", found.get("descr2"))
    whole = text[:1] == "{" and text[-1:] == "}" and not text[at:-1].strip()
    if dtype is None or not whole or len(found) != 3:
        raise DataError(f"{where} has a damaged header; save the file again")
    shape = tuple(int(n) for n in re.findall(r"\d+", found["shape"]))
    return shape, found["fortran"] == "True", plain_dtype(dtype, where)
