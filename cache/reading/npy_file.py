"""A ``.npy`` file from outside, read without pickles: its header first, then whole or some of its first rows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from .arrays import bytes_of, human, new_array, refuse_bad_values
from .files import named, open_regular
from .npz_file import read_header


class NpyFile:
    """An open ``.npy`` file; made by :func:`open_npy`.

    Attributes
    ----------
    path : of the file
    shape, dtype : of its array; the bytes of as many values are there
    """

    def __init__(self, file: BinaryIO, path: str) -> None:
        self.path: str = path
        self._file = file
        self.left: int = os.fstat(file.fileno()).st_size
        self.shape: tuple[int, ...]
        self.dtype: np.dtype[Any]
        self.shape, self._fortran, self.dtype = read_header(self, path)
        size = bytes_of(self.shape, self.dtype, path)
        if size != self.left:
            raise DataError(
                f"{path} declares {human(size)} ({self.dtype}, shape {self.shape}) and {human(self.left)} of it are "
                "there; the file is damaged, save it again"
            )
        if self.dtype.itemsize == 0 and 0 not in self.shape:
            raise DataError(f"{path} holds nothing but empty text; save it again")
        self._begin = file.tell()

    def take(self, count: int) -> bytes:
        """The next bytes of the header. Raises: DataError where there are not as many."""
        found = self._file.read(count)
        if len(found) < count:
            raise DataError(f"{self.path} ends within its header; the file is damaged, save it again")
        self.left -= count
        return found

    def read(self) -> NDArray[Any]:
        """The array, with the dtype and the byte order it has in the file. Raises: DataError where it is damaged."""
        array = self._filled(self.shape[::-1] if self._fortran else self.shape, 0)
        return array.T if self._fortran else array

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """The rows ``start`` to ``stop`` of the first axis.

        Raises: DataError where it is damaged, or its first axis varies fastest, so that rows do not lie together.
        """
        if self._fortran and len(self.shape) > 1:
            raise DataError(f"{self.path} is in Fortran order; save numpy.ascontiguousarray of it")
        row = bytes_of(self.shape[1:], self.dtype, self.path)
        return self._filled((stop - start, *self.shape[1:]), start * row)

    def _filled(self, shape: tuple[int, ...], offset: int) -> NDArray[Any]:
        array = new_array(shape, self.dtype, self.path)
        if array.nbytes:
            self._file.seek(self._begin + offset)
            target = memoryview(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
            done = 0
            while done < len(target):
                count = self._file.readinto(target[done:])  # type: ignore[attr-defined]
                if not count:
                    raise DataError(f"{self.path} is cut short; save it again")
                done += count
        refuse_bad_values(array, self.path)
        return array


@contextmanager
def open_npy(path: str | os.PathLike[str], what: str) -> Iterator[NpyFile]:
    """A ``.npy`` file, open for reading; ``what`` names the kind of file in messages.

    Raises: DataError as :func:`.files.open_regular`, and where it is no such file, damaged, or of pickled objects.
    """
    with open_regular(path, what) as file:
        yield NpyFile(file, named(path))
