"""The place of a store, a local folder or any fsspec URL: its groups and arrays (Zarr v3), and its files as bytes."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import zarr
from numpy.typing import NDArray

from ...core.errors import DataError, UsageError
from ..atomic_write import PARTIAL, replace_file
from .schema import INNER_STORES_FOLDER

LOCKS_FOLDER = ".locks"
"""Folder of the lock files of writers of parts; not part of the store."""


class Location:
    """The place of one store. Names inside it are relative paths with ``/``; "" is the root.

    Raises
    ------
    UsageError
        a URL whose filesystem is unknown, or needs a package that is not installed
    """

    url: str
    path: str
    is_local: bool

    def __init__(self, url: str | os.PathLike[str]) -> None:
        self.url = os.fspath(url).rstrip("/") or "/"
        self._fs: Any
        self._zarr: Any
        try:
            self._fs, self.path = fsspec.core.url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise UsageError(f"cannot open {self.url}: {error}") from error
        self.is_local = "file" in self._fs.protocol
        if self.is_local:
            self._zarr = zarr.storage.LocalStore(self.path)
        else:
            self._zarr = zarr.storage.FsspecStore.from_url(self.url)

    def __repr__(self) -> str:
        return f"<Location: {self.url}>"

    def _full(self, name: str) -> str:
        return f"{self.path}/{name}" if name else self.path

    # --- files -------------------------------------------------------------------------------------------------

    def exists(self, name: str = "") -> bool:
        """Whether there is a file or folder of this name."""
        return bool(self._fs.exists(self._full(name)))

    def files(self, name: str = "") -> list[str]:
        """Relative paths of all files below a folder, sorted; lock files are left out."""
        if not self.exists(name):
            return []
        root = self.path.rstrip("/") + "/"
        found = (f[len(root) :] for f in self._fs.find(self._full(name)))
        return sorted(f for f in found if not f.startswith(f"{LOCKS_FOLDER}/"))

    def entries(self, name: str = "") -> list[tuple[str, bool]]:
        """Names of the files and folders directly in a folder, sorted, and whether each of them is a folder."""
        here = self._full(name).rstrip("/")
        if not self._fs.isdir(here):
            return []
        found = ((e["name"].rstrip("/"), e["type"] == "directory") for e in self._fs.ls(here, detail=True))
        # some object stores list the folder itself too
        return sorted((path.rpartition("/")[2], folder) for path, folder in found if path != here)

    def own_files(self) -> list[str]:
        """Relative paths of all files of the store, without those of the stores inside it, sorted."""
        found: list[str] = []
        for name, folder in self.entries():
            if not folder:
                found.append(name)
            elif name not in (LOCKS_FOLDER, INNER_STORES_FOLDER):  # others may be writing there: do not even list it
                found += self.files(name)
        return sorted(found)

    def remove(self, name: str) -> None:
        """Remove a file or a folder with its content; nothing happens where there is none."""
        if self.exists(name):
            self._fs.rm(self._full(name), recursive=True)
            self._fs.invalidate_cache()

    def sha256(self, name: str) -> str:
        """The hash of a file, in hex."""
        digest = hashlib.sha256()
        with self._fs.open(self._full(name), "rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
        return digest.hexdigest()

    def hashes(self, name: str, *, below: tuple[str, ...] = ()) -> dict[str, str]:
        """sha256 of every file of a group but its own zarr.json, by path within it; ``below`` names other groups."""
        prefix = f"{name}/"
        out: dict[str, str] = {}
        for file in self.files(name):
            inside = file[len(prefix) :]
            if inside != "zarr.json" and not inside.startswith(below):
                out[inside] = self.sha256(file)
        return out

    def size(self, name: str) -> int:
        """The size of a file in bytes."""
        return int(self._fs.size(self._full(name)))

    def clear_unfinished(self) -> None:
        """Remove the partly written files of a killed writer. The caller holds the lock of the store."""
        if self.is_local:
            for name in self.own_files():
                if name.endswith(PARTIAL):
                    os.remove(self._full(name))

    # --- groups ------------------------------------------------------------------------------------------------

    def attributes(self, name: str = "") -> dict[str, Any] | None:
        """Attributes of a group, None where there is no group; DataError where its zarr.json is damaged."""
        file = f"{name}/zarr.json" if name else "zarr.json"
        try:
            text = self._fs.cat_file(self._full(file))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise DataError(f"cannot read {self.url}/{file}: {error}") from error
        try:
            return dict(json.loads(text)["attributes"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{self.url}/{file} is damaged: it is not the JSON of a Zarr v3 group; restore it from a copy"
            ) from error

    def marker(self, name: str) -> dict[str, Any] | None:
        """Attributes of a committed group, which are written last; None where it is missing or unfinished."""
        attributes = self.attributes(name)
        return attributes if attributes and attributes.get("committed") else None

    def set_attributes(self, name: str, attributes: dict[str, Any]) -> None:
        """Create a group or replace its attributes, in one atomic write of its zarr.json."""
        text = json.dumps({"attributes": attributes, "zarr_format": 3, "node_type": "group"}, indent=2)
        file = self._full(f"{name}/zarr.json" if name else "zarr.json")
        if self.is_local:
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            replace_file(file, text.encode())
        else:
            self._fs.pipe_file(file, text.encode())

    def uncommit(self, name: str) -> None:
        """Remove a group's zarr.json: from now on the group does not count."""
        if self.exists(f"{name}/zarr.json"):
            self._fs.rm_file(self._full(f"{name}/zarr.json"))
            self._fs.invalidate_cache()

    def move(self, source: str, target: str) -> None:
        """Move a group to a name that is free: on a local path in one step, elsewhere with its zarr.json last."""
        if self.is_local:
            os.rename(self._full(source), self._full(target))
            return
        names = sorted(self.files(source), key=lambda name: name == f"{source}/zarr.json")
        for name in names:
            self._fs.copy(self._full(name), self._full(f"{target}{name[len(source) :]}"))
        self.remove(source)

    # --- arrays ------------------------------------------------------------------------------------------------

    def write(self, name: str, array: NDArray[Any], chunk_rows: int) -> None:
        """Write an array as one uncompressed Zarr shard with inner chunks of ``chunk_rows`` rows."""
        chunk = max(1, min(chunk_rows, len(array)))
        shard = max(1, -(-len(array) // chunk)) * chunk
        inner = tuple(max(1, n) for n in array.shape[1:])
        z = zarr.create_array(
            self._zarr,
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

    def read(self, name: str) -> NDArray[Any] | None:
        """A whole array, None where there is none; DataError where it is damaged."""
        if not self.exists(f"{name}/zarr.json"):
            return None
        try:
            return np.asarray(zarr.open_array(self._zarr, path=name, mode="r")[...])
        except Exception as error:  # zarr and its codecs raise many kinds of errors on damaged bytes
            raise DataError(
                f"{self.url}/{name} cannot be read ({type(error).__name__}); `avreplay verify {self.url}` names "
                "the damaged files"
            ) from error
