"""What an array from outside may be: plain numbers or text, of a size that is known before memory is taken."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError, shown

MAX_AXES = 32
FREE = 256 << 20
"""Bytes that an array may have however little its file holds."""

RATIO = 100
"""How many times the bytes of the file an array beyond :data:`FREE` may have."""

_PLAIN = re.compile(r"[<>|=]?(?:b1|[iu][1248]|f(?:2|4|8|12|16)|[SU](?:0|[1-9]\d{0,8}))")
_KINDS = {"O": "pickled objects", "V": "raw bytes or a structure", "c": "complex numbers", "M": "dates", "m": "times"}
_SHOWN = 12
_TYPE_MAX = (1 << 63) - 1


def plain_dtype(text: str, where: str) -> np.dtype[Any]:
    """The dtype that a file declares, as ``<f4``: truth values, whole numbers, floats or text.

    Raises: DataError for any other; pickled objects are never loaded.
    """
    kind = text.lstrip("<>|=")[:1]
    if kind in _KINDS:
        never = ", which are never loaded" if kind == "O" else ""
        raise DataError(f"{where} holds {_KINDS[kind]}{never}; save plain numbers or text")
    try:
        if _PLAIN.fullmatch(text):
            return np.dtype(text)
    except TypeError:
        pass
    raise DataError(f"{where} has the dtype {shown(text)}, which is not read; save plain numbers or text")


def bytes_of(shape: tuple[int, ...], dtype: np.dtype[Any], where: str) -> int:
    """The size of an array that a file declares.

    Raises: DataError for more than 32 axes, or sizes beyond what an array may have.
    """
    if len(shape) > MAX_AXES or math.prod(max(n, 1) for n in shape) * max(dtype.itemsize, 1) > _TYPE_MAX:
        raise DataError(f"{where} declares the shape {shown(shape)}, which no array can have; the file is damaged")
    return math.prod(shape) * dtype.itemsize


def new_array(shape: tuple[int, ...], dtype: np.dtype[Any], where: str) -> NDArray[Any]:
    """Memory for an array whose size was checked. Raises: DataError where there is too little."""
    try:
        return np.empty(shape, dtype)
    except MemoryError:
        size = human(bytes_of(shape, dtype, where))
        raise DataError(f"there is too little memory for {where}, which is {size}; close other programs") from None


def refuse_bad_values(array: NDArray[Any], where: str) -> None:
    """Raises: DataError for truth values that are neither 0 nor 1, and for text that is not Unicode."""
    if array.size == 0 or array.dtype.itemsize == 0:
        return
    flat = array.reshape(-1, order="A")
    if array.dtype.kind == "b" and int(flat.view(np.uint8).max()) > 1:
        raise DataError(f"{where} holds truth values that are neither 0 nor 1; save it again")
    if array.dtype.kind == "U":
        points = flat.view(np.dtype(np.uint32).newbyteorder(array.dtype.byteorder))
        if int(points.max()) > 0x10FFFF or ((points >= 0xD800) & (points < 0xE000)).any():
            raise DataError(f"{where} holds text that is not Unicode; save it again")


def missing_array(path: str, name: str, present: Sequence[str]) -> DataError:
    """The error for an array that a file does not hold; it lists those that are ``present``."""
    listed = ", ".join(name if name.isprintable() else shown(name) for name in present[:_SHOWN])
    more = f", ... ({len(present)})" if len(present) > _SHOWN else ""
    return DataError(f"{path} has no array {shown(name)}; it holds {listed[:1000] or 'none'}{more}")


def human(size: int) -> str:
    """A size in bytes for a message."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 1000)):
        if size >= factor:
            return f"{size / factor:,.1f} {unit}"
    return f"{size} bytes"
