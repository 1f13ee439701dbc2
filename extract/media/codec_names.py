"""The name that a file gives to a codec for which FFmpeg has no decoder, and often no name either.

Read from the header of mp4 (the sample entry's four characters), Matroska (CodecID) and AVI (the four characters, or
the number of the sound format).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .container_ends import EBML

_HEAD_BYTES = 1 << 20
"""How much of a file is searched for its header; an mp4's index is found wherever it is, up to this size."""

_MP4_KINDS = {b"vide": "video", b"soun": "audio"}
_AVI_KINDS = {b"vids": "video", b"auds": "audio"}
_MATROSKA_CODEC = re.compile(rb"\x86([\x81-\xbf])([VA])_", re.DOTALL)
"""The element CodecID: its number, its length with the first bit set, its text."""
_MATROSKA_KINDS = {b"V": "video", b"A": "audio"}


def codec_name(path: Path, kind: str, number: int) -> str:
    """What the file calls the codec of its track of this number among those of the kind, ``video`` or ``audio``.

    An unnamed one is ``unknown codec``.
    """
    with open(path, "rb") as file:
        head = file.read(_HEAD_BYTES)
    if head[:4] == EBML:
        names = [name for found, name in _matroska_tracks(head) if found == kind]
    elif head[:4] == b"RIFF":
        names = [name for found, name in _avi_tracks(head) if found == kind]
    else:
        names = [name for found, name in _mp4_tracks(_mp4_index(path)) if found == kind]
    return names[number] if number < len(names) else "unknown codec"


def _printable(name: bytes) -> str:
    """Four characters, what cannot be printed as its number."""
    text = name.decode("latin-1").strip()
    return text if text.isascii() and text.isprintable() and text else f"0x{name.hex()}"


def _matroska_tracks(head: bytes) -> Iterator[tuple[str, str]]:
    for found in _MATROSKA_CODEC.finditer(head):
        name = head[found.start(2) :][: found[1][0] & 0x7F].decode("latin-1")
        if name.isascii() and name.isprintable():
            yield _MATROSKA_KINDS[found[2]], name


def _avi_tracks(head: bytes) -> Iterator[tuple[str, str]]:
    for found in re.finditer(rb"strh.{4}(vids|auds).*?strf", head[: 1 << 16], re.DOTALL):
        kind = _AVI_KINDS[found[1]]
        form = head[found.end() + 4 :]
        yield kind, _printable(form[16:20]) if kind == "video" else f"0x{int.from_bytes(form[:2], 'little'):04x}"


def _mp4_index(path: Path) -> bytes:
    """The box ``moov`` without its header, at most `_HEAD_BYTES` of it."""
    with open(path, "rb") as file:
        for kind, start, end in _boxes_of_file(file):
            if kind == b"moov":
                file.seek(start)
                return file.read(min(end - start, _HEAD_BYTES))
    return b""


def _boxes_of_file(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    position = 0
    for _ in range(10_000):
        file.seek(position)
        header = file.read(16)
        length, skip = int.from_bytes(header[:4], "big"), 8
        if length == 1:
            length, skip = int.from_bytes(header[8:16], "big"), 16
        if len(header) < 8 or length < 8 or position + length > 1 << 62:
            return
        yield header[4:8], position + skip, position + length
        position += length


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position + 8 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        if length < 8:
            return
        yield data[position + 4 : position + 8], data[position + 8 : position + length]
        position += length


def _mp4_tracks(index: bytes) -> Iterator[tuple[str, str]]:
    for name, track in _boxes(index):
        media = dict(_boxes(dict(_boxes(track)).get(b"mdia", b""))) if name == b"trak" else {}
        kind = _MP4_KINDS.get(media.get(b"hdlr", b"")[8:12])
        table = dict(_boxes(dict(_boxes(media.get(b"minf", b""))).get(b"stbl", b"")))
        entry = table.get(b"stsd", b"")[12:16]
        if kind and entry:
            yield kind, _printable(entry)
