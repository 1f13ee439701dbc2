"""The files of one array: Zarr v3, one uncompressed shard of equal inner chunks along the first axis, and nothing else.

That is all that :meth:`.location.Location.write` makes, so it is read with NumPy: what zarr.json declares is compared
with the size of the file of values before anything is allocated, however many chunks or rows it speaks of.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ..reading.files import MIB
from ..reading.json_file import parse_json
from ..reading.schema import checked

MOST = MIB
"""Bytes of the zarr.json of an array."""

DTYPES = {
    "float16": "<f2", "float32": "<f4", "float64": "<f8", "int32": "<i4", "int64": "<i8", "bool": "|b1",
}  # fmt: skip
"""Types of values that are written."""

NOT_BOOLEAN = "it holds bytes that are neither true nor false"

_Length = Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]
_MOST_CELLS = 1 << 60


class _Grid(msgspec.Struct):
    chunk_shape: list[_Length]


class _GridOf(msgspec.Struct):
    name: str
    configuration: _Grid


class _Codec(msgspec.Struct):
    name: str
    configuration: dict[str, Any] = {}


class _Array(msgspec.Struct):
    zarr_format: int
    node_type: str
    shape: Annotated[list[_Length], msgspec.Meta(min_length=1, max_length=8)]
    data_type: str
    chunk_grid: _GridOf
    chunk_key_encoding: _Codec
    codecs: Annotated[list[_Codec], msgspec.Meta(max_length=4)]


class Layout(msgspec.Struct, frozen=True):
    """How the values of an array lie in its one file: ``chunks`` of ``chunk`` rows each, then an index of 16 bytes a
    chunk and its checksum."""

    shape: tuple[int, ...]
    dtype: str
    chunk: int
    chunks: int

    @property
    def row_bytes(self) -> int:
        return math.prod(self.shape[1:]) * np.dtype(self.dtype).itemsize

    @property
    def chunk_bytes(self) -> int:
        return self.chunk * self.row_bytes

    @property
    def file(self) -> str:
        """The file of values, beside zarr.json."""
        return "/".join(["c", *("0" for _ in self.shape)])

    @property
    def file_bytes(self) -> int:
        """The size of the file of values; 0 where there is none, as nothing is in the array."""
        return 0 if math.prod(self.shape) == 0 else self.chunks * (self.chunk_bytes + 16) + 4


_known: dict[bytes, Layout] = {}
"""Layouts by their zarr.json: arrays of full shards have the same. A few of those parsed last."""
_MOST_KNOWN, _MOST_KEPT = 64, 4096


def parse_layout(content: bytes, where: str) -> Layout:
    """The layout that an array's zarr.json declares. Raises: DataError for another than is written here."""
    found = _known.get(content)
    if found is None:
        found = _parsed(content, where)
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        if len(content) <= _MOST_KEPT:
            _known[content] = found
    return found


def _parsed(content: bytes, where: str) -> Layout:
    array = checked(parse_json(content, where), _Array, where, "restore it from a copy")
    shape, grid = tuple(array.shape), array.chunk_grid
    dtype = DTYPES.get(array.data_type)
    inner = array.codecs[0].configuration.get("chunk_shape") if len(array.codecs) == 1 else None
    tail = [max(1, n) for n in shape[1:]]
    if (
        (array.zarr_format, array.node_type, grid.name) != (3, "array", "regular")
        or array.chunk_key_encoding != _Codec("default", {"separator": "/"})
        or dtype is None
        or math.prod(max(1, n) for n in shape) > _MOST_CELLS
        or not isinstance(inner, list)
        or not inner
        or type(inner[0]) is not int
        or not 1 <= inner[0] <= 1 << 40
        or inner[1:] != tail
        or array.codecs[0] != _sharding(inner, dtype)
        or grid.configuration.chunk_shape != [max(1, -(-shape[0] // inner[0])) * inner[0], *tail]
    ):
        raise DataError(
            f"{where} does not describe an array of a store: it must be one uncompressed shard of "
            f"{', '.join(DTYPES)}; restore it from a copy"
        )
    return Layout(shape, dtype, inner[0], grid.configuration.chunk_shape[0] // inner[0])


def _sharding(inner: list[int], dtype: str) -> _Codec:
    """The only codec that is written."""
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    return _Codec(
        "sharding_indexed",
        {
            "chunk_shape": inner,
            "codecs": [{"name": "bytes"} if dtype == "|b1" else little],
            "index_codecs": [little, {"name": "crc32c"}],
            "index_location": "end",
        },
    )


def value_pieces(layout: Layout, blocks: Iterable[NDArray[Any]]) -> Iterator[memoryview]:
    """The bytes of a file of values, from the rows of its array in blocks, as Zarr writes them."""
    rows = 0
    for block in blocks:
        rows += len(block)
        if block.size:
            yield np.ascontiguousarray(block, layout.dtype).reshape(-1).view(np.uint8).data
    assert rows == layout.shape[0]
    padding = (layout.chunks * layout.chunk - rows) * layout.row_bytes
    for first in range(0, padding, MIB):
        yield memoryview(bytes(min(MIB, padding - first)))
    place = np.full((layout.chunks, 2), layout.chunk_bytes, "<u8")
    place[:, 0] *= np.arange(layout.chunks, dtype=np.uint64)
    index = place.tobytes()
    yield memoryview(index + crc32c(index).to_bytes(4, "little"))


def crc32c(content: bytes) -> int:
    """The checksum of an index (Castagnoli's polynomial)."""
    found = 0xFFFFFFFF
    for byte in content:
        found = _CRC[(found ^ byte) & 0xFF] ^ (found >> 8)
    return found ^ 0xFFFFFFFF


def _crc_of(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_CRC = tuple(map(_crc_of, range(256)))


def parse_values(layout: Layout, content: NDArray[np.uint8], where: str) -> NDArray[Any]:
    """The array in the bytes of its file of values, whose number the caller has compared with ``file_bytes``.

    Raises: DataError where the index or a value is damaged.
    """
    if layout.file_bytes == 0:
        return np.zeros(layout.shape, layout.dtype)
    body = layout.chunks * layout.chunk_bytes
    at = chunk_order(layout, content[body : body + 16 * layout.chunks].tobytes(), where)
    chunks = content[:body].reshape(layout.chunks, layout.chunk_bytes)
    if at is not None:
        chunks = chunks[at]
    if layout.dtype == "|b1" and chunks.max(initial=0) > 1:
        raise DataError(f"{where} is damaged: {NOT_BOOLEAN}")
    rows: NDArray[Any] = chunks.reshape(-1).view(layout.dtype).reshape(-1, *layout.shape[1:])
    return rows[: layout.shape[0]]


def chunk_order(layout: Layout, index: bytes, where: str) -> NDArray[np.int64] | None:
    """Where each chunk lies among those in the file of values, by the file's index; None for their own order.

    Raises: DataError where the index is damaged.
    """
    place = np.frombuffer(index, "<u8").reshape(layout.chunks, 2)
    at, rest = np.divmod(place[:, 0], np.uint64(layout.chunk_bytes))
    in_order = np.arange(len(at))
    if (place[:, 1] != layout.chunk_bytes).any() or rest.any() or not np.array_equal(np.sort(at), in_order):
        raise DataError(f"{where} is damaged: the index of its chunks does not fit its size")
    return None if np.array_equal(at, in_order) else at.astype(np.int64)
