"""The folder of a search: one search at a time, and what a killed one left behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...cache.places import cannot_write
from ...core.errors import DataError
from .study_log import STUDY_LOG

LOCK = ".lock"


@contextmanager
def search_folder(folder: Path, wait: float = 0.0) -> Iterator[None]:
    """Have a folder for one search; it is made where there is none, and goes again if nothing was put into it.

    The system ends the lock with the process that holds it, however that ends, so that a killed search blocks nobody.
    The lock beside Optuna's log that one of an earlier version left is removed: nobody can hold it then.

    wait : seconds to wait for another search to end

    Raises: DataError where another search has it, or it cannot be written.
    """
    made = [place for place in (folder, *folder.parents) if not os.path.lexists(place)]
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = _locked(folder / LOCK, wait)
        except OSError as error:
            raise cannot_write(folder, error) from error
        if handle is None:
            raise DataError(
                f"another search is running in {folder}; wait until it has finished, or choose another --out"
            )
        try:
            if handle >= 0:
                _remove_lock_of_log(folder)
            yield
        finally:
            if handle >= 0:
                with contextlib.suppress(OSError):
                    os.remove(folder / LOCK)
                os.close(handle)
    finally:
        for empty in made:
            with contextlib.suppress(OSError):
                empty.rmdir()


def _locked(path: Path, wait: float) -> int | None:
    """A handle that holds the lock of a file; None where another process holds it, -1 on a filesystem without locks."""
    end = time.monotonic() + wait
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            if time.monotonic() >= end:
                return None
            time.sleep(0.05)
            continue
        except OSError:
            os.close(handle)
            return -1
        with contextlib.suppress(FileNotFoundError):
            if os.stat(path).st_ino == os.fstat(handle).st_ino:
                return handle
        os.close(handle)  # its last holder removed it after it was opened here


def _remove_lock_of_log(folder: Path) -> None:
    for path in folder.glob(f"{STUDY_LOG}.lock*"):
        with contextlib.suppress(OSError):
            path.unlink()
