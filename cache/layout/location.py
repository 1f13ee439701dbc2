"""The groups and arrays of a store (Zarr v3) at its place, a local folder or a URL."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ...core.errors import DataError
from ..storage.place import Place
from . import array_file, group_file
from .array_rows import ArrayRows
from .schema import INNER_STORES_FOLDER

_AT_ONCE = 32 << 20
"""Bytes of a file of values that is made in memory and written in one piece."""


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
        """Write an array as one uncompressed Zarr shard with inner chunks of ``chunk_rows`` rows."""
        self.write_rows(name, array.shape, array.dtype, chunk_rows, [array])

    def write_rows(
        self, name: str, shape: tuple[int, ...], dtype: DTypeLike, chunk_rows: int, blocks: Iterable[NDArray[Any]]
    ) -> None:
        """As :meth:`write`, of an array whose rows come in blocks, of which few are in memory at once.

        Its bytes are hashed as they are written, so that they need not be read again.
        """
        chunk = max(1, min(chunk_rows, shape[0]))
        shard = max(1, -(-shape[0] // chunk)) * chunk
        inner = tuple(max(1, n) for n in shape[1:])
        made: dict[str, Any] = {}
        import zarr  # only what writes needs it, and it takes a fifth of a second

        zarr.create_array(
            zarr.storage.MemoryStore(made),
            name=name,
            shape=shape,
            dtype=dtype,
            chunks=(chunk, *inner),
            shards=(shard, *inner),
            compressors=None,
            fill_value=0,
            config={"write_empty_chunks": True},
        )
        described = {f"{name}/zarr.json": made.pop(f"{name}/zarr.json").to_bytes()}
        layout = array_file.parse_layout(described[f"{name}/zarr.json"], name)
        values = f"{name}/{layout.file}"
        digest = hashlib.sha256()
        group = name.rpartition("/")[0]
        with self.changing():
            for file in sorted(made):
                # Zarr's groups around the array, but its own, which gets a marker, and the root
                if file not in ("zarr.json", f"{group}/zarr.json"):
                    self.storage.write_new(file, made[file].to_bytes())
            pieces = _hashed(array_file.value_pieces(layout, blocks), digest)
            if layout.file_bytes == 0:
                self.storage.write(described)
            elif layout.file_bytes <= _AT_ONCE:
                self.storage.write({**described, values: b"".join(pieces)})
            else:
                self.storage.write(described)
                self.storage.write_pieces(values, layout.file_bytes, pieces)
        self._hashes.update({file: hashlib.sha256(content).hexdigest() for file, content in described.items()})
        if layout.file_bytes:
            self._hashes[values] = digest.hexdigest()

    def read(self, name: str) -> NDArray[Any] | None:
        """A whole array, None where there is none; DataError where it is damaged."""
        return self.read_arrays([name])[name]

    def read_arrays(self, names: Sequence[str]) -> dict[str, NDArray[Any] | None]:
        """Whole arrays of one group, each as :meth:`read` gives it, by name; a server is asked for them at once.

        Nothing is allocated before what an array declares was compared with the size of its file.
        """
        layouts = self.layouts(names)
        sizes = {f"{name}/{layout.file}": layout.file_bytes for name, layout in layouts.items() if layout.file_bytes}
        values = self.storage.contents(sizes)
        found: dict[str, NDArray[Any] | None] = dict.fromkeys(names)
        for name, layout in layouts.items():
            file = f"{name}/{layout.file}"
            content = np.frombuffer(values.get(file, b""), np.uint8)
            if file in sizes and len(content) != sizes[file]:
                raise DataError(f"{self.url}/{file} changed while it was read; read it when its writer has finished")
            found[name] = array_file.parse_values(layout, content, f"{self.url}/{file}")
        return found

    def layouts(self, names: Sequence[str]) -> dict[str, array_file.Layout]:
        """How the values of arrays of one group lie, by name; those that are not there are left out.

        Raises: DataError where one is damaged, or its file of values has another size.
        """
        described = self.storage.contents({f"{name}/zarr.json": array_file.MOST for name in names})
        layouts = {
            name: array_file.parse_layout(bytes(described[f"{name}/zarr.json"]), f"{self.url}/{name}/zarr.json")
            for name in names
            if f"{name}/zarr.json" in described
        }
        for name, layout in layouts.items():
            if layout.file_bytes:
                self._refuse_size(f"{name}/{layout.file}", layout.file_bytes)
        return layouts

    def open_rows(self, names: Sequence[str]) -> dict[str, ArrayRows]:
        """Arrays of one group to read rows of, by name; those that are not there are left out.

        Raises: DataError where one is damaged, as far as that is seen without its values.
        """
        return self.open_layouts(self.layouts(names))

    def open_layouts(self, layouts: Mapping[str, array_file.Layout]) -> dict[str, ArrayRows]:
        """As :meth:`open_rows`, of arrays whose layouts are known."""
        found = {}
        for name, layout in layouts.items():
            file = f"{name}/{layout.file}"
            try:
                ranges = self.storage.open_ranges(file) if layout.file_bytes else None
            except (FileNotFoundError, NotADirectoryError):
                raise DataError(
                    f"{self.url}/{file} changed while it was read; read it when its writer has finished"
                ) from None
            found[name] = ArrayRows(layout, ranges, f"{self.url}/{file}")
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


def _hashed(pieces: Iterable[memoryview], digest: Any) -> Iterator[memoryview]:
    """The pieces as they are, which update a digest as they pass."""
    for piece in pieces:
        digest.update(piece)
        yield piece
