"""What is in a media file: its streams, when its frames are shown, how long it lasts, and whether it is whole.

`probe` reads the packets of a file without decoding them. `decoding` then reads the pictures and the sound.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.stream import VideoStream

FORMATS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "mpegts", "flv")
"""The FFmpeg demuxers a file may choose. Playlists and other formats that name further files are not among them."""

_TIMED_FORMATS = FORMATS[:2]
"""Formats that store when each frame is shown; in the others only the decoder knows."""

_MP4_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp")


class MediaError(Exception):
    """A file from which nothing can be taken; ``status`` is one of `cache`'s video statuses."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True)
class MediaInfo:
    """A readable file.

    Attributes
    ----------
    status, reason : ``ok``; ``no_audio`` or ``no_video`` with the reason
    duration : seconds from the first frame to the end of the last one; of the sound if there is no picture, or one
        single picture
    origin : time stamp of the first frame (of the sound if there is no picture), in seconds; time 0 of everything
    frame_pts : [N] int64, sorted time stamps of the frames in units of ``time_base``, or 0..N-1 if ``by_order``
    time_base : seconds per unit of ``frame_pts``
    by_order : the file has no usable time stamps: frame k is the k-th decoded one, at a constant rate
    """

    path: Path
    status: str
    reason: str
    duration: float
    origin: float
    frame_pts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    time_base: Fraction = Fraction(1)
    by_order: bool = False

    @property
    def has_audio(self) -> bool:
        return self.status != "no_audio"

    @property
    def has_video(self) -> bool:
        return self.status != "no_video"

    @property
    def frame_times(self) -> NDArray[np.float64]:
        """[N] when each frame begins, in seconds after the first one."""
        ticks = (self.frame_pts - self.frame_pts[:1]) * self.time_base.numerator
        return ticks / self.time_base.denominator


def pyav_declaration() -> dict[str, str]:
    """The decoder and its version, for the store's fingerprint: another version may choose other pixels."""
    import av

    parts = ("libavcodec", "libswscale", "libswresample")
    versions = {part: ".".join(map(str, av.library_versions[part])) for part in parts}
    return {"name": "PyAV", "version": av.__version__, **versions}


@contextmanager
def open_media(path: Path) -> Iterator[InputContainer]:
    """Open a local file, whatever its name looks like, in one of `FORMATS`; what FFmpeg raises becomes MediaError."""
    import av

    options = {"protocol_whitelist": "file", "format_whitelist": ",".join(FORMATS)}
    try:
        with av.open(f"file:{os.path.abspath(path)}", options=options) as container:
            yield container
    except (av.error.FFmpegError, UnicodeError) as error:
        if _mp4_is_cut(path) is not None:
            raise MediaError("truncated", "the index of the file (moov) is missing or cut off") from error
        raise MediaError("unreadable", "this is not a video in a format that can be read") from error


def usable_streams(container: InputContainer) -> tuple[VideoStream | None, AudioStream | None]:
    """The first picture stream that is not a cover image, and the first sound stream, if there is a decoder."""
    import av

    def decodable(stream: VideoStream | AudioStream) -> bool:
        return stream.codec_context is not None

    cover = av.stream.Disposition.attached_pic
    video = next((s for s in container.streams.video if decodable(s) and not s.disposition & cover), None)
    audio = next((s for s in container.streams.audio if decodable(s)), None)
    return video, audio


def probe(path: str | Path) -> MediaInfo:
    """Look through a file without decoding it (formats without time stamps are decoded).

    Raises
    ------
    MediaError
        ``empty_file``, ``truncated`` or ``unreadable``
    """
    path = Path(path)
    try:
        if not path.is_file():  # a pipe would block
            raise MediaError("unreadable", "this is not a file")
        with open(path, "rb") as file:
            if not file.read(1):
                raise MediaError("empty_file", "the file has 0 bytes")
    except OSError as error:
        raise MediaError("unreadable", f"the file cannot be opened: {error.strerror}") from error
    with open_media(path) as container:
        video, audio = usable_streams(container)
        scans = _demux(container, [s for s in (video, audio) if s is not None])
        picture = scans.get(video.index) if video is not None else None
        sound = scans.get(audio.index) if audio is not None else None
        if picture is None and sound is None:
            if _mp4_is_cut(path):
                raise MediaError("truncated", "the file ends before its first picture or sound")
            raise MediaError("unreadable", "there is neither picture nor sound in the file")
        timed = container.format.name in _TIMED_FORMATS
        _refuse_truncated(path, container, list(scans.values()), timed)
        rate = (video.average_rate if video is not None else None) or Fraction(25)
        frames = video.frames if video is not None else 0
    if sound is not None and picture is None:
        return MediaInfo(path, "no_video", "the file has no video stream", sound.length, sound.start)
    assert picture is not None
    status, reason = ("ok", "") if sound is not None else ("no_audio", "the file has no audio stream")
    pts, by_order = picture.pts, False
    if not timed or picture.untimed:
        pts, by_order = _decoded_pts(path)
        # where the time stamps cannot show it, the header's number of frames can
        end, declared = float(len(pts) / rate), float(frames / rate)
        if falls_short(end, declared):
            raise MediaError("truncated", f"the file ends after {end:.1f} s and declares {declared:.1f} s")
    base = picture.time_base
    if by_order:
        base = 1 / rate
    step = picture.last_duration or (int(np.median(np.diff(pts))) if len(pts) > 1 else 0)
    length = float((int(pts[-1] - pts[0]) + (1 if by_order else step)) * base)
    if len(pts) == 1 and sound is not None:
        length = max(length, sound.length)
    origin = 0.0 if by_order else float(int(pts[0]) * base)
    return MediaInfo(path, status, reason, length, origin, pts, base, by_order)


@dataclass
class _Scan:
    """The packets of one stream: presentation time stamps (sorted), and how long the last one lasts, in time_base."""

    pts: NDArray[np.int64]
    last_duration: int
    untimed: bool
    time_base: Fraction
    declared_end: float | None

    @property
    def start(self) -> float:
        return float(int(self.pts[0]) * self.time_base) if len(self.pts) else 0.0

    @property
    def end(self) -> float:
        return float((int(self.pts[-1]) + self.last_duration) * self.time_base) if len(self.pts) else 0.0

    @property
    def length(self) -> float:
        return self.end - self.start


def _demux(container: InputContainer, streams: list[VideoStream | AudioStream]) -> dict[int, _Scan]:
    """One `_Scan` per stream that has packets, by stream index."""
    import av

    stamps: dict[int, list[tuple[int, int]]] = {stream.index: [] for stream in streams}
    untimed = dict.fromkeys(stamps, 0)
    if streams:
        try:
            for packet in container.demux(streams):
                if packet.size == 0 or packet.is_discard or packet.is_corrupt:
                    continue
                if packet.pts is None:
                    untimed[packet.stream.index] += 1
                else:
                    stamps[packet.stream.index].append((packet.pts, packet.duration or 0))
        except av.error.FFmpegError:
            pass  # what could be read so far is judged by its length
    scans = {}
    for stream in streams:
        packets = sorted(stamps[stream.index])
        if not packets and not untimed[stream.index]:
            continue
        base = stream.time_base or Fraction(1)
        declared = None
        if stream.duration is not None:
            declared = float(((stream.start_time or 0) + stream.duration) * base)
        pts = np.array([pts for pts, _ in packets], np.int64)
        last = packets[-1][1] if packets else 0
        scans[stream.index] = _Scan(pts, last, untimed[stream.index] > 0, base, declared)
    return scans


def _refuse_truncated(path: Path, container: InputContainer, scans: list[_Scan], timed: bool) -> None:
    """Raise if the packets end clearly (0.5 s and 2 %) before the end the container declares.

    In an mp4 the declared length of a stream may lie beyond its packets for good reasons (edit lists), so there the
    file must also end in the middle of a box.
    """
    cut = _mp4_is_cut(path)
    if cut is False or not timed:
        return
    end = max(scan.end for scan in scans)
    ends = [scan.declared_end for scan in scans if scan.declared_end]
    if not ends and container.duration:
        ends = [container.duration / 1_000_000]
    declared = max(ends, default=None)
    if declared is None and cut:
        raise MediaError("truncated", f"the file ends in the middle of its data, after {end:.1f} s")
    if declared is not None and falls_short(end, declared):
        raise MediaError("truncated", f"the file ends after {end:.1f} s and declares {declared:.1f} s")


def falls_short(end: float, declared: float) -> bool:
    """Whether data that ends at ``end`` is clearly shorter than it declares: by more than 0.5 s and 2 %."""
    return declared - end > max(0.5, 0.02 * declared)


def _decoded_pts(path: Path) -> tuple[NDArray[np.int64], bool]:
    """Time stamps of the decoded frames; 0..N-1 and True if they are missing or out of order."""
    import av

    stamps: list[int | None] = []
    with open_media(path) as container:
        video, _ = usable_streams(container)
        assert video is not None
        video.thread_type = "AUTO"
        for packet in container.demux(video):
            try:
                stamps += [frame.pts for frame in packet.decode()]
            except av.error.FFmpegError:
                continue
    if not stamps:
        raise MediaError("unreadable", "no frame could be decoded")
    known = [stamp for stamp in stamps if stamp is not None]
    if len(known) == len(stamps) and all(a < b for a, b in pairwise(known)):
        return np.array(known, np.int64), False
    return np.arange(len(stamps), dtype=np.int64), True


def _mp4_is_cut(path: Path) -> bool | None:
    """Whether an mp4 or mov file lacks its index or ends inside a box; None if the file is of another kind."""
    boxes: set[bytes] = set()
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        position = 0
        while position < size:
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
