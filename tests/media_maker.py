"""Tiny media files for tests: every frame is one grey level by which it can be told, every sound a plain tone."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

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
