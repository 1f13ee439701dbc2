"""The requests that a store on a server needs, over any fsspec filesystem; those of S3 are in :mod:`.s3_objects`.

A conditional write depends on what is there: it creates a file that is absent, or replaces one whose version is still
that which was read. Object stores offer both as one atomic request.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ...core.errors import Changed

ABSENT = ""
"""The version of a file that is not there."""

PROBE = b"{}"
"""What is written to see whether a server heeds conditions: nothing of it is left where it does."""


@dataclass(frozen=True)
class Found:
    """A file that was read.

    content : its bytes
    version : changes whenever the file is written
    age : seconds since then by the server's own clock; None where it does not say
    """

    content: bytes
    version: str
    age: float | None = None


class Objects:
    """The files of a filesystem by their full paths; without conditional writes.

    fs : the fsspec filesystem
    """

    is_conditional = False

    def __init__(self, fs: Any) -> None:
        self.fs = fs

    def get(self, path: str) -> Found:
        """A file. Raises: FileNotFoundError."""
        content = bytes(self.fs.cat_file(path))
        return Found(content, hashlib.sha256(content).hexdigest())

    def ranges(self, path: str) -> Callable[[int, int], bytes]:
        """What gives the bytes of a file from a first to before a last one; fewer where it ends or is replaced."""

        def get(first: int, last: int) -> bytes:
            try:
                return bytes(self.fs.cat_file(path, start=first, end=last))
            except FileNotFoundError:
                return b""

        return get

    def put(self, path: str, content: bytes, version: str | None = None) -> str:
        """Write a file in one step; returns its version.

        ``version``: only where the file still has this version (:data:`ABSENT`: where there is none). A filesystem
        without conditional writes writes in any case.

        Raises: Changed.
        """
        parent = path.rpartition("/")[0]
        self.fs.makedirs(parent, exist_ok=True)
        self.fs.pipe_file(path, content)
        return hashlib.sha256(content).hexdigest()

    def put_pieces(self, path: str, pieces: Iterable[memoryview], version: str | None = None) -> None:
        """As :meth:`put`, of a file whose bytes come in pieces. Raises: Changed."""
        self.put(path, b"".join(pieces), version)

    def delete(self, paths: Sequence[str]) -> None:
        """Remove files; one that is not there does not matter."""
        for path in paths:
            try:
                self.fs.rm_file(path)
            except FileNotFoundError:
                continue

    def delete_version(self, path: str, version: str) -> None:
        """Remove a file if it still has this version. Raises: Changed.

        It is read again first, since not every filesystem has conditional removals.
        """
        self._refuse_changed(path, version)
        self.delete([path])

    def _refuse_changed(self, path: str, version: str) -> None:
        try:
            now = self.get(path).version
        except FileNotFoundError:
            now = ABSENT
        if now != version:
            raise Changed(f"{path} has changed at the same time; run the same command again")

    def heeds_conditions(self, path: str) -> bool:
        """Whether a file that is there is kept by conditional writes that must not take place."""
        return self.is_conditional

    def copy(self, source: str, target: str) -> None:
        """Copy a file."""
        self.fs.makedirs(target.rpartition("/")[0], exist_ok=True)
        self.fs.cp_file(source, target)

    def sizes(self, folder: str) -> dict[str, int]:
        """All files below a folder with their sizes in bytes, by path; empty where there is no folder."""
        try:
            found = self.fs.find(folder, detail=True)
        except FileNotFoundError:
            return {}
        return {path: int(info["size"] or 0) for path, info in found.items()}

    def entries(self, folder: str) -> list[tuple[str, bool]]:
        """Names directly in a folder, and whether each is a folder; empty where there is none."""
        try:
            listed = self.fs.ls(folder, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return []
        found = ((e["name"].rstrip("/"), e["type"] == "directory") for e in listed)
        return [(path.rpartition("/")[2], is_folder) for path, is_folder in found if path != folder]


class MemoryObjects(Objects):
    """fsspec's files in the memory of this process, whose writes can be conditional within it."""

    is_conditional = True
    _changing = threading.RLock()

    def get(self, path: str) -> Found:
        with self._changing:
            found = super().get(path)
            return Found(found.content, found.version, time.time() - self.fs.modified(path).timestamp())

    def put(self, path: str, content: bytes, version: str | None = None) -> str:
        with self._changing:
            if version is not None:
                self._refuse_changed(path, version)
            return super().put(path, content)

    def delete_version(self, path: str, version: str) -> None:
        with self._changing:
            super().delete_version(path, version)
