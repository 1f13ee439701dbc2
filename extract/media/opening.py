"""Opening a media file, and what an error means: a property of the file, or of the machine at that moment.

A `MediaError` says something about the file, and is stored as its status. What the machine lacks (memory, file handles,
a disk that reads) is raised as it is, as `OSError` or `MemoryError`: another try may go well.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.error import FFmpegError

TIMED_FORMATS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
"""FFmpeg's demuxers of formats that store when each frame is shown; in the others only the decoder knows."""

HEADERLESS_FORMATS = ("mp3", "aac")
"""Formats that FFmpeg finds in any bytes that look a little like them: they are believed at the file's beginning."""

FORMATS = (
    *TIMED_FORMATS,
    "avi",
    "mpegts",
    "flv",
    "mpeg",
    "asf",
    "mxf",
    "ogg",
    "wav",
    "flac",
    "aiff",
    *HEADERLESS_FORMATS,
)
"""The FFmpeg demuxers a file may choose. Playlists and other formats that name further files are not among them."""

_OF_THE_MACHINE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOBUFS)
"""Errors of the system that say nothing about the file."""

_MP4_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp")

_ENOUGH_MEMORY = 256 << 20
"""Where there is this much, it is the file that asks for too much."""

_MOST_BOXES = 200_000
"""Boxes of an mp4 file that are looked at, so that a file of tiny ones does not take minutes."""


class MediaError(Exception):
    """A file from which nothing can be taken; ``status`` is one of `cache`'s video statuses."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@contextmanager
def judged(path: Path) -> Iterator[None]:
    """Let nothing be said about a file because of the machine.

    A `MediaError` from within stands only if every byte of the file can be read: FFmpeg takes a disk that fails for the
    end of the file. Where a byte cannot be read, OSError is raised.
    """
    try:
        yield
    except MediaError:
        check_readable(path)
        raise


def check_readable(path: Path) -> None:
    """Raises: OSError if the system cannot open the file or read it to its end; a file that is not there is none."""
    if not os.path.isfile(path):  # a pipe would be waited for, and a device has no end
        return
    try:
        with open(path, "rb", buffering=0) as file:
            buffer = bytearray(1 << 20)
            while file.readinto(buffer):
                pass
    except OSError as error:
        if error.errno in _OF_THE_MACHINE:
            raise


def check_machine(error: FFmpegError, path: Path) -> None:
    """Raise what the machine lacks, if that is what FFmpeg's error says.

    Raises
    ------
    MemoryError
        FFmpeg got no memory, and there is little: damaged files ask for more than any machine has
    OSError
        too many open files, or a disk that does not read. FFmpeg also says "I/O error" of a file that ends too early,
        so the file is read to know
    """
    if error.errno == errno.ENOMEM and not _has_memory():
        raise MemoryError(f"too little memory to read {path.name}") from error
    if error.errno == errno.EIO:
        check_readable(path)
    elif error.errno != errno.ENOMEM and error.errno in _OF_THE_MACHINE:
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def _has_memory() -> bool:
    try:
        bytearray(_ENOUGH_MEMORY)
    except MemoryError:
        return False
    return True


def check_file(path: Path) -> None:
    """Raises: MediaError if there is no regular file with bytes in it; OSError if the machine cannot tell."""
    try:
        if not os.path.isfile(os.fspath(path)):  # a pipe would block
            os.stat(path)
            raise MediaError("unreadable", "this is not a file")
        with open(path, "rb") as file:
            if not file.read(1):
                raise MediaError("empty_file", "the file has 0 bytes")
    except OSError as error:
        if error.errno in _OF_THE_MACHINE:
            raise
        reason = "this is not a file" if error.errno == errno.ENOENT else f"the file cannot be opened: {error.strerror}"
        raise MediaError("unreadable", reason) from error


@contextmanager
def open_media(path: Path, as_stored: bool = False) -> Iterator[InputContainer]:
    """Open a local file, whatever its name looks like, in one of `FORMATS`; what FFmpeg raises becomes MediaError.

    ``as_stored`` : packets as the format stores them, also those that FFmpeg's parsers drop because they are damaged

    Raises
    ------
    MediaError
        ``truncated`` or ``unreadable``
    OSError, MemoryError
        the machine cannot read the file now, see `check_machine`
    """
    import av

    options = {"protocol_whitelist": "file", "format_whitelist": ",".join(FORMATS)}
    if as_stored:
        options["fflags"] = "noparse+nofillin"
    # PyAV 19 has no such argument: it never raises for metadata
    lenient: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
    try:
        with av.open(f"file:{os.path.abspath(path)}", options=options, **lenient) as container:
            if container.format.name in HEADERLESS_FORMATS and not _begins_as_sound(path):
                raise MediaError("unreadable", "this is not a video in a format that can be read")
            yield container
    except (av.error.FFmpegError, UnicodeError) as error:
        if isinstance(error, av.error.FFmpegError):
            check_machine(error, path)
        if mp4_is_cut(path):
            raise MediaError("truncated", "the index of the file (moov) is missing or cut off") from error
        raise MediaError("unreadable", "this is not a video in a format that can be read") from error


def _begins_as_sound(path: Path) -> bool:
    """Whether a file begins with an ID3 tag or the 11 set bits of an MPEG or ADTS frame."""
    with open(path, "rb") as file:
        begin = file.read(3)
    return begin == b"ID3" or (begin[:1] == b"\xff" and len(begin) > 1 and begin[1] & 0xE0 == 0xE0)


def mp4_is_cut(path: Path) -> bool | None:
    """Whether an mp4 or mov file lacks its index or ends inside a box; None if the file is of another kind."""
    boxes: set[bytes] = set()
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        position = 0
        for _ in range(_MOST_BOXES):
            if position >= size:
                break
            file.seek(position)
            header = file.read(16)
            kind = header[4:8]
            if not boxes and kind not in _MP4_FIRST_BOXES:
                return None
            boxes.add(kind)
            length = int.from_bytes(header[:4], "big")
            if length == 1:
                length = int.from_bytes(header[8:16], "big")
            elif length == 0:
                length = size - position
            if length < 8 or position + length > size:
                return True
            position += length
    return b"moov" not in boxes
