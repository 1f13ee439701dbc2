"""Where a recording ends by the structure of its container: what follows in the file belongs to something else.

Each function gets a file and its size, and gives the byte after the recording's last piece; the size of the file where
the structure does not tell (written into a pipe, cut, damaged).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from .ogg_pages import ogg_pages

_MOST_PIECES = 20_000_000
_OPEN_SIZES = (0, 0xFFFFFFFF)
EBML, _SEGMENT = bytes.fromhex("1A45DFA3"), bytes.fromhex("18538067")
_TOP = (EBML, _SEGMENT, b"\xec", b"\xbf")
"""Elements of Matroska that may follow a segment; void, and checksums, too."""
_IN_SEGMENT = (
    *(bytes.fromhex(name) for name in ("114D9B74", "1549A966", "1654AE6B", "1F43B675", "1C53BB6B", "1254C367")),
    *(bytes.fromhex(name) for name in ("1043A770", "1941A469", "E7", "A3", "A0", "A7", "AB", "5854")),
)
"""Those in a segment, and in a cluster."""

_ASF_OBJECTS = tuple(
    bytes.fromhex(begin) for begin in ("3026B275", "3626B275", "90080033", "D329E2D6", "F803B1FE", "D03FB73C")
)
"""How the GUIDs of the header, the data and the indices begin."""

End = Callable[[BinaryIO, int], int]


def end_of_riff(file: BinaryIO, size: int) -> int:
    """AVI: RIFF chunks after each other."""
    position = 0
    while True:
        file.seek(position)
        head = file.read(12)
        if head[:4] != b"RIFF" or (position and head[8:] != b"AVIX"):
            return position or size
        length = int.from_bytes(head[4:8], "little")
        if length in _OPEN_SIZES:
            return size
        position += 8 + length + length % 2
        if position >= size:
            return size


def end_of_form(file: BinaryIO, size: int) -> int:
    """AIFF: one chunk."""
    head = file.read(8)
    length = int.from_bytes(head[4:8], "big")
    return size if head[:4] != b"FORM" or length in _OPEN_SIZES else min(8 + length + length % 2, size)


def end_of_matroska(file: BinaryIO, size: int) -> int:
    """Matroska and WebM: headers, each followed by a segment; FFmpeg reads two of them.

    Of a segment or cluster written into a pipe the size is not known: the elements in it are walked.
    """
    position, names = 0, tuple[bytes, ...](_TOP)
    for _ in range(_MOST_PIECES):
        if position >= size:
            break
        file.seek(position)
        head = file.read(16)
        name = next((name for name in names if head.startswith(name)), b"")
        if not name:
            return position or size
        coded = head[len(name) :]
        count = 9 - coded[0].bit_length() if coded[:1].strip(b"\0") else 9
        if count > 8 or len(coded) < count:
            return size
        length = int.from_bytes(coded[:count], "big") & ((1 << 7 * count) - 1)
        if length == (1 << 7 * count) - 1:
            length, names = 0, _TOP + _IN_SEGMENT
        position += len(name) + count + length
    return size


def end_of_asf(file: BinaryIO, size: int) -> int:
    """ASF: a header, the data, and indices."""
    position = 0
    for _ in range(_MOST_PIECES):
        file.seek(position)
        head = file.read(24)
        if len(head) < 24:
            return size
        if head[:4] not in _ASF_OBJECTS or (position and head[:4] == _ASF_OBJECTS[0]):
            return position or size
        length = int.from_bytes(head[16:24], "little")
        if length < 24 or position + length > size:
            return size
        position += length
    return size


def end_of_ogg(file: BinaryIO, size: int) -> int:
    """Ogg: pages; joined files follow each other."""
    return ogg_pages(file, size).end


def end_of_flac(file: BinaryIO, size: int, last: tuple[int, int]) -> int:
    """FLAC: its header tells the size of the largest frame; FFmpeg takes all that follows for the last one.

    ``last`` : first byte and size of the last packet
    """
    head = file.read(8)
    block = file.read(34)
    largest = int.from_bytes(block[7:10], "big")
    if head[:4] != b"fLaC" or head[4] & 0x7F or not largest:
        return size
    return min(last[0] + largest, size)


ENDS: dict[str, End] = {
    "avi": end_of_riff,
    "aiff": end_of_form,
    "matroska,webm": end_of_matroska,
    "asf": end_of_asf,
    "ogg": end_of_ogg,
}
"""By FFmpeg's demuxer."""

_RECORDINGS: tuple[tuple[int, bytes], ...] = (
    (4, b"ftyp"),
    (0, EBML),
    (0, b"FLV\1"),
    (0, b"OggS"),
    (0, b"fLaC"),
    (0, b"\0\0\1\xba"),
    (0, _ASF_OBJECTS[0]),
    (8, b"AVI "),
    (8, b"WAVE"),
    (8, b"AIFF"),
    (8, b"AIFC"),
)
"""What the formats begin with, and after how many bytes."""

_TS_PACKET = 188


def begins_recording(data: bytes) -> bool:
    """Whether a recording begins with these bytes (`RECORDING_BYTES`), by what its format begins with."""
    if any(data[at : at + len(word)] == word for at, word in _RECORDINGS):
        return True
    return len(data) == RECORDING_BYTES and set(data[::_TS_PACKET]) == {0x47}


RECORDING_BYTES = 5 * _TS_PACKET
"""So many bytes tell."""
