"""The files of a store on a server, by their relative paths: few requests, several at once, conditional writes.

What was listed or written is remembered, so that a writer asks once what there is. That holds while nobody else
writes: :meth:`RemoteFiles.refresh` forgets it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TypeVar

import fsspec

from ...core.errors import Changed
from ...core.threads import Pool
from .address import Address
from .objects import ABSENT, Found, MemoryObjects, Objects
from .ranges import REQUEST, RemoteRanges
from .remote_errors import remote_errors

AT_ONCE = 8
"""Requests that are made at the same time."""

IN_MEMORY = 256 << 20
"""Bytes of files that are hashed at the same time."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class RemoteFiles:
    """The files below a folder of a filesystem. No request is made before the first file is asked for.

    Names are relative paths with ``/``; "" is the folder itself. Raises: DataError, from every method, with a sentence
    where the server does not answer or refuses.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self.root: str = address.path
        self.guard: Callable[[bool], None] | None = None
        """Called before each change: raises where another writer has taken over. True: before a removal."""
        self._sizes: dict[str, int] = {}
        self._listed: set[str] = set()
        self._entries: dict[str, list[tuple[str, bool]]] = {}
        self._read: dict[str, Found] = {}
        self._versions: dict[str, str] = {}

    @cached_property
    def objects(self) -> Objects:
        """The requests of the filesystem."""
        with remote_errors(self._address.url):
            if self._address.protocol in ("s3", "s3a"):
                from .s3_objects import S3Objects, connect

                return S3Objects(connect(self._address.protocol))
            fs = fsspec.filesystem(self._address.protocol, use_listings_cache=False)
            return MemoryObjects(fs) if self._address.protocol == "memory" else Objects(fs)

    def full(self, name: str) -> str:
        """The path of a name in the filesystem."""
        return f"{self.root}/{name}" if name else self.root

    # --- what there is -----------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Forget what was listed and read: others may have written since."""
        self._sizes.clear()
        self._listed.clear()
        self._entries.clear()
        self._read.clear()
        self._versions.clear()

    def exists(self) -> bool:
        """Whether there is any file below the folder."""
        return bool(self.entries())

    def has_file(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return name in self.sizes(name.rpartition("/")[0])

    def size(self, name: str) -> int:
        """The size of a file in bytes. Raises: FileNotFoundError."""
        try:
            return self._sizes[name] if name in self._sizes else self.sizes(name.rpartition("/")[0])[name]
        except KeyError:
            raise FileNotFoundError(name) from None

    def sizes(self, name: str = "") -> dict[str, int]:
        """All files below a folder with their sizes in bytes, by name."""
        if not self._is_listed(name):
            start = len(self.root) + 1
            with remote_errors(self._address.url):
                found = self.objects.sizes(self.full(name))
            self._sizes.update({path[start:]: size for path, size in found.items()})
            self._listed.add(name)
        return {file: size for file, size in self._sizes.items() if not name or file.startswith(f"{name}/")}

    def entries(self, name: str = "") -> list[tuple[str, bool]]:
        """Names directly in a folder, and whether each is a folder."""
        if self._is_listed(name):
            start = len(name) + 1 if name else 0
            inside = {file[start:].partition("/")[::2] for file in self.sizes(name)}
            return sorted({(first, bool(rest)) for first, rest in inside})
        parent, _, own = name.rpartition("/")
        if name and (own, True) not in self.entries(parent):
            return []
        if name not in self._entries:
            with remote_errors(self._address.url):
                self._entries[name] = self.objects.entries(self.full(name))
        return self._entries[name]

    def _is_listed(self, name: str) -> bool:
        parts = name.split("/")
        return "" in self._listed or any("/".join(parts[:k]) in self._listed for k in range(1, len(parts) + 1))

    # --- reading -----------------------------------------------------------------------------------------------

    def read(self, name: str, most: int = 0) -> bytes:
        """The bytes of a small file, whatever ``most`` is; :meth:`replace` then replaces these.

        Raises: FileNotFoundError.
        """
        if name not in self._read:
            if self.guard is not None and self._is_listed(name) and name not in self._sizes:
                raise FileNotFoundError(name)  # nobody else writes now
            try:
                with remote_errors(self._address.url, may_be_missing=True):
                    self._read[name] = self.objects.get(self.full(name))
            except (FileNotFoundError, NotADirectoryError):
                self._versions[name] = ABSENT
                raise
            self._versions[name] = self._read[name].version
        return self._read[name].content

    def fetch(self, names: Sequence[str]) -> None:
        """Read small files at once, as far as they are there, for :meth:`read`."""
        listed = [n for n in names if n not in self._read and (not self._is_listed(n) or n in self._sizes)]

        def get(name: str) -> Found | None:
            try:
                return self.objects.get(self.full(name))
            except (FileNotFoundError, NotADirectoryError):
                return None

        self._read.update({n: found for n, found in self._at_once(get, listed).items() if found is not None})
        self._versions.update({n: self._read[n].version for n in listed if n in self._read})

    def sha256(self, names: Sequence[str]) -> dict[str, str]:
        """The hashes of files, in hex."""

        def digest(name: str) -> str:
            size = self._sizes.get(name, 0)
            if size <= REQUEST:
                return hashlib.sha256(self.objects.get(self.full(name)).content).hexdigest()
            found, get = hashlib.sha256(), self.objects.ranges(self.full(name))
            for first in range(0, size, REQUEST):
                found.update(get(first, min(first + REQUEST, size)))
            return found.hexdigest()

        return {n: d for part in self._parts(names) for n, d in self._at_once(digest, part).items()}

    def _parts(self, names: Sequence[str]) -> Iterator[list[str]]:
        """The names in parts that fit into memory, if each file does."""
        part: list[str] = []
        size = 0
        for name in names:
            own = self._sizes.get(name, 0)
            if part and size + own > IN_MEMORY:
                yield part
                part, size = [], 0
            part.append(name)
            size += own
        yield part

    def contents(self, names: Mapping[str, int]) -> dict[str, bytes]:
        """The bytes of files of one folder, as far as they are there, by name; those that have more than the number
        given are left out."""
        there = self.sizes(os.path.commonpath([name.rpartition("/")[0] for name in names])) if names else {}
        wanted = [name for name, most in names.items() if there.get(name, most + 1) <= most]
        return self._at_once(lambda name: self.objects.get(self.full(name)).content, wanted)

    def open_ranges(self, name: str) -> RemoteRanges:
        """A file of which parts are read."""
        return RemoteRanges(self.objects.ranges(self.full(name)), self._at_once)

    # --- writing -----------------------------------------------------------------------------------------------

    def write(self, contents: Mapping[str, bytes]) -> None:
        """Write files, each in one step; where none was there, only if there still is none."""
        self._guarded()
        new = {name: ABSENT if self._is_listed(name) and name not in self._sizes else None for name in contents}
        self._at_once(lambda name: self.objects.put(self.full(name), contents[name], new[name]), list(contents))
        self._remember({name: len(content) for name, content in contents.items()})

    def write_pieces(self, name: str, size: int, pieces: Iterable[memoryview]) -> None:
        """Write a file of ``size`` bytes in one step, from its bytes in pieces, of which few are in memory at once."""
        self._guarded()
        new = ABSENT if self._is_listed(name) and name not in self._sizes else None
        with remote_errors(self._address.url):
            self.objects.put_pieces(self.full(name), pieces, new)
        self._remember({name: size})

    def write_new(self, name: str, content: bytes) -> None:
        """Write a file unless there is one of this name."""
        if name in self._sizes:
            return
        self._guarded()
        self._versions.pop(name, None)
        try:
            with remote_errors(self._address.url):
                if not self.objects.is_conditional and not self._is_listed(name):
                    self.sizes(name.rpartition("/")[0])
                    if name in self._sizes:
                        return
                self._versions[name] = self.objects.put(self.full(name), content, ABSENT)
        except Changed:
            pass  # another writer of a part was first
        self._remember({name: len(content)})

    def replace(self, name: str, content: bytes) -> None:
        """Write a small file if what is there is still what was last read or written here.

        Raises: Changed.
        """
        self._guarded()
        version = self._versions.get(name)
        if version is None and self._is_listed(name) and name not in self._sizes:
            version = ABSENT
        if version is None:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                self.read(name)
            version = self._versions[name]
        self._read.pop(name, None)
        self._versions.pop(name, None)
        with remote_errors(self._address.url):
            self._versions[name] = self.objects.put(self.full(name), content, version)
        self._read[name] = Found(content, self._versions[name])
        self._remember({name: len(content)})

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with its content; nothing happens where there is none."""
        names = [name] if name in self._sizes or name.endswith("/zarr.json") else list(self.sizes(name))
        if not names:
            return
        self._guarded(removing=True)
        version = self._versions.get(name)
        with remote_errors(self._address.url):
            if names == [name] and version:
                self.objects.delete_version(self.full(name), version)
            else:
                self.objects.delete([self.full(file) for file in names])
        for file in names:
            self._sizes.pop(file, None)
            self._read.pop(file, None)
            self._versions[file] = ABSENT
        self._entries.clear()

    def move(self, source: str, target: str) -> None:
        """Move a folder to a name that is free, its own zarr.json last."""
        marker = f"{source}/zarr.json"
        names = sorted(self.sizes(source))
        self._guarded()

        def copy(name: str) -> None:
            self.objects.copy(self.full(name), self.full(f"{target}{name[len(source) :]}"))

        self._at_once(copy, [name for name in names if name != marker])
        self._guarded()
        self._at_once(copy, [name for name in names if name == marker])
        self._remember({f"{target}{name[len(source) :]}": self._sizes[name] for name in names})
        self._versions.pop(f"{target}/zarr.json", None)
        self.remove(source)

    def _guarded(self, *, removing: bool = False) -> None:
        if self.guard is not None:
            self.guard(removing)

    def _remember(self, sizes: Mapping[str, int]) -> None:
        self._sizes.update(sizes)
        self._entries.clear()

    def _at_once(self, request: Callable[[Item], Result], items: Sequence[Item]) -> dict[Item, Result]:
        """The results of a request for each item."""
        with remote_errors(self._address.url):
            if len(items) < 2:
                return {item: request(item) for item in items}
            with Pool(min(AT_ONCE, len(items))) as pool:
                return dict(zip(items, pool.map(request, items), strict=True))
