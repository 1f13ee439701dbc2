"""Datasets of an HDF5 file from outside, read by a process of its own (:mod:`.hdf5_process`) with limits.

One in a thousand files with a few flipped bytes makes the HDF5 library hang, and older ones crash; here that is one
sentence about the file.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError, UsageError
from ...core.installation import install_command
from .arrays import FREE, RATIO, bytes_of, missing_array, new_array, plain_dtype, refuse_bad_values
from .files import open_regular

SECONDS = 10
"""Of the processor for an answer, beyond what the bytes of an array take: a damaged file may take for ever."""

_SCRIPT = Path(__file__).with_name("hdf5_process.py")
_MAX_LINE = 1 << 20


class Hdf5File:
    """An open HDF5 file; made by :func:`open_hdf5`."""

    def __init__(self, path: str, size: int) -> None:
        self.path = path
        command = [sys.executable, str(_SCRIPT), path, *map(str, (size, FREE, RATIO, SECONDS))]
        places = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "PYTHONSAFEPATH": "1"}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**os.environ, **places, "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip

    def open(self) -> None:
        """Wait until the file is open. Raises: DataError where it is not an HDF5 file."""
        answer = self._answer(self.path)
        if "unreadable" in answer:
            raise DataError(f"{self.path} is not a readable HDF5 file: {answer['unreadable']}; write it again")

    def read(self, name: str) -> NDArray[Any]:
        """The dataset of a name (``group/name`` inside groups); texts are text, whatever their encoding in the file.

        Raises: DataError where there is none, it is damaged or takes its values from other files, or it is not of plain
        numbers or text.
        """
        return self.rows(name)

    def names(self) -> list[str]:
        """The names of all its datasets. Raises: DataError where it is damaged."""
        answer = self._ask(None, None, self.path)
        names: list[str] = []
        while "end" not in answer:
            self._refuse_failed(answer, self.path)
            names += answer["names"]
            answer = self._answer(self.path)
        return names

    def describe(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any] | None]:
        """Shape and dtype of a dataset; None for text. Raises: DataError as :meth:`read`."""
        where = f"{name} in {self.path}"
        answer = self._ask(name, [], where)
        text = answer["dtype"].lstrip("<>|=")[:1] in "OSU"
        return tuple(answer["shape"]), None if text else plain_dtype(answer["dtype"], where)

    def rows(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """A dataset as :meth:`read` gives it, or the rows ``start`` to ``stop`` of its first axis.

        Raises: DataError as :meth:`read`, and for rows that are not there.
        """
        where = f"{name} in {self.path}"
        answer = self._ask(name, None if stop is None else [start, stop], where)
        shape, dtype = tuple(answer["shape"]), plain_dtype(answer["dtype"], where)
        size = bytes_of(shape, dtype, where)
        array = new_array(shape, dtype, where)
        target = memoryview(array.reshape(-1).view(np.uint8)) if size else memoryview(bytearray())  # type: ignore[arg-type]
        done = 0
        while "end" not in (answer := self._answer(where)):
            self._refuse_failed(answer, where)
            stop = done + answer["bytes"]
            if stop > size or self._fill(target[done:stop]) < stop - done:
                raise self._ended(where)
            done = stop
        if done < size:
            raise self._ended(where)
        refuse_bad_values(array, where)
        return array

    def _ask(self, name: str | None, rows: list[int] | None, where: str) -> dict[str, Any]:
        """The first answer to a question for a dataset (None: all names): all, some rows, or what it is (``[]``)."""
        try:
            stdin = cast("IO[bytes]", self._process.stdin)
            stdin.write(json.dumps({"name": name, "rows": rows}).encode() + b"\n")
            stdin.flush()
        except OSError:
            raise self._ended(where) from None
        answer = self._answer(where)
        if name is not None and "names" in answer:
            raise missing_array(self.path, name, answer["names"])
        self._refuse_failed(answer, where)
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # what was asked last was not taken
                cast("IO[bytes]", pipe).close()
        self._process.wait()

    def _answer(self, where: str) -> dict[str, Any]:
        line = cast("IO[bytes]", self._process.stdout).readline(_MAX_LINE)
        if not line.endswith(b"\n"):
            raise self._ended(where)
        return dict(json.loads(line))

    def _fill(self, target: memoryview) -> int:
        return int(cast("IO[bytes]", self._process.stdout).readinto(target))  # type: ignore[attr-defined]

    def _refuse_failed(self, answer: dict[str, Any], where: str) -> None:
        if "refused" in answer:
            raise DataError(f"{where} {answer['refused']}")
        if "damaged" in answer:
            raise DataError(f"{where} is damaged: {answer['damaged']}; write the file again")

    def _ended(self, where: str) -> DataError:
        """The sentence for a process that has ended on its own, or answers what it should not."""
        self._process.kill()
        number = -self._process.wait()
        reason = "reading it takes for ever" if number == getattr(signal, "SIGXCPU", None) else "it crashes its reader"
        return DataError(f"{where} is damaged: {reason}; write the file again")


@contextmanager
def open_hdf5(path: str | os.PathLike[str], what: str) -> Iterator[Hdf5File]:
    """An HDF5 file, open for reading; ``what`` names the kind of file in messages.

    Raises
    ------
    UsageError
        h5py is not installed
    DataError
        as :func:`.files.open_regular`, and where it is no HDF5 file
    """
    if find_spec("h5py") is None:
        raise UsageError(f"reading HDF5 needs h5py: {install_command('hdf5')}")
    with open_regular(path, what) as file:
        size = os.fstat(file.fileno()).st_size
    opened = Hdf5File(os.fspath(path), size)
    try:
        opened.open()
        yield opened
    finally:
        opened.close()
