"""The pages of an Ogg file: where it ends, and whether it says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

_HEADER_BYTES = 27
_MOST_PIECES = 255
_MOST_PAGES = 20_000_000
_BEGINS, _ENDS = 2, 4
"""Flags of a page: the first of a track, and the last."""


@dataclass(frozen=True)
class OggPages:
    """What the pages of a file say.

    Attributes
    ----------
    end : the byte after the last of the pages that follow each other from the beginning
    cut : the last page is longer than the file
    open_end : a track has no last page: it was cut there, or recorded until someone hung up
    """

    end: int
    cut: bool
    open_end: bool


def ogg_pages(file: BinaryIO, size: int) -> OggPages:
    """Walk through the pages; ``size`` : of the file."""
    position, open_tracks = 0, set[bytes]()
    for _ in range(_MOST_PAGES):
        file.seek(position)
        head = file.read(_HEADER_BYTES + _MOST_PIECES)
        if head[:4] != b"OggS":
            break
        if len(head) < _HEADER_BYTES or len(head) < _HEADER_BYTES + head[26]:
            return OggPages(size, True, True)
        if head[5] & _BEGINS:
            open_tracks.add(head[14:18])
        if head[5] & _ENDS:
            open_tracks.discard(head[14:18])
        position += _HEADER_BYTES + head[26] + sum(head[_HEADER_BYTES : _HEADER_BYTES + head[26]])
        if position > size:
            return OggPages(size, True, True)
    return OggPages(position, False, bool(open_tracks))
