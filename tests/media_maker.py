"""Tiny media files for tests: every frame is one grey level by which it can be told, every sound a plain tone."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

GREY_STEP = 4
_FINEST = {"mpeg4": {"qmin": "1", "qmax": "2"}, "libvpx": {"qmin": "0", "qmax": "4", "b": "4M"}}


def grey(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """Frame ``number``: grey level ``4 * number`` (up to 63)."""
    return np.full((height, width, 3), GREY_STEP * number, np.uint8)


def number_of(frame: NDArray[np.uint8]) -> int:
    """Which frame of `grey` this is, after lossy coding."""
    return round(float(frame.mean()) / GREY_STEP)


def tone(seconds: float, rate: int, channels: int, hertz: float = 440.0) -> NDArray[np.float32]:
    """[channels, samples]: a sine of amplitude 0.5 in the first channel and 0.25 in the others."""
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return np.stack([wave if c == 0 else wave / 2 for c in range(channels)]).astype(np.float32)


def write_media(
    path: Path,
    *,
    seconds: float = 3.0,
    fps: Fraction | int = 10,
    size: tuple[int, int] = (64, 48),
    pictures: Sequence[NDArray[np.uint8]] | None = None,
    times: Sequence[float] | None = None,
    video: bool = True,
    codec: str = "libx264",
    channels: int = 0,
    rate: int = 44100,
    audio_seconds: float | None = None,
    audio_start: float = 0.0,
    audio_codec: str = "aac",
    faststart: bool = False,
) -> Path:
    """Write a file. ``times`` gives each frame its own time stamp; ``channels`` 0 means no sound."""
    options = {"movflags": "faststart"} if faststart else {}
    with av.open(str(path), "w", options=options) as container:
        if video:
            width, height = size if pictures is None else (pictures[0].shape[1], pictures[0].shape[0])
            stream = container.add_stream(codec, rate=Fraction(fps), options=_FINEST.get(codec, {}))
            stream.width, stream.height = width, height
            stream.pix_fmt = "yuv444p" if width % 2 or height % 2 else "yuv420p"
            stream.codec_context.time_base = Fraction(1, 1000) if times else 1 / Fraction(fps)
        if channels:
            layout = "mono" if channels == 1 else "stereo"
            sound = container.add_stream(audio_codec, rate=rate, layout=layout)
        if video:
            shown = pictures or [grey(i, *size) for i in range(len(times) if times else round(seconds * fps))]
            for i, picture in enumerate(shown):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts = round(times[i] * 1000) if times else i
                frame.time_base = stream.codec_context.time_base
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        if channels:
            samples = tone(seconds if audio_seconds is None else audio_seconds, rate, channels)
            for start in range(0, samples.shape[1], 1024):
                block = np.ascontiguousarray(samples[:, start : start + 1024])
                if audio_codec != "aac":
                    block = np.ascontiguousarray((block * 32767).astype(np.int16).T.reshape(1, -1))
                    chunk = av.AudioFrame.from_ndarray(block, format="s16", layout=layout)
                else:
                    chunk = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
                chunk.sample_rate = rate
                chunk.pts = start + round(audio_start * rate)
                chunk.time_base = Fraction(1, rate)
                container.mux(sound.encode(chunk))
            container.mux(sound.encode(None))
    return path


def turn(path: Path, a: int, b: int, c: int, d: int) -> Path:
    """Write a display matrix into the first track header of an mp4 (ISO 14496-12: a b u, c d v, x y w)."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44
    data[at : at + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def cut(path: Path, part: float) -> Path:
    """Keep the first ``part`` of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    return path


def noise(count: int, width: int = 64, height: int = 48) -> list[NDArray[np.uint8]]:
    """Pictures that do not compress, so that a file's data is much longer than its index."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(count)]


def shown_number(frame: NDArray[np.uint8]) -> int:
    """Which picture of `write_clip` this is."""
    return round(float(frame.mean()) / 255 * 219 / 2)


def heard_second(samples: NDArray[np.float32], rate: int) -> int:
    """Which second of `write_clip` this stretch of sound is from, counted from 1; 0 if it is silent."""
    inside = samples[len(samples) // 8 : -len(samples) // 8]
    if np.abs(inside).max() < 0.01:
        return 0
    power = np.abs(np.fft.rfft(inside * np.hanning(len(inside))))
    return round(float(power.argmax()) * rate / len(inside) / 300)


def steps_of_tone(seconds: float, rate: int) -> NDArray[np.float32]:
    """[samples]: second s sounds with 300 (s + 1) Hz."""
    time = np.arange(round(seconds * rate)) / rate
    return (0.4 * np.sin(2 * np.pi * 300 * (1 + np.floor(time)) * time)).astype(np.float32)


def write_clip(
    path: Path,
    *,
    seconds: float = 10.0,
    pictures: Sequence[int] | None = None,
    audio_seconds: float | None = None,
    layout: str = "mono",
    codec: str = "libx264",
    audio_codec: str = "aac",
    rate: int = 48000,
    start: float = 0.0,
    options: dict[str, str] | None = None,
) -> Path:
    """Picture number N, at N / 10 s, has luma 16 + 2 N; second s sounds with 300 (s + 1) Hz in every channel.

    ``pictures`` : their numbers, where not all are there; ``start`` : added to all time stamps
    """
    numbers = range(round(seconds * 10)) if pictures is None else pictures
    with av.open(str(path), "w", options=options or {}) as container:
        finest = {"crf": "8", "preset": "ultrafast"} if codec == "libx264" else _FINEST.get(codec, {})
        video = container.add_stream(codec, rate=10, options=finest)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = Fraction(1, 10)
        sound = container.add_stream(audio_codec, rate=rate, layout=layout)
        items: list[tuple[float, Any]] = []
        for number in numbers:
            frame = av.VideoFrame(64, 48, "yuv420p")
            for plane, value in zip(frame.planes, (16 + 2 * number, 128, 128), strict=True):
                plane.update(bytes([value]) * plane.buffer_size)
            frame.pts = round(start * 10) + number
            frame.time_base = Fraction(1, 10)
            items.append((number / 10, frame))
        wave = steps_of_tone(seconds if audio_seconds is None else audio_seconds, rate)
        channels = av.AudioLayout(layout).nb_channels
        size = sound.codec_context.frame_size or 1024
        for first in range(0, len(wave), size):
            block = np.repeat(wave[None, first : first + size], channels, 0)
            if channels < 8:
                chunk = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout=layout)
            else:  # PyAV reads and writes beyond the planes of more channels
                chunk = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(block.T.reshape(1, -1)), format="flt", layout=layout
                )
            chunk.sample_rate, chunk.time_base = rate, Fraction(1, rate)
            chunk.pts = first + round(start * rate)
            items.append((first / rate, chunk))
        for _, item in sorted(items, key=lambda one: one[0]):
            container.mux((video if isinstance(item, av.VideoFrame) else sound).encode(item))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))
    return path


def remuxed(
    source: Path | Sequence[Path],
    target: Path,
    change: Callable[[str, int, av.Packet], av.Packet | None] = lambda kind, number, packet: packet,
    streams: Sequence[str] = ("video", "audio"),
    default: Sequence[int] = (),
    options: dict[str, str] | None = None,
) -> Path:
    """Copy the tracks of files into one.

    Parameters
    ----------
    source : several: the first of ``streams`` is taken from the first file, and so on
    change : gets kind, number and packet, gives the packet to write, or None
    default : the numbers of the tracks that are the default; none: as FFmpeg sets them
    """
    sources = [source] * len(streams) if isinstance(source, Path) else source
    given = [av.open(str(path)) for path in sources]
    with av.open(str(target), "w", options=options or {}) as made:
        tracks, packets = [], []
        for file, kind in zip(given, streams, strict=True):
            track = made.add_stream_from_template(getattr(file.streams, kind)[0])
            if default:
                track.disposition = av.stream.Disposition.default if len(tracks) in default else 0
            tracks.append(track)
            number, order = 0, float("-inf")
            for packet in file.demux(getattr(file.streams, kind)[0]):
                if not packet.size:
                    continue
                stamp = packet.dts if packet.dts is not None else packet.pts
                order = max(order, float(stamp * packet.time_base))  # packets of a track stay as they follow each other
                changed = change(kind, number, packet)
                number += 1
                if changed is not None:
                    changed.stream = track
                    packets.append((order, len(packets), changed))
        for _, _, packet in sorted(packets, key=lambda one: one[:2]):
            made.mux(packet)
    for file in given:
        file.close()
    return target


def shifted(packet: av.Packet, seconds: float) -> av.Packet:
    """A packet with its time stamps moved."""
    ticks = round(seconds / packet.time_base)
    packet.pts = None if packet.pts is None else packet.pts + ticks
    packet.dts = None if packet.dts is None else packet.dts + ticks
    return packet


def overwritten(path: Path, kind: str, begin: float, end: float, value: bytes | None = b"\0") -> Path:
    """A file in which the data of a track's packets between two times is overwritten; ``value`` None: by noise."""
    data, rng = bytearray(path.read_bytes()), np.random.default_rng(0)
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        for packet in container.demux(stream):
            if packet.size and packet.pos is not None and begin <= packet.pts * stream.time_base < end:
                filled = rng.bytes(packet.size) if value is None else value * packet.size
                data[packet.pos : packet.pos + packet.size] = filled
    path.write_bytes(data)
    return path


def write_moving(
    path: Path,
    *,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    times: Sequence[int] = range(100),
    gop: int = 300,
    lost: Sequence[int] = (),
) -> Path:
    """Pictures of a pattern that moves; ``times`` : when each is shown, in tenths of a second; ``lost`` : packets that
    are not written."""
    rng = np.random.default_rng(0)
    pattern = np.kron(rng.integers(0, 255, (12, 64), np.uint8), np.ones((8, 8), np.uint8))
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=10, options={"g": str(gop), **(options or {})})
        video.width, video.height, video.pix_fmt = 128, 96, "yuv420p"
        video.codec_context.time_base = Fraction(1, 10)
        packets: list[av.Packet] = []
        for number, time in enumerate(times):
            part = pattern[:, 4 * number % 384 :][:, :128]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.stack([part] * 3, 2)), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 10)
            packets += video.encode(frame)
        packets += video.encode(None)
        container.mux([packet for number, packet in enumerate(packets) if number not in lost])
    return path
