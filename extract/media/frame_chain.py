"""Whether the frames of a bare mp3 or AAC file follow each other without a gap.

These files have no time stamps: time is the number of frames so far. Where bytes are lost, FFmpeg finds the next frame
and all sound after it comes too early, by a time that nothing tells. Tags between frames (of joined files) are no gap.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path

from .opening import MediaError

_Length = Callable[[mmap.mmap, int], int]

_KBITS = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""By MPEG version (2 and 2.5 alike) and layer."""

_RATES = (44100, 48000, 32000)

_HEADERS_BYTES = 10
_SOUGHT_BYTES = 1 << 20
"""How far the next frame after a gap is looked for."""

_REST_BYTES = 1 << 13
"""The rest of a frame, with which a recording of a broadcast may begin or end, is not longer."""

_COUNTS = (b"Xing", b"Info", b"VBRI")
"""Words in the first frame of a file that says how many follow."""

_TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN")

_LOST_FRAMES = 4
"""So many damaged frames of equal length may lie in a gap: their number is known, and sound moves by 0.1 s at most."""


def refuse_broken_chain(path: Path, format_name: str) -> None:
    """Raise if there is a gap between the frames of an mp3 or AAC file; no other format is looked at.

    Raises
    ------
    MediaError
        ``unreadable``, with the place of the gap
    """
    if format_name not in ("mp3", "aac"):
        return
    length = _mpeg_length if format_name == "mp3" else _adts_length
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        position, frame = _after_tags(data, 0), 0
        counted = any(word in data[position : position + 256] for word in _COUNTS)
        while position < len(data):
            size, tagged = length(data, position), _after_tags(data, position)
            if size or tagged > position:
                position, frame = (position + size, size) if size else (tagged, frame)
                continue
            begin = position - frame  # the last frame may be the damaged one, whose length leads astray
            following = _next_frame(data, begin + 1, length)
            if following is None:
                rest = data[position:]
                if not counted and len(rest) > _REST_BYTES and not any(word in rest for word in _TAGS):
                    raise MediaError("truncated", f"the last {len(rest)} bytes of the file are no sound")
                return
            if not frame and following - position > _REST_BYTES and any(data[position:following]):
                raise MediaError("unreadable", f"the first {following} bytes of the file are no sound")
            if frame and not _is_known(data, begin, following, frame if format_name == "mp3" else 0, length):
                reason = (
                    f"the frames of the sound do not follow each other at byte {position}: what is lost is not known"
                )
                raise MediaError("unreadable", reason)
            position, frame = following, 0


def _is_known(data: mmap.mmap, begin: int, following: int, frame: int, length: _Length) -> bool:
    """Whether it is known how much sound a gap holds: a few frames of equal length, or none where files are joined."""
    head = data[following : following + length(data, following)]
    if any(word in head for word in _COUNTS) or data.find(b"ID3", begin, following) >= 0:
        return True
    frames = round((following - begin) / frame) if frame else 0
    return 0 < frames <= _LOST_FRAMES and abs(following - begin - frames * frame) <= frames


def _next_frame(data: mmap.mmap, begin: int, length: _Length) -> int | None:
    """The next byte at which three frames follow each other."""
    position = begin
    while True:
        position = data.find(b"\xff", position, begin + _SOUGHT_BYTES)
        if position < 0:
            return None
        end = position
        for _ in range(3):
            size = length(data, end)
            end += size
            if not size:
                break
        else:
            return position
        position += 1


def _after_tags(data: mmap.mmap, position: int) -> int:
    """Where the tags that begin at a byte end; the byte itself if there is none."""
    head = data[position : position + 32]
    if head[:3] == b"ID3" and len(head) >= _HEADERS_BYTES:
        return position + 10 + sum((byte & 0x7F) << 7 * (3 - k) for k, byte in enumerate(head[6:10]))
    if head[:3] == b"TAG":
        return position + 128
    if head[:8] == b"APETAGEX" and len(head) == 32:
        size = int.from_bytes(head[12:16], "little")  # from the end of the header to that of the footer
        return position + size + (32 if head[23] & 0x20 else 0)
    return position


def _mpeg_length(data: mmap.mmap, position: int) -> int:
    """The bytes of an MPEG sound frame; 0 if there is none, or its length is not said."""
    head = data[position : position + 4]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bits, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or bits in (0, 15) or rate == 3:
        return 0
    kbits = _KBITS[1 if version == 3 else 2, layer][bits]
    hertz = _RATES[rate] // {3: 1, 2: 2, 0: 4}[version]
    padding = head[2] >> 1 & 1
    if layer == 1:
        return (12000 * kbits // hertz + padding) * 4
    return (72000 if layer == 3 and version != 3 else 144000) * kbits // hertz + padding


def _adts_length(data: mmap.mmap, position: int) -> int:
    """The bytes of an ADTS frame; 0 if there is none."""
    head = data[position : position + 7]
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return 0
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return size if size > 7 else 0
