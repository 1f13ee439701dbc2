"""Writing a trace block by block: an ``.npz`` with the bytes that :meth:`avreplay.ReplayResult.save_trace` writes.

An ``.npz`` holds one array after the other, and a block has some rows of each: they wait in files without a name beside
the trace, which are gone when the process ends, however it ends.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ...cache.atomic_write import atomic_file
from ...cache.places import cannot_write, output_file

_STARTS, _MADE_FROM = "candidates_starts", "made_from"


class TraceWriter:
    """Takes the arrays of a trace (:meth:`avreplay.ReplayResult.trace_arrays`) of consecutive videos, in order. Made by
    :func:`trace_writer`."""

    def __init__(self, path: str | os.PathLike[str], whole: Mapping[str, NDArray[Any]], files: ExitStack) -> None:
        self._path, self._whole, self._files = path, dict(whole), files
        self._rows: dict[str, _Rows] = {}
        self._candidates = 0

    def write(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep the rows of the next videos. Raises: DataError where the disk does not hold them."""
        try:
            for name, array in arrays.items():
                if name == _MADE_FROM:
                    self._whole[name] = array
                elif name == _STARTS:
                    self._add(name, array[name in self._rows :] + self._candidates)
                    self._candidates += int(array[-1])
                elif name not in self._whole:
                    self._add(name, array)
        except OSError as error:
            raise cannot_write(self._path, error) from None

    def _add(self, name: str, array: NDArray[Any]) -> None:
        if name not in self._rows:
            folder = os.path.dirname(output_file(self._path))
            file = self._files.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115  (the stack closes it)
            self._rows[name] = _Rows(file, array.dtype, array.shape[1:])
        self._rows[name].add(array)

    def finish(self, file: IO[bytes]) -> None:
        """Put all arrays into one file, in the order in which :func:`numpy.savez` has them."""
        names = [n for n in self._whole if n != _MADE_FROM] + list(self._rows) + [_MADE_FROM]
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for name in names if _MADE_FROM in self._whole else names[:-1]:
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    if name in self._whole:
                        np.lib.format.write_array(member, self._whole[name], allow_pickle=False)
                    else:
                        self._rows[name].copy_to(member)


class _Rows:
    """The rows of one array so far, in a file."""

    def __init__(self, file: IO[bytes], dtype: np.dtype[Any], tail: tuple[int, ...]) -> None:
        self._file, self._dtype, self._tail = file, dtype, tail
        self._count = 0

    def add(self, array: NDArray[Any]) -> None:
        self._file.write(np.ascontiguousarray(array).data)
        self._count += len(array)

    def copy_to(self, member: IO[bytes]) -> None:
        head = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self._count, *self._tail),
        }
        np.lib.format.write_array_header_1_0(member, head)
        self._file.seek(0)
        shutil.copyfileobj(self._file, member, 1 << 20)


@contextmanager
def trace_writer(path: str | os.PathLike[str], whole: Mapping[str, NDArray[Any]]) -> Iterator[TraceWriter]:
    """A writer of a trace, which takes its place at the end of the block.

    whole : the arrays that are known of all videos: ``video_ids``, ``labels``, ``segments_per_video``

    Raises: as :func:`..cache.atomic_write.atomic_file`.
    """
    with ExitStack() as files:
        writer = TraceWriter(path, whole, files)
        yield writer
        with atomic_file(path) as file:
            writer.finish(file)
