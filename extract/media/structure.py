"""Whether the bytes of a file follow each other as its format wants, from the first to the last.

Readers go on after damage as if nothing were, and find the next thing that they know. Here a file is walked from piece
to piece (MPEG-TS packets, FLV tags, AVI chunks, packs of an MPEG program stream); whatever is no piece is damage.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

_TS_PACKETS = (188, 192, 204)
_TS_READ = 1 << 16
"""Packets that are looked at together."""
_NULL_PID = 0x1FFF

_PADDING_BYTES = 1 << 16
"""Zeros at the end of a program stream that may fill up its last sectors."""

_MOST_PIECES = 20_000_000
"""A walk ends here, so that a hostile file does not take hours."""


def first_damage(path: Path, format_name: str, counters: bool = True) -> int | None:
    """The byte at which a file's structure is first damaged; None if it is not, or its format is not walked.

    ``counters`` : look at the continuity counters of MPEG-TS, too; joined files need not have them in order
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if format_name == "mpegts":
            return _ts_damage(file, counters)
        if format_name == "flv":
            return _flv_damage(file)
        if format_name == "avi":
            return _avi_damage(file, size)
        return _ps_damage(file) if format_name == "mpeg" else None


def _ts_damage(file: BinaryIO, counters: bool) -> int | None:
    """MPEG-TS: every packet begins with 0x47, and counts on from the one before it of its kind (PID)."""
    head = np.frombuffer(file.read(_TS_PACKETS[-1] * 9), np.uint8)
    for size in _TS_PACKETS:  # a recording may begin within a packet
        fits = [first for first in range(size) if (head[first::size] == 0x47).all()]
        if fits and len(head) > size:
            break
    else:
        return 0
    position, last = fits[0], dict[int, int]()
    file.seek(position)
    while True:
        block = np.frombuffer(file.read(size * _TS_READ), np.uint8)
        packets = block[: len(block) // size * size].reshape(-1, size)
        if not len(packets):
            return None
        lost = np.flatnonzero(packets[:, 0] != 0x47)[:1]
        if counters and _counters_jump(packets[: lost[0] if len(lost) else None], last):
            return position
        if len(lost):
            return position + int(lost[0]) * size
        position += len(block)


def _counters_jump(packets: NDArray[np.uint8], last: dict[int, int]) -> bool:
    """Whether a counter does not go on; ``last`` holds that of each PID from one call to the next."""
    pids = (packets[:, 1].astype(np.int64) & 0x1F) << 8 | packets[:, 2]
    carries = (packets[:, 3] & 0x10 > 0) & (pids != _NULL_PID)
    announced = (packets[:, 3] & 0x20 > 0) & (packets[:, 4] > 0) & (packets[:, 5] & 0x80 > 0)
    for pid in np.unique(pids[carries]).tolist():
        chosen = carries & (pids == pid)
        counts = (packets[chosen, 3] & 0x0F).astype(np.int64)
        steps = np.diff(counts, prepend=last.get(pid, counts[0])) % 16
        steps[0] = steps[0] if pid in last else 0
        last[pid] = int(counts[-1])
        if ((steps > 1) & ~announced[chosen]).any():  # 0: a packet that was sent twice
            return True
    return False


def _flv_damage(file: BinaryIO) -> int | None:
    """FLV: tags of sound, pictures or script data, each followed by its length."""
    header = file.read(9)
    position, last = int.from_bytes(header[5:9], "big"), 0
    for _ in range(_MOST_PIECES):
        file.seek(position)
        tag = file.read(15)
        if len(tag) < 15:
            return None
        length = int.from_bytes(tag[5:8], "big")
        before = int.from_bytes(tag[:4], "big")
        if tag[4] & 0x1F not in (8, 9, 18) or before != last or any(tag[12:15]):  # the number of a stream, always 0
            return position
        position, last = position + 15 + length, 11 + length
    return None


def _avi_damage(file: BinaryIO, size: int) -> int | None:
    """AVI: chunks with a name of four letters and a length; lists hold further ones."""
    position = 0
    for _ in range(_MOST_PIECES):
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:
            return position if head.strip(b"\0") else None
        if not (head[:4].isascii() and head[:4].decode().isprintable()):
            return position
        length = int.from_bytes(head[4:8], "little")
        if head[:4] in (b"RIFF", b"LIST"):
            position += 12
            continue
        if position + 8 + length > size:
            return position
        position += 8 + length + length % 2
    return None


def _ps_damage(file: BinaryIO) -> int | None:
    """MPEG program stream: packs and packets that begin with 00 00 01; packets have a length."""
    position = 0
    for _ in range(_MOST_PIECES):
        file.seek(position)
        head = file.read(14)
        if len(head) < 6:
            return position if head.strip(b"\0") else None
        if not head.strip(b"\0"):
            return None if _pads_the_end(file, position) else position
        if head[:3] != b"\0\0\1" or head[3] < 0xB9:
            return position
        if head[3] == 0xB9:
            position += 4
        elif head[3] == 0xBA:
            position += 14 + (head[13] & 7) if len(head) == 14 and head[4] & 0xC0 == 0x40 else 12
        else:
            position += 6 + int.from_bytes(head[4:6], "big")
    return None


def _pads_the_end(file: BinaryIO, position: int) -> bool:
    """Whether only a few zeros follow."""
    file.seek(position)
    rest = file.read(_PADDING_BYTES + 1)
    return len(rest) <= _PADDING_BYTES and not rest.strip(b"\0")
