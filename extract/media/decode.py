"""Decode a file once, front to back: only the wanted frames become pictures, the sound is resampled on the way.

PyAV does it all, or another reader the pictures and PyAV the sound, in a pass of its own. A decoder has one thread:
what FFmpeg makes of damaged pictures depends on the number, and files are decoded side by side anyway.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...cache import Note
from .device_frames import FramePlace
from .opening import MediaError, check_machine, check_readable, judged, open_media
from .probe import MediaInfo
from .scan import corrected
from .sound import Sound
from .video_readers import READERS
from .wholeness import falls_short

if TYPE_CHECKING:
    from fractions import Fraction

    from av.audio.stream import AudioStream
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream


READ_SECONDS = 0.25
"""Between two reports of how far a file is read, at least."""


class Decoding:
    """One pass through a probed file.

    Iterate over `frames`; `audio` and `notes` are complete when the iteration is.

    Parameters
    ----------
    info : of `media.probe`
    wanted : [n] int64, numbers of the frames to keep, sorted, each once
    sample_rate : Hz of the sound
    audio_seconds : how much sound to return, from time 0: the rest is cut off, what is missing is 0
    reader : one of `READERS`
    read : called now and then with the seconds of the file that are read
    place : the device on which the reader leaves its pictures, as tensors; None: all are arrays
    """

    def __init__(
        self,
        info: MediaInfo,
        wanted: NDArray[np.int64],
        sample_rate: int,
        audio_seconds: float,
        reader: str = "pyav",
        read: Callable[[float], None] | None = None,
        place: FramePlace | None = None,
    ) -> None:
        self._info = info
        self._pictures = READERS[reader].pictures
        self._place = place
        self._wanted = wanted
        self._sound = Sound(info, sample_rate, audio_seconds) if info.has_audio else None
        self._notes: tuple[Note, ...] = ()
        self._read = read
        self._next_report = 0.0 if read is not None else float("inf")

    @property
    def audio(self) -> NDArray[np.float32] | None:
        """[round(audio_seconds * sample_rate)] float32, the mean of all channels; None without a sound stream."""
        return self._sound.samples if self._sound else None

    @property
    def notes(self) -> tuple[Note, ...]:
        """What decoding found that is worth knowing, beside the notes of the `MediaInfo`."""
        return self._notes

    def frames(self) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """(number, [height, width, 3] uint8 RGB upright) of every wanted frame, in order.

        A frame that cannot be decoded is replaced by the one before it.

        Raises
        ------
        MediaError
            ``truncated`` if decoding ends clearly before the last wanted frame, ``unreadable`` if no frame can be
            decoded, or more than a second before a wanted frame, or of the sound, is damaged
        OSError, MemoryError
            the machine cannot read or decode the file now
        """
        taken = 0
        if self._pictures is not None and self._info.has_video and len(self._wanted):
            for picture in self._pictures(self._info, self._wanted, self._place):
                self._report(int(self._info.frame_pts[picture[0]]), self._info.time_base)
                yield picture
                taken += 1
        with judged(self._info.path):
            yield from self._by_pyav(self._wanted[taken:])
        if self._notes:
            check_readable(self._info.path)

    def _report(self, pts: int | None, time_base: Fraction | None) -> None:
        now = time.monotonic()
        if now >= self._next_report and self._read is not None and pts is not None and time_base is not None:
            self._next_report = now + READ_SECONDS
            self._read(float(pts * time_base) - self._info.origin)

    def _by_pyav(self, wanted: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """The sound, and these of the wanted frames, by PyAV."""
        import av

        info = self._info
        with open_media(info.path) as container:
            picker = _Picker(info, wanted)
            video: VideoStream | None = None
            streams: list[VideoStream | AudioStream] = []
            if info.video_index is not None and not picker.done:
                video = container.streams[info.video_index]  # type: ignore[assignment]
                assert video is not None
                video.codec_context.thread_count = 1
                streams.append(video)
            if self._sound is not None and info.audio_index is not None:
                audio: AudioStream = container.streams[info.audio_index]  # type: ignore[assignment]
                audio.codec_context.thread_count = 1
                self._sound.begin(audio)
                streams.append(audio)
            corrections = [info.video_correction if stream is video else info.audio_correction for stream in streams]
            try:
                for packet in corrected(container, streams, corrections):
                    pictures, sound = not picker.done, self._sound is not None and not self._sound.done
                    if not pictures and not sound:
                        break
                    self._report(packet.dts, packet.time_base)
                    is_video = packet.stream is video
                    if not (pictures if is_video else sound):
                        continue
                    if is_video:
                        for frame in self._decoded(packet) or ():
                            yield from picker.add(frame)
                    elif self._sound is not None:
                        self._add_sound(self._sound, packet)
            except av.error.FFmpegError as error:
                check_machine(error, info.path)  # what is missing because of it is noticed where it is wanted
            yield from picker.finish()
            self._notes = picker.notes + (self._sound.finish() if self._sound is not None else ())

    def _add_sound(self, sound: Sound, packet: Packet[Any]) -> None:
        frames = self._decoded(packet) if not packet.size or sound.holds_data(packet) else None
        if frames is None:
            sound.refuse()
        for frame in frames or ():
            sound.add(frame)

    def _decoded(self, packet: Packet[Any]) -> list[Any] | None:
        """The frames that a packet completes; None if it is damaged."""
        import av

        try:
            return list(packet.decode())
        except av.error.FFmpegError as error:
            check_machine(error, self._info.path)
            return None


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
        self._damaged: list[int] = []
        self._converter = VideoReformatter()  # one for all frames: making it costs more than using it

    @property
    def done(self) -> bool:
        return self._next == len(self._queue)

    @property
    def notes(self) -> tuple[Note, ...]:
        """Of wanted frames that are damaged, or replaced by the one before."""
        if not self._damaged:
            return ()
        at = ", ".join(f"{self._seconds(pts):.1f} s" for pts in self._damaged[:5])
        what = f"{len(self._damaged)} of the pictures taken are damaged or not in the order of their time stamps"
        return (Note("damaged_pictures", f"{what}, at {at}"),)

    def add(self, frame: VideoFrame) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        pts = frame.pts
        if self._info.by_order:
            pts = int(self._info.frame_pts[self._count]) if self._count < len(self._info.frame_pts) else None
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
        if wanted != pts or frame.is_corrupt:
            self._damaged.append(wanted)
        self._next += 1
        return number, upright(frame, self._converter.reformat(frame, format="rgb24"))

    def _seconds(self, pts: int) -> float:
        return float(pts * self._info.time_base) - self._info.origin


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
