"""Files with arrays, of every format that embeddings come in: their names, shapes, and some rows of one."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from numpy.typing import NDArray

from ....core.errors import DataError, UsageError
from ...reading.arrays import human
from ...reading.files import named
from ...reading.hdf5_file import Hdf5File, open_hdf5
from ...reading.npy_file import NpyFile, open_npy
from ...reading.npz_file import open_npz
from ...reading.safetensors_file import SafetensorsFile

ReadTensors: TypeAlias = Callable[[Path], Mapping[str, NDArray[Any]]]
"""The arrays of a file of torch by name, a bare tensor under the empty name; such files are read in ``extract/``."""

MOST = 2 << 30
"""Bytes of an array that is read as a whole."""

WHAT = "file of embeddings"


class Arrays(Protocol):
    """An open file with arrays."""

    path: str

    def names(self) -> list[str]: ...

    def shape(self, name: str) -> tuple[int, ...]: ...

    def nbytes(self, name: str) -> int: ...

    def read(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]: ...


class _Npy:
    def __init__(self, file: NpyFile) -> None:
        self._file, self.path = file, file.path

    def names(self) -> list[str]:
        return [""]

    def shape(self, name: str) -> tuple[int, ...]:
        return self._file.shape

    def nbytes(self, name: str) -> int:
        return math.prod(self._file.shape) * self._file.dtype.itemsize

    def read(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        return self._file.read() if stop is None else self._file.rows(start, stop)


class _Hdf5:
    def __init__(self, file: Hdf5File) -> None:
        self._file, self.path = file, file.path

    def names(self) -> list[str]:
        return self._file.names()

    def shape(self, name: str) -> tuple[int, ...]:
        return self._file.describe(name)[0]

    def nbytes(self, name: str) -> int:
        shape, dtype = self._file.describe(name)
        return math.prod(shape) * (1 if dtype is None else dtype.itemsize)

    def read(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        return self._file.rows(name, start, stop)


class _Safetensors:
    def __init__(self, path: Path) -> None:
        self._file = SafetensorsFile(path, WHAT)
        self.path = self._file.path

    def names(self) -> list[str]:
        return list(self._file.tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        tensor = self._file.tensors.get(name)
        return tuple(self._file.rows(name).shape) if tensor is None else tuple(tensor.shape)

    def nbytes(self, name: str) -> int:
        tensor = self._file.tensors.get(name)
        return 0 if tensor is None else tensor.data_offsets[1] - tensor.data_offsets[0]

    def read(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        return self._file.rows(name, start, stop)


class _Held:
    """A file whose arrays are read as a whole: npz, or one of torch."""

    def __init__(self, path: str, names: list[str], read: Callable[[str], NDArray[Any]]) -> None:
        self.path, self._names, self._read = path, names, read
        self._last: tuple[str, NDArray[Any]] | None = None

    def names(self) -> list[str]:
        return self._names

    def shape(self, name: str) -> tuple[int, ...]:
        return self.read(name).shape

    def nbytes(self, name: str) -> int:
        return 0  # it is in memory, and its reader has compared it with its file

    def read(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        if self._last is None or self._last[0] != name:
            self._last = name, self._read(name)
        return self._last[1][start:stop]


@contextmanager
def open_arrays(path: Path, read_tensors: ReadTensors | None) -> Iterator[Arrays]:
    """A file with arrays, open for reading, by its suffix.

    Raises
    ------
    DataError
        a file that is missing, damaged or of no known format
    UsageError
        a package that its format needs is not installed
    """
    suffix = path.suffix.lower()
    if suffix == ".npy":
        with open_npy(path, WHAT) as npy:
            yield _Npy(npy)
    elif suffix == ".npz":
        if os.path.isfile(path) and os.stat(path).st_size > MOST:
            raise DataError(f"{named(path)} is larger than {human(MOST)}; save its arrays as .npy files")
        with open_npz(path, WHAT) as npz:
            yield _Held(named(path), list(npz.names), npz.read)
    elif suffix in (".h5", ".hdf5", ".hdf"):
        with open_hdf5(path, WHAT) as hdf5:
            yield _Hdf5(hdf5)
    elif suffix == ".safetensors":
        yield _Safetensors(path)
    elif suffix in (".pt", ".pth"):
        if read_tensors is None:
            raise UsageError(f"{named(path)} is a file of torch, which avreplay.import_embeddings reads; call that")
        tensors = read_tensors(path)
        yield _Held(named(path), list(tensors), tensors.__getitem__)
    else:
        raise DataError(f"{named(path)} has a suffix of no known format; give an array file, such as .npy or .h5")


def chosen_name(arrays: Arrays, key: str | None) -> str:
    """The array of a file that a mapping means. Raises: DataError where the file has none of this key, or several."""
    names = arrays.names()
    if key is not None and key in names:
        return key
    if key is None and len(names) == 1:
        return names[0]
    has = ", ".join(repr(name) for name in names[:8]) + (f", ... ({len(names)})" if len(names) > 8 else "")
    if key is None:
        raise DataError(f"{arrays.path} holds {has or 'no arrays'}; name one of them as key")
    raise DataError(f"{arrays.path} has no array {key!r}; it holds {has if names != [''] else 'one without a name'}")


def whole_array(arrays: Arrays, name: str) -> NDArray[Any]:
    """An array of numbers. Raises: DataError where it is too large to be one video's, or no numbers."""
    size = arrays.nbytes(name)
    if size > MOST:
        raise DataError(f"{arrays.path} holds {human(size)} of one video, more than {human(MOST)}; divide it")
    return checked_numbers(arrays.read(name), arrays.path)


def checked_numbers(array: NDArray[Any], where: str) -> NDArray[Any]:
    """The array. Raises: DataError where it is no array of whole or floating-point numbers."""
    if array.dtype.kind not in "fiu":
        raise DataError(f"{where} has the dtype {array.dtype}; embeddings are numbers, save them as float32")
    return array
