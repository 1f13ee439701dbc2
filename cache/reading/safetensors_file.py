"""The header of a safetensors file from outside, checked before the library that reads tensors sees it; and tensors
that are read without that library."""

from __future__ import annotations

import math
import os
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError, shown
from .arrays import human, missing_array, new_array
from .files import MIB, named, open_regular
from .json_file import parse_json
from .schema import checked

_MAX_HEADER = 100 * MIB
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32,
    "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64,
}  # fmt: skip
_DTYPES = {
    "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "F16": "<f2", "BF16": "<u2", "U32": "<u4", "I32": "<i4",
    "F32": "<f4", "U64": "<u8", "I64": "<i8", "F64": "<f8",
}  # fmt: skip
_Size = Annotated[int, msgspec.Meta(ge=0, le=1 << 48)]


class Tensor(msgspec.Struct, forbid_unknown_fields=True):
    """Where a tensor lies: its bytes ``data_offsets`` (from, to) behind the header."""

    dtype: str
    shape: Annotated[list[_Size], msgspec.Meta(max_length=32)]
    data_offsets: tuple[_Size, _Size]


def read_safetensors_header(
    path: str | os.PathLike[str], what: str, mend: str = "fetch it again"
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file by name, and its metadata.

    Raises: DataError where the file is missing or no regular file, its header is no such JSON, or the tensors do not
    fill the rest of the file one after the other; ``mend`` ends the message.
    """
    tensors, metadata, _ = _header(path, what, mend)
    return tensors, metadata


class SafetensorsFile:
    """The tensors of a safetensors file, read without the library of that name.

    Attributes
    ----------
    path : of the file
    tensors : what its header says, by name; all bytes are there

    Raises: DataError as :func:`read_safetensors_header`.
    """

    def __init__(self, path: str | os.PathLike[str], what: str) -> None:
        self.path: str = named(path)
        self._file, self._what = path, what
        self.tensors: dict[str, Tensor]
        self.tensors, _, self._begin = _header(path, what, "write it again")

    def rows(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """A tensor, or the rows ``start`` to ``stop`` of its first axis; bfloat16 becomes float32.

        Raises: DataError where there is none, its numbers are not of NumPy, or the file was changed meanwhile.
        """
        if name not in self.tensors:
            raise missing_array(self.path, name, list(self.tensors))
        tensor, where = self.tensors[name], f"{name} in {self.path}"
        dtype = _DTYPES.get(tensor.dtype)
        if dtype is None:
            raise DataError(f"{where} has the dtype {tensor.dtype}, which is not read; save it as float32")
        shape = tuple(tensor.shape)
        skipped = 0
        if stop is not None:
            skipped = start * math.prod(shape[1:]) * np.dtype(dtype).itemsize
            shape = (stop - start, *shape[1:])
        array = new_array(shape, np.dtype(dtype), where)
        with open_regular(self._file, self._what) as file:
            file.seek(self._begin + tensor.data_offsets[0] + skipped)
            target = memoryview(array.reshape(-1).view(np.uint8)) if array.size else memoryview(bytearray())  # type: ignore[arg-type]
            if array.size and file.readinto(target) < len(target):  # type: ignore[attr-defined]
                raise DataError(f"{where} is cut short; write the file again")
        if tensor.dtype == "BF16":  # the upper half of a float32
            return (array.astype(np.uint32) << 16).view(np.float32)
        return array


def _header(path: str | os.PathLike[str], what: str, mend: str) -> tuple[dict[str, Tensor], dict[str, str], int]:
    """As :func:`read_safetensors_header`, and where the bytes of the tensors begin."""
    name = os.fspath(path)
    with open_regular(path, what) as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _MAX_HEADER):
            raise DataError(f"{name} is damaged: its header would be {human(length)} of {human(size)}; {mend}")
        content = file.read(length)
    where = f"{name}, header"
    header = checked(parse_json(content, where), dict[str, Any], where, mend)
    metadata = checked(header.pop("__metadata__", {}), dict[str, str], f"{where}, __metadata__", mend)
    tensors = checked(header, dict[str, Tensor], where, mend)
    end = 0
    for key, tensor in sorted(tensors.items(), key=lambda item: item[1].data_offsets):
        bits = _BITS.get(tensor.dtype)
        if bits is None:
            raise DataError(f"{name}: the tensor {shown(key)} has the dtype {shown(tensor.dtype)}, which is not read")
        begin, stop = tensor.data_offsets
        if begin != end or (stop - begin) * 8 != math.prod(tensor.shape) * bits:
            raise DataError(f"{name} is damaged: the bytes of {shown(key)} are not those of its shape; {mend}")
        end = stop
    told = 8 + length + end
    if told != size:
        raise DataError(f"{name} is damaged: it has {human(size)}, its header tells of {human(told)}; {mend}")
    return tensors, metadata, 8 + length
