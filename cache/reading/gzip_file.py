"""What comes from outside packed with gzip, which its first bytes tell, or its name."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

from ...core.errors import DataError

SUFFIX = ".gz"

_MIB = 1 << 20
_MAGIC = b"\x1f\x8b"
_BLOCK = 1 << 16
_MEMBERS = 100_000


def unpacked(packed: bytes, where: str, what: str, most: int) -> bytes:
    """The content of a gzip file, unpacked in blocks. Raises: DataError where it is damaged or more than ``most``."""
    parts: list[bytes] = []
    size = members = 0
    stream = None
    try:
        for block in (*(packed[k : k + _BLOCK] for k in range(0, len(packed), _BLOCK)), b""):
            more = True
            while more:
                if stream is None:
                    if not block or (members and not block.strip(b"\0")):
                        break  # the end, or zeros that fill up the file
                    members += 1
                    if members > _MEMBERS:
                        raise DataError(f"{where} has more than {_MEMBERS} parts; pack it again with gzip")
                    stream = zlib.decompressobj(31)
                part = stream.decompress(block, _MIB)
                size += len(part)
                if size > most:
                    raise DataError(f"{where} unpacks to more than {most / _MIB:g} MiB, the most for one {what}")
                parts.append(part)
                block = stream.unconsumed_tail
                more = bool(block) or len(part) == _MIB
                if stream.eof:
                    block, stream = stream.unused_data, None
                    more = bool(block)
    except zlib.error:
        raise DataError(f"{where} is not a whole gzip file; pack it again, or give it unpacked") from None
    if stream is not None or not members:
        raise DataError(f"{where} is cut short; pack it again, or give it unpacked")
    return b"".join(parts)


def is_packed(content: bytes, path: str | os.PathLike[str]) -> bool:
    """Whether bytes begin as those of gzip do, which no UTF-8 text does, or their file has its name."""
    return content.startswith(_MAGIC) or os.fspath(path).lower().endswith(SUFFIX)


def plain_name(path: Path) -> str:
    """The name of a file without the ``.gz`` behind it."""
    return path.name.removesuffix(SUFFIX)


def or_packed(path: Path) -> Path:
    """A file, or the same packed where only that is there: its name with ``.gz`` behind it."""
    packed = path.with_name(path.name + SUFFIX) if path.name else path
    return packed if not os.path.exists(path) and os.path.exists(packed) else path
