"""What the package takes of a generated clip, read off: for each segment its picture and the second of its sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from avreplay.extract.encoding.sampling import num_segments, segment_frames
from avreplay.extract.media.decode import Decoding
from avreplay.extract.media.probe import MediaError, probe
from media_maker import heard_second, shown_number

RATE = 16000
ALL = list(range(1, 11))
MIDDLES = list(range(5, 100, 10))
FORMATS = [
    (".mp4", "libx264", "aac"),
    (".mov", "libx264", "pcm_s16le"),
    (".mkv", "libx264", "aac"),
    (".webm", "libvpx", "libopus"),
    (".avi", "mpeg4", "libmp3lame"),
    (".ts", "libx264", "aac"),
    (".mpg", "mpeg2video", "mp2"),
    (".flv", "flv", "libmp3lame"),
]


class Taken:
    """What is taken of a file: for each segment the number of its picture and the second of its sound (0: silence)."""

    def __init__(self, path: Path) -> None:
        info = probe(path)
        self.status, self.reason = info.status, info.reason
        segments = num_segments(info.duration)
        chosen = segment_frames(info.frame_times, segments) if info.has_video else np.zeros(0, np.int64)
        decoding = Decoding(info, np.unique(chosen), RATE, float(segments))
        frames = dict(decoding.frames())
        self.pictures = [shown_number(frames[number]) for number in chosen.tolist()]
        sound = decoding.audio
        self.seconds = None if sound is None else [heard_second(part, RATE) for part in sound.reshape(segments, -1)]
        self.notes = {note.kind: note.text for note in info.notes + decoding.notes}

    def shows(self, numbers: list[int]) -> bool:
        """Whether the pictures are these, up to the one before: sound often begins a little before them."""
        return len(self.pictures) == len(numbers) and all(
            number - 1 <= shown <= number for shown, number in zip(self.pictures, numbers, strict=True)
        )


def refusal(path: Path) -> tuple[str, str]:
    with pytest.raises(MediaError) as caught:
        Taken(path)
    return caught.value.status, caught.value.reason


def together(target: Path, *parts: Path) -> Path:
    target.write_bytes(b"".join(part.read_bytes() for part in parts))
    return target
