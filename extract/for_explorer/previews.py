"""The previews of a session: each made once, in a folder of this user alone that is removed at the end."""

from __future__ import annotations

import itertools
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from ...core.errors import DataError
from .preview_job import PreviewJob

Run: TypeAlias = Callable[[Path, Any], Iterator[Any]]
"""Runs a job with a file in a decoding process; raises DataError with one sentence."""

KEPT_BYTES = 4 << 30
"""Where previews take more than this, the ones made first are removed, and made again when they are asked for."""


def stamp_of(path: Path) -> tuple[int, int]:
    """What tells a file from the one that was there before."""
    try:
        status = os.stat(path)
    except OSError:
        return 0, -1
    return status.st_mtime_ns, status.st_size


class PassingError(DataError):
    """A failure for which the machine may be to blame, so that another try may go well."""


@dataclass(frozen=True)
class PlayableFile:
    """A file that a browser plays: its ``path``, and its ``content_type`` (``video/mp4``)."""

    path: Path
    content_type: str


@dataclass
class _Preview:
    """The preview of a file as it was at ``stamp``."""

    number: int
    stamp: tuple[int, int]
    lock: threading.Lock = field(default_factory=threading.Lock)
    made: PlayableFile | None = None
    problem: str = ""
    part: float | None = None


class Previews:
    """Makes previews: one at a time, and one of a long file beside it. Any thread may call any method."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._turns = {long: threading.Lock() for long in (False, True)}
        self._lock = threading.Lock()
        self._known: dict[Path, _Preview] = {}
        self._numbers = itertools.count()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._closed = False

    def get(self, path: Path, long: bool) -> PlayableFile:
        """The preview of a file as it is now, made if it is not there yet; who asks meanwhile waits for it.

        ``long`` : it may take minutes; others do not wait for it

        Raises: DataError with one sentence where it cannot be made, also each time after the first; a `PassingError`
        is not remembered.
        """
        preview = self._of(path)
        with preview.lock:
            if preview.problem:
                raise DataError(preview.problem)
            if preview.made is None or not preview.made.path.exists():
                preview.made = self._make(path, preview, long)
            return preview.made

    def progress(self, path: Path) -> float | None:
        """How much is made of the preview of a file, 0 to 1; None: it is not being made."""
        with self._lock:
            preview = self._known.get(path)
        return None if preview is None else preview.part

    def _of(self, path: Path) -> _Preview:
        """What there is for a file; of one that was changed since, it begins anew."""
        stamp = stamp_of(path)
        with self._lock:
            known = self._known.get(path)
            if known is None or known.stamp != stamp:
                if known is not None and known.made is not None:
                    known.made.path.unlink(missing_ok=True)  # a server that has it open goes on reading it
                known = self._known[path] = _Preview(next(self._numbers), stamp)
            return known

    def _make(self, path: Path, preview: _Preview, long: bool) -> PlayableFile:
        preview.part = 0.0
        try:
            with self._turns[long]:
                target = self._place() / str(preview.number)
                for item in self._run(path, PreviewJob(str(target))):
                    if isinstance(item, tuple):
                        suffix, content_type = item
                        self._make_room()
                        return PlayableFile(target.with_name(f"{target.name}{suffix}"), content_type)
                    preview.part = item
            raise DataError(f"no preview was made of {path.name}")
        except DataError as error:
            if not isinstance(error, PassingError):
                preview.problem = str(error)
            folder = self._folder
            if folder is not None:
                for part in Path(folder.name).glob(f"{preview.number}.*"):
                    part.unlink(missing_ok=True)
            raise
        finally:
            preview.part = None

    def _place(self) -> Path:
        with self._lock:
            if self._closed:
                raise PassingError("the explorer is closing")
            try:
                if self._folder is None:
                    self._folder = tempfile.TemporaryDirectory(prefix="avreplay-explore-", ignore_cleanup_errors=True)
                place = Path(self._folder.name)
                place.mkdir(mode=0o700, exist_ok=True)  # a cleaner of temporary files may have been here
            except OSError as error:
                raise PassingError(f"no folder for previews can be made: {error.strerror}") from error
            return place

    def _make_room(self) -> None:
        with os.scandir(self._place()) as entries:
            files = sorted((entry.stat().st_mtime_ns, entry.stat().st_size, entry.path) for entry in entries)
        total = sum(size for _, size, _ in files)
        for _, size, path in files[:-1]:
            if total <= KEPT_BYTES:
                return
            os.unlink(path)  # a server that has it open goes on reading it
            total -= size

    def close(self) -> None:
        """Remove the folder. What is being made must have been ended before."""
        with self._lock:
            self._closed = True
            folder, self._folder = self._folder, None
        if folder is not None:
            folder.cleanup()
