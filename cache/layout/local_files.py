"""The files of a store in a local folder, by their relative paths."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import fsspec
import zarr

from ..atomic_write import replace_file


class LocalFiles:
    """The files below a folder. ``root`` is its absolute path.

    Names are relative paths with ``/``; "" is the folder itself.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._fs: Any = fsspec.filesystem("file")

    def full(self, name: str) -> str:
        """The absolute path of a name."""
        return f"{self.root}/{name}" if name else self.root

    def exists(self) -> bool:
        """Whether the folder is there, or a file of its name."""
        return os.path.lexists(self.root)

    def has_file(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return os.path.exists(self.full(name))

    def size(self, name: str) -> int:
        """The size of a file in bytes."""
        return os.path.getsize(self.full(name))

    def sizes(self, name: str = "") -> dict[str, int]:
        """All files below a folder with their sizes in bytes, by name."""
        start = len(self.root.rstrip("/")) + 1
        found = self._fs.find(self.full(name), detail=True)
        return {path[start:]: int(info["size"]) for path, info in found.items()}

    def entries(self, name: str = "") -> list[tuple[str, bool]]:
        """Names directly in a folder, and whether each is a folder."""
        here = self.full(name).rstrip("/")
        if not self._fs.isdir(here):
            return []
        found = ((e["name"].rstrip("/"), e["type"] == "directory") for e in self._fs.ls(here, detail=True))
        return [(path.rpartition("/")[2], is_folder) for path, is_folder in found]

    def read(self, name: str) -> bytes:
        """The bytes of a file. Raises: FileNotFoundError."""
        return Path(self.full(name)).read_bytes()

    def fetch(self, names: Sequence[str]) -> None:
        """Read small files at once: nothing is gained here."""

    def sha256(self, names: Sequence[str]) -> dict[str, str]:
        """The hashes of files, in hex."""
        out = {}
        for name in names:
            with open(self.full(name), "rb") as file:
                out[name] = hashlib.file_digest(file, "sha256").hexdigest()
        return out

    def write(self, contents: Mapping[str, bytes]) -> None:
        """Write files, each in one step; their folders are made."""
        for name, content in contents.items():
            path = Path(self.full(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, content)

    def write_new(self, name: str, content: bytes) -> None:
        """Write a file unless there is one of this name."""
        if not os.path.lexists(self.full(name)):
            self.write({name: content})

    def replace(self, name: str, content: bytes) -> None:
        """Write a small file over what was last read of it, in one step."""
        self.write({name: content})

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with its content; nothing happens where there is none."""
        if os.path.lexists(self.full(name)):
            self._fs.rm(self.full(name), recursive=True)

    def move(self, source: str, target: str) -> None:
        """Move a folder to a name that is free, in one step."""
        os.rename(self.full(source), self.full(target))

    def zarr_store(self, arrays: Sequence[str]) -> Any:
        """A Zarr store that holds these arrays."""
        return zarr.storage.LocalStore(self.root)

    def refresh(self) -> None:
        """Forget what was listed: nothing is."""
