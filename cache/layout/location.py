"""The groups and arrays of a store (Zarr v3) at its place, a local folder or a URL."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ..storage.place import Place
from . import array_file, group_file
from .schema import INNER_STORES_FOLDER


class Location(Place):
    """The place of one store, as :class:`.storage.place.Place`, with its groups and arrays.

    The stores inside it are others, of which its own files know nothing.
    """

    others_folder = INNER_STORES_FOLDER

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
        import zarr  # only what writes needs it, and it takes a fifth of a second

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
