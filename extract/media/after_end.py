"""What lies in a file after its end: another recording, or bytes of which FFmpeg reads nothing."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import BinaryIO

from ...cache import Note
from .opening import MediaError

_LEAST_BYTES = 256
_MOST_BOXES = 200_000
_MP4, _WAV, _MATROSKA = "mov,mp4,m4a,3gp,3g2,mj2", "wav", "matroska,webm"
_EBML = bytes.fromhex("1A45DFA3")
"""Begins a Matroska file."""


def after_the_end(path: Path, format_name: str, read: int) -> tuple[Note, ...]:
    """A note if an mp4, mov or wav file goes on after its end; Matroska files are only looked through for another one.

    ``read`` : the byte after the last packet; FFmpeg reads two joined Matroska files, of more the first two

    Raises
    ------
    MediaError
        ``unreadable``: another recording follows, which would be missing
    """
    if format_name not in (_MP4, _WAV, _MATROSKA):
        return ()
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if format_name == _MATROSKA:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                found = data.find(_EBML, read)
            end, another = size, None if found < 0 else found
        else:
            end, another = _end_of_boxes(file, size) if format_name == _MP4 else _end_of_riff(file, size)
    if another is not None:
        reason = f"another recording begins at byte {another} of the file; joined files of this format cannot be read"
        raise MediaError("unreadable", reason)
    if size - end <= _LEAST_BYTES:
        return ()
    return (Note("unread_data", f"{size - end} bytes after the end of the recording were not read"),)


def _end_of_boxes(file: BinaryIO, size: int) -> tuple[int, int | None]:
    """Where the boxes of an mp4 end, and where another file with an index of its own begins.

    Fragments may repeat the index; their time stamps say how they follow each other.
    """
    position, begin, indices, another = 0, 0, 0, None
    for _ in range(_MOST_BOXES):
        file.seek(position)
        head = file.read(16)
        kind, length = head[4:8], int.from_bytes(head[:4], "big")
        if kind == b"moof":
            return size, None
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        elif length == 0 and len(head) >= 8:
            length = size - position
        if not indices and (length < 8 or position + length > size):
            return size, None  # it is cut
        if length < 8 or position + length > size or not kind.isalnum():
            break
        begin = position if kind == b"ftyp" else begin
        indices += kind == b"moov"
        if indices == 2 and another is None:
            another = begin or position
        position += length
    return position, another


def _end_of_riff(file: BinaryIO, size: int) -> tuple[int, int | None]:
    """Where a wav ends by its header, if it says so, and where another one begins."""
    head = file.read(12)
    length = int.from_bytes(head[4:8], "little")
    if head[:4] != b"RIFF" or length in (0, 0xFFFFFFFF):
        return size, None
    end = min(8 + length + length % 2, size)
    file.seek(end)
    following = file.read(12)
    return end, end if following[:4] == b"RIFF" and following[8:] == b"WAVE" else None
