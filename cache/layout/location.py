"""The place of a store, a local folder or a URL: its groups and arrays (Zarr v3), and its files as bytes.

What differs between folders and servers is in :mod:`.local_files` and :mod:`.remote_files`, which have the same
methods; which URLs are taken is in :mod:`.address`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from ...core.errors import DataError
from ..places import kind_of, store_not_written
from . import array_file, group_file
from .address import Address, parse
from .local_files import LocalFiles
from .remote_files import RemoteFiles
from .schema import INNER_STORES_FOLDER

LOCKS_FOLDER = ".locks"
"""Folder of the lock files or the lease of writers; not part of the store."""


class Location:
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

    def __init__(self, url: str | os.PathLike[str]) -> None:
        self.address: Address = parse(url)
        self.url, self.path, self.is_local = self.address.url, self.address.path, self.address.is_local
        self.storage: LocalFiles | RemoteFiles = LocalFiles(self.path) if self.is_local else RemoteFiles(self.address)
        """Its files as bytes."""
        self._hashes: dict[str, str] = {}
        """sha256 of the files of arrays that were written here, by name."""

    def __repr__(self) -> str:
        return f"<Location: {self.url}>"

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

    def check_plain(self, name: str = "") -> None:
        """Refuse what a store never holds: links, which lead out of it, pipes, devices and sockets.

        The stores inside this one are left out. Raises: DataError naming the first of them.
        """
        if not self.is_local or not os.path.isdir(os.path.join(self.path, name)):
            return
        with os.scandir(os.path.join(self.path, name)) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                inside = f"{name}/{entry.name}" if name else entry.name
                if entry.is_dir(follow_symlinks=False):
                    if inside not in (LOCKS_FOLDER, INNER_STORES_FOLDER):
                        self.check_plain(inside)
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
            if name != INNER_STORES_FOLDER:  # others may be writing there: do not even list it
                found |= self.storage.sizes(name) if folder else {name: self.size(name)}
        return found

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

    # --- groups ------------------------------------------------------------------------------------------------

    def fetch(self, names: Iterable[str]) -> None:
        """Ask a server for the attributes of groups at once, before :meth:`attributes` gives them one by one."""
        self.storage.fetch([f"{name}/zarr.json" for name in names])

    def look_up(self, folder: str, groups: Iterable[str]) -> None:
        """List a folder of a server once, and ask for the attributes of the groups in it that are there at once."""
        if not self.is_local:
            self.storage.sizes(folder)
            self.fetch(groups)

    def attributes(self, name: str = "", *, any_version: bool = False) -> dict[str, Any] | None:
        """Attributes of a group, None where there is no group.

        ``any_version``: also of a newer version, whose seal may be another.

        Raises: DataError where its zarr.json is damaged, or its seal says that other attributes were written.
        """
        file = f"{name}/zarr.json" if name else "zarr.json"
        text = self.content(file, group_file.MOST)
        if text is None:
            return None
        attributes = group_file.parse_group(text, f"{self.url}/{file}")
        if not any_version and not group_file.seal_holds(name, attributes):
            raise DataError(
                f"{self.url}/{file} is not what was written there: its seal does not fit its attributes and its place; "
                f"`avreplay verify {self.url}` names what else was changed"
            )
        return attributes

    def marker(self, name: str) -> dict[str, Any] | None:
        """Attributes of a committed group, which are written last; None where it is missing or unfinished."""
        attributes = self.attributes(name)
        return attributes if attributes and attributes.get("committed") else None

    def set_attributes(self, name: str, attributes: dict[str, Any]) -> None:
        """Create a group or replace its attributes, in one atomic write of its zarr.json; they are sealed.

        On a server with conditional writes it is written only if it still is what was last read or written here.

        Raises: Changed where another process has written it since.
        """
        content = group_file.group_bytes(group_file.sealed(name, attributes))
        with self.changing():
            self.storage.replace(f"{name}/zarr.json" if name else "zarr.json", content)

    def uncommit(self, name: str) -> None:
        """Remove a group's zarr.json: from now on the group does not count."""
        with self.changing():
            self.storage.remove(f"{name}/zarr.json")

    def move(self, source: str, target: str) -> None:
        """Move a group to a name that is free: on a local path in one step, elsewhere with its zarr.json last."""
        with self.changing():
            self.storage.move(source, target)
        moved = {f"{target}{f[len(source) :]}": h for f, h in self._hashes.items() if f.startswith(f"{source}/")}
        self._hashes = {**{f: h for f, h in self._hashes.items() if not f.startswith(f"{source}/")}, **moved}

    # --- arrays ------------------------------------------------------------------------------------------------

    def write(self, name: str, array: NDArray[Any], chunk_rows: int) -> None:
        """Write an array as one uncompressed Zarr shard with inner chunks of ``chunk_rows`` rows.

        Its bytes are made in memory and hashed there, so that they need not be read again.
        """
        chunk = max(1, min(chunk_rows, len(array)))
        shard = max(1, -(-len(array) // chunk)) * chunk
        inner = tuple(max(1, n) for n in array.shape[1:])
        made: dict[str, Any] = {}
        z = zarr.create_array(
            zarr.storage.MemoryStore(made),
            name=name,
            shape=array.shape,
            dtype=array.dtype,
            chunks=(chunk, *inner),
            shards=(shard, *inner),
            compressors=None,
            fill_value=0,
            config={"write_empty_chunks": True},
        )
        if array.size:
            z[...] = array
        contents = {file: buffer.to_bytes() for file, buffer in made.items() if file.startswith(f"{name}/")}
        group = name.rpartition("/")[0]
        with self.changing():
            for file in sorted(made):
                # Zarr's groups around the array, but its own, which gets a marker, and the root
                if file not in contents and file not in ("zarr.json", f"{group}/zarr.json"):
                    self.storage.write_new(file, made[file].to_bytes())
            self.storage.write(contents)
        self._hashes.update({file: hashlib.sha256(content).hexdigest() for file, content in contents.items()})

    def read(self, name: str) -> NDArray[Any] | None:
        """A whole array, None where there is none; DataError where it is damaged."""
        return self.read_arrays([name])[name]

    def read_arrays(self, names: Sequence[str]) -> dict[str, NDArray[Any] | None]:
        """Whole arrays of one group, each as :meth:`read` gives it, by name; a server is asked for them at once.

        Nothing is allocated before what an array declares was compared with the size of its file.
        """
        described = self.storage.contents({f"{name}/zarr.json": array_file.MOST for name in names})
        layouts = {
            name: array_file.parse_layout(bytes(described[f"{name}/zarr.json"]), f"{self.url}/{name}/zarr.json")
            for name in names
            if f"{name}/zarr.json" in described
        }
        sizes = {f"{name}/{layout.file}": layout.file_bytes for name, layout in layouts.items() if layout.file_bytes}
        for file, size in sizes.items():
            self._refuse_size(file, size)
        values = self.storage.contents(sizes)
        found: dict[str, NDArray[Any] | None] = dict.fromkeys(names)
        for name, layout in layouts.items():
            file = f"{name}/{layout.file}"
            content = np.frombuffer(values.get(file, b""), np.uint8)
            if file in sizes and len(content) != sizes[file]:
                raise DataError(f"{self.url}/{file} changed while it was read; read it when its writer has finished")
            found[name] = array_file.parse_values(layout, content, f"{self.url}/{file}")
        return found

    def _refuse_size(self, name: str, size: int) -> None:
        try:
            have = self.size(name)
        except OSError:
            have = 0
        if have != size:
            raise DataError(
                f"{self.url}/{name} has {have} bytes, and its zarr.json speaks of {size}; "
                f"`avreplay verify {self.url}` names the damaged files"
            )
