"""Arrays of a score file in ``.npz`` format, without pickles."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from .missing_array import missing_array


class NpzScores:
    """The arrays of an ``.npz`` file by name. Call :meth:`close` when done.

    Raises: DataError for a file that is missing, not an ``.npz`` or damaged, and for pickled objects.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            loaded = np.load(path, allow_pickle=False)
        except FileNotFoundError:
            raise DataError(f"there is no score file {path}; check the path") from None
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"{path} is not a readable .npz file ({error}); save it with numpy.savez") from error
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise DataError(f"{path} is a single array, not an .npz file; save it with numpy.savez")
        self._npz = loaded

    def read(self, name: str) -> NDArray[Any]:
        """The array of a name. Raises: DataError where it is missing, damaged or pickled."""
        if name not in self._npz.files:
            raise missing_array(self.path, name, self._npz.files)
        try:
            return self._npz[name]
        except ValueError as error:
            if "pickle" in str(error).lower():
                raise DataError(
                    f"{name} in {self.path} holds pickled objects, which are never loaded; save a plain array"
                ) from error
            raise DataError(f"{name} in {self.path} is damaged: {error}") from error
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(f"{name} in {self.path} is damaged: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._npz.close()
