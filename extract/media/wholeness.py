"""Whether a file is whole: what its packets say against what its header declares."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...cache import Note
from .ogg_pages import ogg_pages
from .opening import TIMED_FORMATS, MediaError, mp4_is_cut
from .packets import Packets
from .scan import Scan

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.stream import VideoStream

_MP4, _MATROSKA = TIMED_FORMATS

_ASF_PROPERTIES = bytes.fromhex("A1DCAB8C47A9CF118EE400C00C205365")
"""Begins the object of an ASF header that holds its length."""

_SOUND_FORMATS = ("wav", "aiff", "flac")
"""Formats of sound alone whose header says how much follows."""

_OPEN_END = 0x7F000000
"""Writers into a pipe give their format's largest size, or about the half, or 0, where they do not know it."""

_HEAD_BYTES = 1 << 16

_LEAST_BYTES = 256
"""What may lie unread at the end of a file."""


_AVI_OPEN_FRAMES = 1 << 30
"""FFmpeg writes so many into the header of an AVI, until it can come back and write how many there are."""

_AVI_CHUNK_BYTES = 8


def declared_frames(track: VideoStream | AudioStream) -> int:
    """How many frames a track has by its header; 0 if that is not said."""
    return track.frames if track.frames < _AVI_OPEN_FRAMES else 0


def refuse_unread(path: Path, scan: Scan, damage: int | None) -> None:
    """Raise if an FLV is damaged before its first packet or after its last one: nothing else shows what is lost.

    So does the last chunk of an AVI that was written into a pipe, and says nowhere how long it is.

    ``damage`` : the first damaged byte, of `structure.first_damage`
    """
    if damage is None or scan.format_name not in ("flv", "avi") or not scan.positions:
        return
    if scan.format_name == "avi":
        with open(path, "rb") as file:
            length = file.read(8)[4:]
        if length in (b"\0" * 4, b"\xff" * 4) and damage >= max(scan.positions)[0] - _AVI_CHUNK_BYTES:
            raise MediaError("truncated", "the file ends in the middle of a chunk (AVI)")
        return
    first, last = min(first for first, _ in scan.positions), max(first + size for first, size in scan.positions)
    if damage < first:
        raise MediaError("unreadable", "the file is damaged before its first packet")
    if damage >= last and path.stat().st_size - last > _LEAST_BYTES:
        raise MediaError("unreadable", f"the last {path.stat().st_size - last} bytes of the file cannot be read")


def open_end(path: Path, scan: Scan) -> tuple[Note, ...]:
    """A note if an Ogg file does not say that it ends where it does, as a live recording, or one cut between two pages.

    Raises
    ------
    MediaError
        ``truncated``: the file ends within a page
    """
    if scan.format_name != "ogg":
        return ()
    with open(path, "rb") as file:
        pages = ogg_pages(file, path.stat().st_size)
    if pages.cut:
        raise MediaError("truncated", "the file ends in the middle of a page (Ogg)")
    text = "the file does not say that it ends here: it was recorded live, or cut"
    return (Note("open_end", text),) if pages.open_end else ()


def refuse_truncated(
    path: Path,
    container: InputContainer,
    tracks: Sequence[tuple[VideoStream | AudioStream, Packets]],
    fewer: bool,
    scan: Scan,
) -> None:
    """Raise if packets end clearly (0.5 s and 2 %) before the end that the container declares.

    An mp4 declares an end for each track, which may lie beyond its packets for good reasons (edit lists), so there the
    file must also end in the middle of a box, or have ``fewer`` packets than its index. An AVI declares one for its
    sound; Matroska and FLV declare one for all tracks; ASF and mp3 a length, if their headers are whole; WAV, AIFF
    and FLAC one, unless they were written into a pipe; others none.
    """
    name, cut = container.format.name, mp4_is_cut(path)
    if not tracks:
        return
    ends = [float(packets.ends().max()) for _, packets in tracks]
    length = max(ends)
    declared: list[tuple[float, float]] = []
    if name == _MP4 and (cut is not False or fewer):
        own = [(end, track.duration, track) for end, (track, _) in zip(ends, tracks, strict=True) if track.duration]
        declared = [(end, float(((t.start_time or 0) + ticks) * (t.time_base or 0))) for end, ticks, t in own]
        if not declared and not container.duration and cut:
            raise MediaError("truncated", f"the file ends in the middle of its data, after {length:.1f} s")
    elif name == "avi":
        heard = [(end, track) for end, (track, packets) in zip(ends, tracks, strict=True) if packets.name == "sound"]
        known = [(end, t) for end, t in heard if declared_frames(t)]
        declared = [(end, float((t.duration or t.frames) * (t.time_base or 0))) for end, t in known]
    if not declared and name in (_MP4, _MATROSKA, "flv") and (name != _MP4 or cut is not False or fewer):
        declared = [(max(length, scan.end), (container.duration or 0) / 1_000_000)]  # of all tracks, also unused ones
    if name == "asf":
        declared = [(length - min(float(p.seconds.min()) for _, p in tracks), _asf_seconds(path))]
    elif name == "mp3" and _declares_frames(path):
        declared = [(length, (container.duration or 0) / 1_000_000)]
    elif name in _SOUND_FORMATS:
        declared = [(length, _sound_seconds(path, length, (container.duration or 0) / 1_000_000))]
    for end, promised in declared:
        if falls_short(end, promised):
            raise MediaError("truncated", f"the file ends after {end:.1f} s and declares {promised:.1f} s")


def _asf_seconds(path: Path) -> float:
    """How long an ASF (wmv) plays by its header, which FFmpeg ignores where the file is shorter; 0 if not said."""
    with open(path, "rb") as file:
        head = file.read(_HEAD_BYTES)
    at = head.find(_ASF_PROPERTIES)
    if at < 0 or len(head) < at + 92:
        return 0.0
    plays, _, preroll, flags = struct.unpack_from("<QQQI", head, at + 64)
    return 0.0 if flags & 1 else max(float(plays) / 10_000_000 - float(preroll) / 1000, 0.0)  # 1: a live stream


def _sound_seconds(path: Path, length: float, declared: float) -> float:
    """How long a file of sound is by its header; 0 if not said. ``declared``: as FFmpeg reads it.

    FFmpeg takes the length of some WAV files from what is there.
    """
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] in (b"RIFF", b"RIFX", b"FORM"):
            order = "<" if head[:4] == b"RIFF" else ">"
            if not 0 < struct.unpack(f"{order}I", head[4:8])[0] < _OPEN_END:
                return 0.0
            if head[8:] != b"WAVE":
                return declared
            while len(chunk := file.read(8)) == 8:
                size = struct.unpack(f"{order}I", chunk[4:])[0]
                if chunk[:4] == b"data":
                    there = path.stat().st_size - file.tell()
                    return length * size / there if there > 0 and size < _OPEN_END else 0.0
                file.seek(size + size % 2, 1)
            return 0.0
    return declared


def _declares_frames(path: Path) -> bool:
    """Whether an mp3 begins with a frame that says how many follow; else FFmpeg's length is a guess."""
    with open(path, "rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3" and len(head) == 10:
            file.seek(10 + sum((byte & 0x7F) << 7 * (3 - k) for k, byte in enumerate(head[6:])))
        else:
            file.seek(0)
        frame = file.read(256)
    return b"Xing" in frame or b"Info" in frame


def falls_short(end: float, declared: float) -> bool:
    """Whether data that ends at ``end`` is clearly shorter than it declares: by more than 0.5 s and 2 %."""
    return declared - end > max(0.5, 0.02 * declared)
