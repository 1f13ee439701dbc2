"""Decode a file once, front to back: only the wanted frames become pictures, the sound is resampled on the way.

PyAV does it all, or another reader the pictures and PyAV the sound, in a pass of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .probe import MediaError, MediaInfo, falls_short, open_media, usable_streams
from .video_readers import READERS

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_RESYNC_SECONDS = 0.1
"""A sound frame that comes this far from where the samples so far end starts a new stretch at its own time."""


class Decoding:
    """One pass through a probed file.

    Iterate over `frames`; `audio` is complete when the iteration is.

    Parameters
    ----------
    info : of `media.probe`
    wanted : [n] int64, numbers of the frames to keep, sorted, each once
    sample_rate : Hz of the sound
    audio_seconds : how much sound to return, from time 0 of the pictures: the rest is cut off, what is missing is 0
    threads : decoder threads; they do not change the result
    reader : one of `READERS`
    """

    def __init__(
        self,
        info: MediaInfo,
        wanted: NDArray[np.int64],
        sample_rate: int,
        audio_seconds: float,
        threads: int = 1,
        reader: str = "pyav",
    ) -> None:
        self._info = info
        self._pictures = READERS[reader].pictures
        self._wanted = wanted
        self._threads = threads
        self._sound = _Sound(info.origin, sample_rate, audio_seconds) if info.has_audio else None

    @property
    def audio(self) -> NDArray[np.float32] | None:
        """[round(audio_seconds * sample_rate)] float32, the mean of all channels; None without a sound stream."""
        return self._sound.samples if self._sound else None

    def frames(self) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """(number, [height, width, 3] uint8 RGB upright) of every wanted frame, in order.

        A frame that cannot be decoded is replaced by the one before it.

        Raises
        ------
        MediaError
            ``truncated`` if decoding ends clearly before the last wanted frame, ``unreadable`` if no frame can be
            decoded or more than a second before a wanted frame is damaged
        """
        taken = 0
        if self._pictures is not None and self._info.has_video and len(self._wanted):
            for picture in self._pictures(self._info, self._wanted, self._threads):
                yield picture
                taken += 1
        yield from self._read(self._wanted[taken:])

    def _read(self, wanted: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """The sound, and these of the wanted frames, by PyAV."""
        import av

        info = self._info
        with open_media(info.path) as container:
            video, audio = usable_streams(container)
            picker = _Picker(info, wanted)
            streams: list[VideoStream | AudioStream] = []
            if info.has_video and video is not None and not picker.done:
                video.thread_type = "AUTO"
                video.codec_context.thread_count = self._threads
                streams.append(video)
            if self._sound is not None and audio is not None:
                streams.append(audio)
            for packet in container.demux(streams):
                pictures, sound = not picker.done, self._sound is not None and not self._sound.done
                if not pictures and not sound:
                    break
                is_video = packet.stream is video
                if not (pictures if is_video else sound):
                    continue
                try:
                    decoded: list[Any] = list(packet.decode())
                except av.error.FFmpegError:
                    continue  # damaged data; what is missing because of it is noticed where it is wanted
                for frame in decoded:
                    if is_video:
                        yield from picker.add(frame)
                    elif self._sound is not None:
                        self._sound.add(frame)
            yield from picker.finish()
            if self._sound is not None:
                self._sound.flush()


class _Picker:
    """Chooses the wanted frames among the decoded ones, by time stamp."""

    def __init__(self, info: MediaInfo, wanted: NDArray[np.int64]) -> None:
        from av.video.reformatter import VideoReformatter

        self._info = info
        self._queue = [(int(number), int(info.frame_pts[number])) for number in wanted]
        self._next = 0
        self._count = 0
        self._last: VideoFrame | None = None
        self._last_pts = 0
        self._converter = VideoReformatter()  # one for all frames: making it costs more than using it

    @property
    def done(self) -> bool:
        return self._next == len(self._queue)

    def add(self, frame: VideoFrame) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        pts = self._count if self._info.by_order else frame.pts
        self._count += 1
        if pts is None or (self._last is not None and pts <= self._last_pts):
            return
        while not self.done and self._queue[self._next][1] < pts:
            yield self._take(self._last or frame, self._last_pts if self._last else pts)
        self._last, self._last_pts = frame, pts
        if not self.done and self._queue[self._next][1] == pts:
            yield self._take(frame, pts)

    def finish(self) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """The last frame stands for wanted ones after it, if they are near."""
        if self.done:
            return
        if self._last is None:
            raise MediaError("unreadable", "no frame could be decoded")
        end, wanted = self._seconds(self._last_pts), self._seconds(self._queue[-1][1])
        if falls_short(end, wanted):
            raise MediaError("truncated", f"frames can be decoded up to {end:.1f} s of {self._info.duration:.1f} s")
        while not self.done:
            yield self._take(self._last, self._last_pts)

    def _take(self, frame: VideoFrame, pts: int) -> tuple[int, NDArray[np.uint8]]:
        number, wanted = self._queue[self._next]
        if abs(wanted - pts) * self._info.time_base > 1:
            at = self._seconds(wanted)
            raise MediaError("unreadable", f"the picture is damaged around {at:.1f} s")
        self._next += 1
        return number, upright(frame, self._converter.reformat(frame, format="rgb24"))

    def _seconds(self, pts: int) -> float:
        return float((pts - int(self._info.frame_pts[0])) * self._info.time_base)


class _Sound:
    """Collects decoded sound as mono at one rate, each stretch at its time stamps."""

    def __init__(self, origin: float, rate: int, seconds: float) -> None:
        self.samples = np.zeros(round(seconds * rate), np.float32)
        self._origin = origin
        self._rate = rate
        self._cursor = 0
        self._expected: float | None = None
        self._kind: tuple[str, str, int] | None = None
        self._resampler: Any = None

    @property
    def done(self) -> bool:
        return self._cursor >= len(self.samples)

    def add(self, frame: AudioFrame) -> None:
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        start = frame.time if frame.time is not None else self._expected
        start = self._origin if start is None else start
        jumps = self._expected is None or abs(start - self._expected) > _RESYNC_SECONDS
        if jumps or kind != self._kind:
            self._begin(start, kind)
        self._expected = start + frame.samples / frame.sample_rate
        frame.pts = None
        self._write(self._resampler.resample(frame))

    def flush(self) -> None:
        if self._resampler is not None:
            self._write(self._resampler.resample(None))
            self._resampler = None

    def _begin(self, start: float, kind: tuple[str, str, int]) -> None:
        import av

        self.flush()
        self._kind = kind
        # the channels are kept here and averaged afterwards: FFmpeg's own mono mix is louder than their mean
        self._resampler = av.AudioResampler(format="fltp", layout=kind[1], rate=self._rate)
        self._cursor = round((start - self._origin) * self._rate)

    def _write(self, frames: list[AudioFrame]) -> None:
        for frame in frames:
            mono = frame.to_ndarray().mean(axis=0, dtype=np.float32)
            first, last = max(self._cursor, 0), min(self._cursor + len(mono), len(self.samples))
            if first < last:
                self.samples[first:last] = mono[first - self._cursor : last - self._cursor]
            self._cursor += len(mono)


def upright(frame: VideoFrame, rgb: VideoFrame) -> NDArray[np.uint8]:
    """[height, width, 3] uint8 RGB, turned and mirrored by the frame's display matrix; sample aspect ignored.

    ``rgb`` : the same frame as rgb24
    """
    pixels: NDArray[Any] = rgb.to_ndarray()
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return pixels
    # a point (x, y) of the stored picture is shown at (a x + c y, b x + d y), up to a shift
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    if abs(a) + abs(d) < abs(b) + abs(c):
        pixels = pixels.transpose(1, 0, 2)
        a, d = c, b
    return np.ascontiguousarray(pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])
