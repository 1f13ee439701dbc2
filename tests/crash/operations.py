"""File operations of this process below one folder: counted, and one of them made to kill the process or to fail.

Operations are what changes files: opening for writing, writing, truncating, renaming, linking, removing, and making and
removing folders. Python reports all but writing to audit hooks, whatever library asks for them, before they happen; a
hook that raises refuses them. Files opened for writing are given a raw file of our own, which counts what is written.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import signal
import sys
import threading
from dataclasses import dataclass
from typing import Any

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
REMOVES = ("remove", "rmdir")

# event of the audit hook -> name here, and where its paths and the descriptors of their folders are
EVENTS: dict[str, tuple[str, tuple[tuple[int, int | None], ...]]] = {
    "open": ("open", ((0, None),)),
    "os.mkdir": ("mkdir", ((0, 2),)),
    "os.rename": ("rename", ((0, 2), (1, 3))),
    "os.remove": ("remove", ((0, 1),)),
    "os.rmdir": ("rmdir", ((0, 1),)),
    "os.link": ("link", ((0, 2), (1, 3))),
    "os.symlink": ("symlink", ((1, 2),)),
    "os.truncate": ("truncate", ((0, None),)),
    "os.chmod": ("chmod", ((0, 2),)),
}


@dataclass(frozen=True)
class Point:
    """What happens at operation ``at`` (from 0).

    how : ``kill``: the process dies before it; ``torn``: it dies when half of the bytes are written; ``fail``: it is
        refused with ``error``, once; ``full``: it and all later ones are refused but those that remove; ``refuse``: it
        and all later ones are refused
    error : name of an errno
    """

    at: int
    how: str = "kill"
    error: str = ""

    def __str__(self) -> str:
        return f"{self.how}{f' {self.error}' if self.error else ''} at {self.at}"


class Operations:
    """Counts from :meth:`install` on; ``seen`` has the kind and the path of each operation."""

    def __init__(self, folder: str, point: Point | None = None) -> None:
        self.seen: list[tuple[str, str]] = []
        self._folder = os.path.realpath(folder)
        self._point = point
        self._lock = threading.RLock()

    def install(self) -> None:
        """From now on, for the rest of this process."""
        sys.addaudithook(self._audit)
        builtins.open = io.open = _opener(self)  # type: ignore[assignment]

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in EVENTS:
            return
        kind, places = EVENTS[event]
        # opening by a descriptor changes nothing: the file is open already
        if event == "open" and (isinstance(arguments[0], int) or not arguments[2] & WRITES):
            return
        for path, folder in places:
            at = self.place(arguments[path], None if folder is None or folder >= len(arguments) else arguments[folder])
            if at is not None and _changes(event, os.path.join(self._folder, at)):
                self.happens(kind, at)
                return

    def place(self, path: Any, folder: Any = None) -> str | None:
        """The path below the folder; None where it lies elsewhere."""
        try:
            if isinstance(path, int):
                full = os.readlink(f"/proc/self/fd/{path}")
            else:
                base = os.readlink(f"/proc/self/fd/{folder}") if isinstance(folder, int) and folder >= 0 else ""
                full = os.path.join(base, os.fsdecode(path))
        except (OSError, TypeError):
            return None
        full = os.path.abspath(full)
        inside = full == self._folder or full.startswith(self._folder + os.sep)
        return os.path.relpath(full, self._folder) if inside else None

    def happens(self, kind: str, path: str) -> bool:
        """Count an operation, and do what the point says. True: write half of it, then call :meth:`die`."""
        with self._lock:
            k = len(self.seen)
            self.seen.append((kind, path))
            p = self._point
            if p is None or k < p.at:
                return False
            if p.how in ("kill", "torn"):
                if p.how == "torn" and kind == "write":
                    return True
                self.die()
            if k == p.at or p.how == "refuse" or (p.how == "full" and kind not in REMOVES):
                number = getattr(errno, p.error)
                raise OSError(number, os.strerror(number), path)
            return False

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def _changes(event: str, path: str) -> bool:
    """Whether it can change anything: a folder is made once, in one that is there; only what is there is removed."""
    if event == "os.mkdir":
        return not os.path.lexists(path) and os.path.isdir(os.path.dirname(path))
    return event not in ("os.remove", "os.rmdir") or os.path.lexists(path)


def _opener(operations: Operations) -> Any:
    real = io.open

    class Raw(io.FileIO):
        """A raw file whose writes are counted."""

        at = ""

        def write(self, data: Any, /) -> int:
            if operations.happens("write", self.at):
                super().write(memoryview(data).cast("B")[: memoryview(data).nbytes // 2])
                operations.die()
            return super().write(data)

        def truncate(self, size: int | None = None, /) -> int:
            operations.happens("truncate", self.at)
            return super().truncate(size)

    def counted(
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Any = None,
    ) -> Any:
        writing = any(letter in mode for letter in "wax+")
        at = operations.place(file) if writing else None
        if at is None:
            return real(file, mode, buffering, encoding, errors, newline, closefd, opener)
        raw = Raw(file, mode.replace("b", "").replace("t", ""), closefd, opener)
        raw.at = at
        if buffering == 0:
            return raw
        buffered: Any = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        if "b" in mode:
            return buffered
        text = io.TextIOWrapper(buffered, encoding, errors, newline)
        text.mode = mode  # type: ignore[misc]
        return text

    return counted
