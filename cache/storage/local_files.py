"""The files of a store in a local folder, by their relative paths."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic_write import replace_file, replacing_file_of
from ..reading.files import open_regular
from .links import files_below, refuse_link_out
from .ranges import LocalRanges


class LocalFiles:
    """The files below a folder. ``root`` is its absolute path.

    Names are relative paths with ``/``; "" is the folder itself.
    """

    def __init__(self, root: str) -> None:
        self.root = root

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
        """The size of a file in bytes; of a link to nowhere, its own."""
        path = self.full(name)
        return os.path.getsize(path) if os.path.exists(path) else os.lstat(path).st_size

    def sizes(self, name: str = "") -> dict[str, int]:
        """All files below a folder with their sizes in bytes, by name; links are listed and not followed."""
        here = self.full(name)
        if name and (os.path.islink(here) or os.path.isfile(here)):
            return {name: os.lstat(here).st_size}
        found = {}
        for path in files_below(here):
            with contextlib.suppress(FileNotFoundError):  # another process has just removed it
                found[f"{name}/{path}" if name else path] = os.lstat(f"{here}/{path}").st_size
        return found

    def empty_folders(self, left_out: Sequence[str] = ()) -> list[str]:
        """The folders that hold no file, by name; not those inside another one, and not the folders ``left_out``."""
        folders, full = [""], {""}
        for name in folders:  # which grows
            for entry, is_folder in self.entries(name):
                inside = f"{name}/{entry}" if name else entry
                if is_folder and inside not in left_out:
                    folders.append(inside)
                elif not is_folder:
                    full.add(name)
        for name in reversed(folders):
            if name in full:
                full.add(name.rpartition("/")[0])
        return sorted(name for name in folders if name not in full and name.rpartition("/")[0] in full)

    def entries(self, name: str = "") -> list[tuple[str, bool]]:
        """Names directly in a folder, and whether each is a folder; a link is not."""
        try:
            with os.scandir(self.full(name).rstrip("/") or "/") as inside:
                return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in inside]
        except (FileNotFoundError, NotADirectoryError):
            return []

    @contextmanager
    def _open(self, name: str) -> Iterator[Any]:
        """A regular file of the store. Raises: FileNotFoundError; DataError for another kind, and a link out of it."""
        path = self.full(name)
        if not os.path.lexists(path):
            raise FileNotFoundError(path)
        refuse_link_out(self.root, path, path)
        with open_regular(path, "store") as file:
            yield file

    def read(self, name: str, most: int) -> bytes:
        """The bytes of a file, not many more than ``most``. Raises: FileNotFoundError; DataError as :meth:`sha256`."""
        with self._open(name) as file:
            return bytes(file.read(most + 1))

    def contents(self, names: Mapping[str, int]) -> dict[str, memoryview]:
        """The bytes of files, as far as they are there, by name; of each not many more than the number given."""
        found = {}
        for name, most in names.items():
            with contextlib.suppress(FileNotFoundError, NotADirectoryError), self._open(name) as file:
                content = np.empty(min(os.fstat(file.fileno()).st_size, most + 1), np.uint8).data  # not zeroed first
                found[name] = content[: file.readinto(content)]
        return found

    def open_ranges(self, name: str) -> LocalRanges:
        """A file of which parts are read. Raises: FileNotFoundError; DataError as :meth:`sha256`."""
        with self._open(name) as file:
            return LocalRanges(file, self.full(name))

    def fetch(self, names: Sequence[str]) -> None:
        """Read small files at once: nothing is gained here."""

    def sha256(self, names: Sequence[str]) -> dict[str, str]:
        """The hashes of files, in hex. Raises: DataError for what is no regular file, or lies outside of the store."""
        out = {}
        for name in names:
            with self._open(name) as file:
                out[name] = hashlib.file_digest(file, "sha256").hexdigest()
        return out

    def write(self, contents: Mapping[str, bytes]) -> None:
        """Write files, each in one step; their folders are made."""
        for name, content in contents.items():
            path = Path(self.full(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, content)

    def write_pieces(self, name: str, size: int, pieces: Iterable[memoryview]) -> None:
        """Write a file of ``size`` bytes in one step, from its bytes in pieces; its folder is made."""
        path = Path(self.full(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing_file_of(path) as file:
            for piece in pieces:
                file.write(piece)

    def write_new(self, name: str, content: bytes) -> None:
        """Write a file unless there is one of this name."""
        if not os.path.lexists(self.full(name)):
            self.write({name: content})

    def replace(self, name: str, content: bytes) -> None:
        """Write a small file over what was last read of it, in one step."""
        self.write({name: content})

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with its content; nothing happens where there is none."""
        path = self.full(name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.remove(path)

    def move(self, source: str, target: str) -> None:
        """Move a folder to a name that is free, in one step."""
        os.rename(self.full(source), self.full(target))

    def refresh(self) -> None:
        """Forget what was listed: nothing is."""
