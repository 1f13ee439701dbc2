"""Small pictures of a file at given times, found by seeking. Made in a decoding process."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..media.decode import upright
from ..media.find_videos import VideoFile
from ..media.opening import MediaError, check_file, check_machine, open_media
from ..media.tracks import choose_video
from ..media.trouble import judged
from .frames import decoded

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

PIXELS = 160
"""Of the longer side."""

_GO_ON_SECONDS = 2.0
"""A time this near after the picture before is found by decoding on."""

_PATIENCE_SECONDS = 8.0
"""After this, key pictures are taken, which need no decoding on."""

_QUALITY = 4


@dataclass(frozen=True)
class ThumbnailJob:
    """Gives a JPEG (bytes) for each time, in order.

    Attributes
    ----------
    times : sorted, in seconds from time 0; each is shown by the picture on screen then, where seeking finds it
    origin : time 0, in seconds of the file's time stamps
    """

    times: tuple[float, ...]
    origin: float

    def items(self, video: VideoFile) -> Iterator[bytes]:
        """Raises: MediaError for a file without pictures that can be read, Trouble where the machine is to blame."""
        assert video.path is not None
        try:
            yield from _thumbnails(video.path, self.times, self.origin)
        except Exception as error:
            raise judged(error, video.path) from error


def _thumbnails(path: Path, times: Sequence[float], origin: float) -> Iterator[bytes]:
    check_file(path)
    with open_media(path) as container:
        chosen = choose_video(container, path, {stream.index for stream in container.streams})
        if chosen.track is None:
            raise MediaError("no_video", chosen.missing)
        chosen.track.codec_context.thread_count = 1
        pictures = _Pictures(container, chosen.track, path)
        patience = time.monotonic() + _PATIENCE_SECONDS
        made: tuple[VideoFrame, bytes] | None = None
        for moment in times:
            frame = pictures.at(moment + origin, patience)
            if frame is None:
                raise MediaError("unreadable", "no picture of it can be decoded")
            if made is None or made[0] is not frame:
                size = fitting(frame, chosen.track.sample_aspect_ratio, PIXELS)
                made = frame, jpeg(upright(frame, frame.reformat(*size, "rgb24")))
            yield made[1]


class _Pictures:
    """The pictures of a track by time; asked for in order."""

    def __init__(self, container: InputContainer, track: VideoStream, path: Path) -> None:
        self._container, self._track, self._path = container, track, path
        self._frames: Iterator[VideoFrame] = decoded(container, track, path)
        self._shown: VideoFrame | None = None
        self._next: VideoFrame | None = None

    def at(self, seconds: float, patience: float) -> VideoFrame | None:
        """The picture on screen at a time of the file; one before it where ``patience``, a time of the clock, is over:
        the key picture, or as far as decoding came."""
        if self._shown is None or seconds - _time_of(self._shown, seconds) > _GO_ON_SECONDS:
            self._seek(seconds)
        if self._shown is None:
            self._shown, self._next = self._next, next(self._frames, None)
        while self._next is not None and _time_of(self._next, seconds) <= seconds and time.monotonic() < patience:
            self._shown, self._next = self._next, next(self._frames, None)
        return self._shown

    def _seek(self, seconds: float) -> None:
        import av

        begin = self._track.start_time or 0
        ticks = max(round(seconds / (self._track.time_base or 1)), begin)
        before, kept = self._shown, self._next
        try:
            self._container.seek(ticks, stream=self._track)
        except av.error.FFmpegError as error:
            check_machine(error, self._path)
            if before is not None:
                return  # decoding goes on from where it is
        self._frames = decoded(self._container, self._track, self._path)
        first = next(self._frames, None)
        if first is None:  # there is nothing after it: what was shown last stands
            self._shown, self._next = before or kept, None
        elif before is not None and _time_of(first, seconds) > seconds:
            self._shown, self._next = before, first
        else:
            self._shown, self._next = None, first


def _time_of(frame: VideoFrame, otherwise: float) -> float:
    stamp = frame.dts if frame.pts is None else frame.pts
    return otherwise if stamp is None else float(stamp * (frame.time_base or 1))


def fitting(frame: VideoFrame, ratio: Any, most: int) -> tuple[int, int]:
    """Even width and height of a picture that is not yet turned, of which the longer one is at most ``most``.

    ``ratio`` : how wide a pixel is, in its height; None or nonsense: 1
    """
    wide = frame.width * (float(ratio) if ratio and 1 / 20 < ratio < 20 else 1.0)
    scale = min(1.0, most / max(wide, frame.height))
    return max(2, int(wide * scale) // 2 * 2), max(2, int(frame.height * scale) // 2 * 2)


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    """A picture [height, width, 3] uint8 RGB as a JPEG file."""
    import av

    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "yuvj420p"
    encoder.time_base, encoder.qmin, encoder.qmax = Fraction(1), _QUALITY, _QUALITY
    encoded = frame.reformat(format="yuvj420p")
    encoded.pts = 0
    return b"".join(bytes(packet) for packet in (*encoder.encode(encoded), *encoder.encode(None)))
