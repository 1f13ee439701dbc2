"""A copy of a file that every browser plays, small, its time 0 that of the store. Made in a decoding process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..media.decode import upright
from ..media.find_videos import VideoFile
from ..media.info import MediaInfo
from ..media.opening import MediaError, check_machine, open_media
from ..media.probe import probe
from ..media.scan import corrected
from ..media.trouble import judged
from .frames import decoded, frames_of
from .mono_pieces import MonoPieces
from .thumbnails import fitting

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.video.frame import VideoFrame

LONG_SECONDS = 600.0
"""Of a longer file, key pictures alone are shown, smaller and at most two a second."""

MOST_SECONDS = 900.0
"""Making a preview is given up after this time."""

_TELL_SECONDS = 0.3
_BLOCK = 1024
"""Samples that an AAC encoder takes at once."""


@dataclass(frozen=True)
class _Look:
    """Pixels of the longer side, pictures a second, bits a second of both, Hz of the sound, and x264's preset."""

    pixels: int
    fps: int
    video_bits: int
    audio_bits: int
    rate: int
    preset: str


_SHORT = _Look(480, 30, 800_000, 96_000, 48_000, "veryfast")
_LONG = _Look(320, 2, 150_000, 48_000, 24_000, "ultrafast")


@dataclass(frozen=True)
class PreviewJob:
    """Writes a preview to ``target`` without a suffix; gives parts of the whole that are done, 0 to 1, as it goes on,
    and last the suffix and the content type of what was written, (str, str)."""

    target: str

    def items(self, video: VideoFile) -> Iterator[float | tuple[str, str]]:
        """Raises: MediaError for a file that extraction refuses too, Trouble where the machine may be to blame."""
        assert video.path is not None
        try:
            yield from _make(video.path, Path(self.target))
        except Exception as error:
            raise judged(error, video.path) from error


def _make(path: Path, target: Path) -> Iterator[float | tuple[str, str]]:
    import av

    yield 0.0
    info = probe(path)
    suffix, video_codec, audio_codec = _codecs()
    with ExitStack() as opened:
        source = opened.enter_context(open_media(path))
        options = {"movflags": "+faststart"} if suffix == ".mp4" else {}
        name = f"{target}{suffix}"
        made = opened.enter_context(av.open(name, "w", format=suffix.removeprefix("."), options=options))
        writer = _Writer(info, made, _LONG if info.duration > LONG_SECONDS else _SHORT, video_codec, audio_codec)
        yield from writer.copy(source)
    yield suffix, {".mp4": "video/mp4", ".webm": "video/webm"}[suffix]


def _codecs() -> tuple[str, str, str]:
    """Suffix, encoder of pictures and encoder of sound: H.264 where FFmpeg was built with it."""
    import av

    for suffix, video, audio in ((".mp4", "libx264", "aac"), (".webm", "libvpx", "libopus")):
        try:
            av.Codec(video, "w"), av.Codec(audio, "w")
        except ValueError:  # PyAV's UnknownCodecError
            continue
        return suffix, video, audio
    raise MediaError("unreadable", "FFmpeg is built without encoders for a preview here")


class _Writer:
    """Decodes a file once, front to back, and encodes what is shown of it."""

    def __init__(self, info: MediaInfo, made: OutputContainer, look: _Look, video_codec: str, audio_codec: str) -> None:
        self._info, self._made, self._look = info, made, look
        self._video: Any = None
        self._audio: Any = None
        self._size = (0, 0)
        if info.video_index is not None:
            first, ratio = _first_picture(info.path, info.video_index)
            self._size = fitting(first, ratio, look.pixels)
            shape = upright(first, first.reformat(*self._size, "rgb24")).shape
            self._video = made.add_stream(video_codec, rate=look.fps)
            self._video.width, self._video.height, self._video.pix_fmt = shape[1], shape[0], "yuv420p"
            self._video.codec_context.time_base = Fraction(1, 1000)
            self._video.bit_rate = look.video_bits
            self._video.codec_context.gop_size = look.fps
            self._video.codec_context.max_b_frames = 0  # so that the first picture is at time 0 without an edit list
            limits = {"maxrate": str(look.video_bits), "bufsize": str(2 * look.video_bits)}
            own = {"preset": look.preset, "crf": "27"} if video_codec == "libx264" else {"deadline": "realtime"}
            self._video.options = {**own, **limits}
        if info.audio_index is not None:
            self._audio = made.add_stream(audio_codec, rate=self._look.rate, layout="mono")
            self._audio.bit_rate = look.audio_bits
            if audio_codec == "aac":
                self._audio.options = {"aac_coder": "fast"}  # several times as fast as the default
        self._mono = MonoPieces(self._look.rate, info.origin)
        self._block: NDArray[np.float32] = np.zeros(_BLOCK, np.float32)
        self._heard = 0
        self._pictures = 0
        self._next = 0.0
        self._last: VideoFrame | None = None
        self._last_stamp = -1

    def copy(self, source: InputContainer) -> Iterator[float]:
        """Parts that are done. Raises: MediaError where nothing can be shown, or it takes too long."""
        import av

        info, tracks, corrections = self._info, [], []
        if info.video_index is not None:
            video: Any = source.streams[info.video_index]
            if self._look is _LONG and not info.by_order:
                video.codec_context.skip_frame = "NONKEY"
            tracks.append(video)
            corrections.append(info.video_correction)
        if info.audio_index is not None:
            tracks.append(source.streams[info.audio_index])
            corrections.append(info.audio_correction)
        begun = told = time.monotonic()
        try:
            for packet in corrected(source, tracks, corrections):
                for frame in frames_of(packet, info.path):
                    if packet.stream.index == info.video_index:
                        self._show(frame)
                    else:
                        for at, samples in self._mono.add(frame):
                            self._play(at, samples)
                now = time.monotonic()
                if now - begun > MOST_SECONDS:
                    raise MediaError("unreadable", f"making a preview of it takes over {MOST_SECONDS / 60:g} minutes")
                if now - told > _TELL_SECONDS:
                    told = now
                    yield self._done()
        except av.error.FFmpegError as error:
            check_machine(error, info.path)
        self._finish()

    def _done(self) -> float:
        reached = max(self._last_stamp / 1000, self._heard / self._look.rate)
        return min(1.0, reached / max(self._info.duration, 1e-3))

    def _show(self, frame: VideoFrame) -> None:
        info, stamp = self._info, frame.pts
        if info.by_order:
            stamp = int(info.frame_pts[self._pictures]) if self._pictures < len(info.frame_pts) else None
        self._pictures += 1
        if stamp is None:
            return
        begin = float(stamp * info.time_base) - info.origin
        self._last = frame
        if self._last_stamp < 0:
            self._encode(frame, 0)  # the first picture stands before it came
            self._next = begin + 1 / self._look.fps
        elif begin + 0.25 / self._look.fps >= self._next:
            self._encode(frame, round(begin * 1000))
            self._next = max(self._next + 1 / self._look.fps, begin)

    def _encode(self, frame: VideoFrame, stamp: int) -> None:
        import av

        if stamp <= self._last_stamp:
            return
        self._last_stamp = stamp
        if frame.side_data.get("DISPLAYMATRIX") is None and self._size == (self._video.width, self._video.height):
            shown = frame.reformat(*self._size, "yuv420p")
        else:
            pixels = upright(frame, frame.reformat(*self._size, "rgb24"))
            shown = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
                self._video.width, self._video.height, "yuv420p"
            )
        shown.pts, shown.time_base = stamp, Fraction(1, 1000)
        shown.pict_type = av.video.frame.PictureType.NONE
        self._made.mux(self._video.encode(shown))

    def _play(self, at: int, samples: NDArray[np.float32]) -> None:
        """Write samples at their place; there is silence before, and what overlaps is left out."""
        samples = samples[max(self._heard - at, 0) :]
        silent = max(at - self._heard, 0)
        while silent:
            part = min(silent, self._look.rate)
            self._write(np.zeros(part, np.float32))
            silent -= part
        self._write(samples)

    def _write(self, samples: NDArray[np.float32]) -> None:
        while len(samples):
            filled = self._heard % _BLOCK
            taken = min(_BLOCK - filled, len(samples))
            self._block[filled : filled + taken] = samples[:taken]
            samples = samples[taken:]
            self._heard += taken
            if not self._heard % _BLOCK:
                self._hear(_BLOCK)

    def _hear(self, count: int) -> None:
        import av

        frame = av.AudioFrame.from_ndarray(np.clip(self._block[None, :count], -1, 1), format="fltp", layout="mono")
        frame.sample_rate, frame.time_base = self._look.rate, Fraction(1, self._look.rate)
        frame.pts = (self._heard - 1) // _BLOCK * _BLOCK
        self._made.mux(self._audio.encode(frame))

    def _finish(self) -> None:
        if self._video is not None:
            if self._last is None:
                raise MediaError("unreadable", "no picture of it can be decoded")
            end = self._info.duration - 1 / self._look.fps  # the last picture stands as long as the sound goes on
            self._encode(self._last, max(round(end * 1000), self._last_stamp))
            self._made.mux(self._video.encode(None))
        if self._audio is not None:
            for at, samples in self._mono.finish():
                self._play(at, samples)
            if self._heard % _BLOCK:
                self._hear(self._heard % _BLOCK)
            self._made.mux(self._audio.encode(None))


def _first_picture(path: Path, index: int) -> tuple[VideoFrame, Any]:
    """The first picture that can be decoded of a track, and how wide its pixels are, in their height."""
    with open_media(path) as container:
        track: Any = container.streams[index]
        track.codec_context.thread_count = 1
        for frame in decoded(container, track, path):
            return frame, track.sample_aspect_ratio
    raise MediaError("unreadable", "no picture of it can be decoded")
