"""A log of a study that machines share on a network filesystem: ``--storage journal:PATH``."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from pathlib import Path

from .log_lines import check_lines, cut_torn_line

GRACE_SECONDS = 30.0
"""How long a lock stands still before it counts as left by a kill. One is held for a line, some milliseconds."""


class SharedLogLock:
    """What Optuna takes around each line that it appends: a file beside the log that only one process can make, on NFS
    too, where locks of the system do not hold. Optuna's own locks are of the same name, so that they and this one
    exclude each other; but its lock of a relative path is a link to nowhere, whose age it never learns.

    What a kill left of a line is cut off before another is appended.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Path(f"{path}.lock")

    def acquire(self) -> bool:
        seen, since, pause = None, time.monotonic(), 0.001
        while True:
            try:
                os.close(os.open(self._lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
                break
            except FileExistsError:
                now = self._holder()
            if now != seen:
                seen, since = now, time.monotonic()
            elif now is not None and time.monotonic() - since > GRACE_SECONDS and self._holder() == seen:
                self._remove()
            time.sleep(pause)
            pause = min(2 * pause, 0.1)
        try:
            cut_torn_line(self._path)
        except BaseException:
            self.release()
            raise
        return True

    def release(self) -> None:
        self._remove()

    def _holder(self) -> tuple[int, int] | None:
        """What tells one lock from the next; None where there is none."""
        try:
            found = os.lstat(self._lock)
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def _remove(self) -> None:
        # renamed first: of two that remove the same one, one fails
        gone = f"{self._lock}{uuid.uuid4()}.rename"
        with contextlib.suppress(FileNotFoundError):
            os.rename(self._lock, gone)
            os.unlink(gone)


def check_log(path: Path, what: str) -> None:
    """Raises: DataError for a line that Optuna does not write, and on which it would end."""
    check_lines(path, what, mend="give another --storage")
