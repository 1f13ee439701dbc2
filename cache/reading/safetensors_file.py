"""The header of a safetensors file from outside, checked before the library that reads tensors sees it."""

from __future__ import annotations

import math
import os
from typing import Annotated, Any

import msgspec

from ...core.errors import DataError, shown
from .arrays import human
from .files import MIB, open_regular
from .json_file import parse_json
from .schema import checked

_MAX_HEADER = 100 * MIB
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32,
    "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64,
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
    return tensors, metadata
