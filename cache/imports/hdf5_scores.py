"""Datasets of an HDF5 file, such as the feature files of AVE (one dataset ``avadataset`` in the order of a list)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError, UsageError
from .missing_array import missing_array


class Hdf5Scores:
    """The datasets of an HDF5 file by name (``group/name`` inside groups). Call :meth:`close` when done.

    Raises
    ------
    UsageError
        h5py is not installed
    DataError
        a file that is missing or not HDF5
    """

    def __init__(self, path: Path) -> None:
        try:
            import h5py
        except ImportError:
            raise UsageError('reading HDF5 needs h5py: pip install "avreplay[hdf5]"') from None
        self.path = path
        self._dataset, self._string = h5py.Dataset, h5py.check_string_dtype
        if not path.is_file():
            raise DataError(f"there is no score file {path}; check the path")
        try:
            self._file = h5py.File(path, "r")
        except OSError as error:
            raise DataError(f"{path} is not a readable HDF5 file: {error}") from error

    def read(self, name: str) -> NDArray[Any]:
        """The dataset of a name. Raises: DataError where it is missing or damaged."""
        found = self._file.get(name)
        if not isinstance(found, self._dataset):
            raise missing_array(self.path, name, self._names())
        try:
            if self._string(found.dtype) is not None:
                return np.array(found.asstr()[...], str)
            return np.asarray(found[...])
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{name} in {self.path} cannot be read: {error}") from error

    def _names(self) -> list[str]:
        names: list[str] = []

        def visit(name: str, node: object) -> None:
            if isinstance(node, self._dataset):
                names.append(name)

        self._file.visititems(visit)
        return names

    def close(self) -> None:
        """Close the file."""
        self._file.close()
