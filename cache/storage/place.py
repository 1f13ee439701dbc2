"""The place of a store, a local folder or a URL, and its files as bytes.

What differs between folders and servers is in :mod:`.local_files` and :mod:`.remote_files`, which have the same
methods; which URLs are taken is in :mod:`.address`. What the files mean is in ``cache/layout``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ...core.errors import DataError
from ..places import kind_of, store_not_written
from .address import Address, parse
from .local_files import LocalFiles

if TYPE_CHECKING:
    from .remote_files import RemoteFiles

LOCKS_FOLDER = ".locks"
"""Folder of the lock files or the lease of writers; not part of the store."""

_LOCK = re.compile(r"shared|lease\.json|[1-9][0-9]*-of-[1-9][0-9]*")


class Place:
    """The place of one store. Names inside it are relative paths with ``/``; "" is the root.

    Raises
    ------
    UsageError
        a URL on which no store can lie, or whose filesystem needs a package that is not installed
    DataError
        from every method, where a server does not answer or refuses
    """

    url: str
    path: str
    is_local: bool
    others_folder = ""
    """The folder of files that belong to other stores; "" for none."""

    def __init__(self, url: str | os.PathLike[str]) -> None:
        self.address: Address = parse(url)
        self.url, self.path, self.is_local = self.address.url, self.address.path, self.address.is_local
        self.storage: LocalFiles | RemoteFiles = self._files()
        """Its files as bytes."""
        self._hashes: dict[str, str] = {}
        """sha256 of the files of arrays that were written here, by name."""

    def _files(self) -> LocalFiles | RemoteFiles:
        if self.is_local:
            return LocalFiles(self.path)
        from .remote_files import RemoteFiles  # imports fsspec

        return RemoteFiles(self.address)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.url}>"

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Around every change of the store: what the system refuses becomes a sentence. Raises: DataError."""
        try:
            yield
        except OSError as error:
            raise store_not_written(self.url, error) from error

    @contextmanager
    def replacing(self, name: str) -> Iterator[None]:
        """Around the writing of a group from nothing; what a failure leaves of it is removed, as far as that goes."""
        self.remove(name)
        try:
            yield
        except BaseException:
            with suppress(Exception):
                self.remove(name)
                self._remove_empty_parents(name)
            raise

    def _remove_empty_parents(self, name: str) -> None:
        while self.is_local and (name := name.rpartition("/")[0]):
            try:
                os.rmdir(os.path.join(self.path, name))
            except FileNotFoundError:
                continue
            except OSError:
                return  # it holds something

    def check_plain(self) -> None:
        """Refuse what a store never holds: links, which lead out of it, pipes, devices and sockets.

        The stores inside this one are left out. Raises: DataError naming the first of them.
        """
        if not self.is_local or not os.path.isdir(self.path):
            return
        folders = [""]
        while folders:
            name = folders.pop()
            with os.scandir(os.path.join(self.path, name)) as entries:
                found = sorted(entries, key=lambda e: e.name)
            for entry in found:
                inside = f"{name}/{entry.name}" if name else entry.name
                if entry.is_dir(follow_symlinks=False):
                    if inside not in (LOCKS_FOLDER, self.others_folder):
                        folders.append(inside)
                elif not entry.is_file(follow_symlinks=False):
                    kind = kind_of(os.lstat(entry.path).st_mode)
                    raise DataError(
                        f"{self.url}/{inside} is {kind}; a store holds plain files and folders only: "
                        "put a copy in its place"
                    )

    # --- files -------------------------------------------------------------------------------------------------

    def exists(self) -> bool:
        """Whether there is a file or folder at this place."""
        return self.storage.exists()

    def files(self, name: str = "") -> list[str]:
        """Relative paths of all files below a folder, sorted; lock files are left out, links are not followed."""
        return sorted(f for f in self.storage.sizes(name) if not f.startswith(f"{LOCKS_FOLDER}/"))

    def entries(self, name: str = "") -> list[tuple[str, bool]]:
        """Names of the files and folders directly in a folder, sorted, and whether each is a folder (no link is)."""
        return sorted(entry for entry in self.storage.entries(name) if name or entry[0] != LOCKS_FOLDER)

    def own_files(self) -> list[str]:
        """Relative paths of all files of the store, without those of the stores inside it, sorted."""
        return sorted(self.own_sizes())

    def own_sizes(self) -> dict[str, int]:
        """The sizes in bytes of all files of the store, without those of the stores inside it, by relative path."""
        found: dict[str, int] = {}
        for name, folder in self.entries():
            if name != self.others_folder:  # others may be writing there: do not even list it
                found |= self.storage.sizes(name) if folder else {name: self.size(name)}
        return found

    def empty_folders(self) -> list[str]:
        """Relative paths of the folders without any file, sorted; a server has none."""
        left_out = [name for name in (LOCKS_FOLDER, self.others_folder) if name]
        return self.storage.empty_folders(left_out) if isinstance(self.storage, LocalFiles) else []

    def foreign_locks(self) -> list[str]:
        """Relative paths of what lies in the folder of locks and is none, sorted."""
        found = self.storage.entries(LOCKS_FOLDER)
        return sorted(f"{LOCKS_FOLDER}/{name}" for name, folder in found if folder or not _LOCK.fullmatch(name))

    def is_link(self, name: str) -> bool:
        """Whether a path inside the store is a symbolic link; the folder of the store itself may be one."""
        return bool(name) and self.is_local and os.path.islink(self.storage.full(name))

    def content(self, name: str, most: int) -> bytes | None:
        """The content of a small file, None where there is none.

        Raises: DataError for one of more than ``most`` bytes, one that cannot be read, and what is no regular file of
        the store.
        """
        try:
            found = self.storage.read(name, most)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise DataError(f"cannot read {self.url}/{name}: {error.strerror or error}; check the path") from error
        if len(found) > most:
            raise DataError(
                f"{self.url}/{name} has more than {most >> 20} MiB, the most that such a file has in a store"
            )
        return found

    def remove(self, name: str) -> None:
        """Remove a file or a folder with its content; nothing happens where there is none.

        The marker of a group goes first: what is left of it at any moment does not count.
        """
        with self.changing():
            if self.is_local:  # a server is given all files in one request
                self.storage.remove(f"{name}/zarr.json")
            self.storage.remove(name)
        self._hashes = {file: h for file, h in self._hashes.items() if file != name and not file.startswith(f"{name}/")}

    def sha256(self, name: str) -> str:
        """The hash of a file, in hex."""
        return self.storage.sha256([name])[name]

    def sha256_of(self, names: Iterable[str]) -> dict[str, str]:
        """The hashes of files, in hex, by name."""
        return self.storage.sha256(list(names))

    def hashes(self, name: str, *, below: tuple[str, ...] = ()) -> dict[str, str]:
        """sha256 of every file of a group but its own zarr.json, by path within it; ``below`` names other groups.

        Files of arrays that were written here are not read again: the hash is of the bytes that were to be written.
        """
        prefix = f"{name}/"
        files = [f for f in self.files(name) if f != f"{name}/zarr.json" and not f[len(prefix) :].startswith(below)]
        read = self.sha256_of(f for f in files if f not in self._hashes)
        return {f[len(prefix) :]: self._hashes.get(f) or read[f] for f in files}

    def size(self, name: str) -> int:
        """The size of a file in bytes."""
        return self.storage.size(name)

    def refresh(self) -> None:
        """Forget what was listed: another process may have written since."""
        self.storage.refresh()
