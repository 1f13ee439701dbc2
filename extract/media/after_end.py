"""What lies in a file after its end: another recording, or bytes of which FFmpeg reads nothing."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import BinaryIO

from ...cache import Note
from .container_ends import EBML, ENDS, RECORDING_BYTES, begins_recording, end_of_flac
from .opening import MediaError
from .scan import Scan

_LEAST_BYTES = 256
_MOST_BOXES = 200_000
_MP4, _WAV, _MATROSKA = "mov,mp4,m4a,3gp,3g2,mj2", "wav", "matroska,webm"
_WALKED = ("mpegts", "mpeg")
"""Formats that end where their structure is first damaged, if that is after the last packet."""

_FLV, _FLV_BACK = "flv", 4
"""A tag is looked at with the length of the one before it."""


def after_the_end(path: Path, scan: Scan, damage: int | None) -> tuple[Note, ...]:
    """A note if a file goes on after the end of the recording that is read.

    ``damage`` : the first damaged byte, of `structure.first_damage`

    Raises
    ------
    MediaError
        ``unreadable``: another recording follows, which would be missing
    """
    if not scan.positions:
        return ()
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        end, another = _end(file, size, scan, damage)
        if size - end > _LEAST_BYTES and another is None:
            file.seek(end)
            another = end if begins_recording(file.read(RECORDING_BYTES)) else None
    if another is not None:
        reason = f"another recording begins at byte {another} of the file; joined files of this format cannot be read"
        raise MediaError("unreadable", reason)
    if size - end <= _LEAST_BYTES:
        return ()
    return (Note("unread_data", f"{size - end} bytes after the end of the recording were not read"),)


def _end(file: BinaryIO, size: int, scan: Scan, damage: int | None) -> tuple[int, int | None]:
    """Where the recording ends that FFmpeg reads, and where another one of its format begins that it does not read."""
    name, last = scan.format_name, max(scan.positions)
    if name == _MP4:
        return _end_of_boxes(file, size)
    if name == _WAV:
        return _end_of_riff(file, size)
    if name == _FLV and damage is not None:
        file.seek(damage + _FLV_BACK)
        return size, damage + _FLV_BACK if begins_recording(file.read(RECORDING_BYTES)) else None
    if name == "mpeg" and damage is not None:
        # FFmpeg goes on into what follows, and may take some of it for packets of this recording
        file.seek(damage)
        if begins_recording(file.read(RECORDING_BYTES)):
            return damage, damage
    if name in _WALKED:
        return (size if damage is None or damage <= last[0] else damage), None
    if name == "flac":
        return end_of_flac(file, size, last), None
    if name not in ENDS:
        return size, None
    end = ENDS[name](file, size)
    if name == _MATROSKA:  # two that are joined are read, of more the first two
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            found = data.find(EBML, scan.last_byte)
        if found >= 0:
            return size, found
    return (end if end >= last[0] else size), None


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
