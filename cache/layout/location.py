"""Where a store lies, a local folder or any fsspec URL: its Zarr view, and its files as bytes."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

import fsspec
import numpy as np
import zarr
from numpy.typing import NDArray

from ...core.errors import DataError, UsageError
from .schema import BACKBONES, FORMAT, SCHEMA_VERSION

LOCKS = ".locks"
"""Folder of the files by which writers of parts keep out of each other's way; it is not part of the store."""


class Location:
    """One store's place. Paths inside are relative, with ``/``.

    Raises
    ------
    UsageError
        a URL whose filesystem needs a package that is not installed, or that nobody knows
    """

    def __init__(self, url: str | os.PathLike[str]) -> None:
        self.url = os.fspath(url).rstrip("/") or "/"
        try:
            self.fs, self.path = fsspec.core.url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise UsageError(f"cannot open {self.url}: {error}") from error
        self.is_local = "file" in self.fs.protocol
        self.zarr: Any
        if self.is_local:
            self.zarr = zarr.storage.LocalStore(self.path)
        else:
            self.zarr = zarr.storage.FsspecStore.from_url(self.url)

    def _full(self, name: str) -> str:
        return f"{self.path}/{name}" if name else self.path

    def exists(self, name: str = "") -> bool:
        return bool(self.fs.exists(self._full(name)))

    def files(self, name: str = "") -> list[str]:
        """Relative paths of all files below a folder, sorted."""
        if not self.exists(name):
            return []
        root = self.path.rstrip("/") + "/"
        found = (f[len(root) :] for f in self.fs.find(self._full(name)))
        return sorted(f for f in found if not f.startswith(f"{LOCKS}/"))

    def entries(self, name: str = "") -> list[tuple[str, bool]]:
        """Names of what lies directly in a folder, sorted, and whether each of them is a folder."""
        here = self._full(name).rstrip("/")
        if not self.fs.isdir(here):
            return []
        found = ((e["name"].rstrip("/"), e["type"] == "directory") for e in self.fs.ls(here, detail=True))
        # some object stores list the folder itself too
        return sorted((path.rpartition("/")[2], folder) for path, folder in found if path != here)

    def own_files(self) -> list[str]:
        """Relative paths of all files of the store but those of the stores inside it, sorted."""
        found = []
        for name, folder in self.entries():
            if not folder:
                found.append(name)
            elif name not in (LOCKS, BACKBONES):  # others may be writing there: it is not even looked at
                found += self.files(name)
        return sorted(found)

    def remove(self, name: str) -> None:
        if self.exists(name):
            self.fs.rm(self._full(name), recursive=True)
            self.fs.invalidate_cache()

    def sha256(self, name: str) -> str:
        digest = hashlib.sha256()
        with self.fs.open(self._full(name), "rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
        return digest.hexdigest()

    def size(self, name: str) -> int:
        return int(self.fs.size(self._full(name)))

    def attributes(self, name: str = "") -> dict[str, Any] | None:
        """Attributes of a group, None where there is no group; DataError where its zarr.json is damaged."""
        file = f"{name}/zarr.json" if name else "zarr.json"
        try:
            text = self.fs.cat_file(self._full(file))
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

    def set_attributes(self, name: str, attributes: dict[str, Any]) -> None:
        """Create a group or replace its attributes, in one atomic write of its zarr.json."""
        text = json.dumps({"attributes": attributes, "zarr_format": 3, "node_type": "group"}, indent=2)
        file = self._full(f"{name}/zarr.json" if name else "zarr.json")
        if self.is_local:
            os.makedirs(os.path.dirname(file), exist_ok=True)
            # the suffix that zarr gives its own unfinished files, so that one rule clears them all
            with open(f"{file}.partial", "w", encoding="utf-8") as out:
                out.write(text)
            os.replace(f"{file}.partial", file)
        else:
            self.fs.pipe_file(file, text.encode())

    def uncommit(self, name: str) -> None:
        """Remove a group's zarr.json: from now on the group does not count."""
        if self.exists(f"{name}/zarr.json"):
            self.fs.rm_file(self._full(f"{name}/zarr.json"))
            self.fs.invalidate_cache()

    def write(self, name: str, array: NDArray, chunk_rows: int) -> None:
        """Write an array as one uncompressed Zarr shard with inner chunks of ``chunk_rows`` rows."""
        chunk = max(1, min(chunk_rows, len(array)))
        shard = max(1, -(-len(array) // chunk)) * chunk
        inner = tuple(max(1, n) for n in array.shape[1:])
        z = zarr.create_array(
            self.zarr,
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

    def read(self, name: str) -> NDArray | None:
        """A whole array, None where there is none; DataError where it is damaged."""
        if not self.exists(f"{name}/zarr.json"):
            return None
        try:
            return np.asarray(zarr.open_array(self.zarr, path=name, mode="r")[...])
        except Exception as error:  # zarr and its codecs raise many kinds of errors on damaged bytes
            raise DataError(
                f"{self.url}/{name} cannot be read ({type(error).__name__}); `avreplay verify {self.url}` tells "
                "what is damaged"
            ) from error

    def clear_unfinished(self) -> None:
        """Remove the files that a killed writer left half-written. Nobody else may be writing."""
        if self.is_local:
            for name in self.own_files():
                if name.endswith(".partial"):
                    os.remove(self._full(name))

    def move(self, source: str, target: str) -> None:
        """Move a group to where none is; on a local path in one step, elsewhere its zarr.json comes last."""
        if self.is_local:
            os.rename(self._full(source), self._full(target))
            return
        names = sorted(self.files(source), key=lambda name: name == f"{source}/zarr.json")
        for name in names:
            self.fs.copy(self._full(name), self._full(f"{target}{name[len(source) :]}"))
        self.remove(source)

    def hashes(self, name: str, *, below: tuple[str, ...] = ()) -> dict[str, str]:
        """sha256 of every file of a group but its own zarr.json, by path within it; ``below`` names other groups."""
        prefix = f"{name}/"
        out = {}
        for file in self.files(name):
            inside = file[len(prefix) :]
            if inside != "zarr.json" and not inside.startswith(below):
                out[inside] = self.sha256(file)
        return out


def root_attributes(place: Location) -> dict[str, Any]:
    """Attributes of a store; one clear error for whatever is not a store that this version can read."""
    root = place.attributes()
    if root is None:
        if place.exists():
            raise DataError(f"{place.url} is not an avreplay store: it has no zarr.json; give the folder of a store")
        raise DataError(f"there is no store at {place.url}; check the path, or make one with `avreplay extract`")
    if root.get("format") != FORMAT:
        raise DataError(f"{place.url} is a Zarr group but not an avreplay store; give the folder of a store")
    version = root.get("schema_version")
    if not isinstance(version, int):
        raise DataError(f"{place.url} does not say its schema version; restore its zarr.json from a copy")
    if version > SCHEMA_VERSION:
        raise DataError(
            f"{place.url} has schema version {version}, this avreplay reads up to {SCHEMA_VERSION}; upgrade avreplay"
        )
    return root
