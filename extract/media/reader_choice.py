"""Which video reader is the fastest here: each that is installed decodes the first video that can be read.

The reader is declared in the store, so a run never changes it by itself: it reports what another one would need, and
``auto`` chooses for a new store only.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...cache import open_store
from ...core.errors import DataError, NoAnswer
from ..encoding.plan import VideoPlan
from .decode_process import DecodeJob, Decoders
from .find_videos import VideoFile
from .prefetch import Frame, FrameBatch
from .probe import MediaError, MediaInfo
from .trouble import Trouble
from .video_readers import READERS, declared_reader, installed_readers

SAMPLE_BYTES = 64 << 20
TRIES = 8

_PASSES = 2
"""The number of times that each reader decodes the video, in turn; the shorter time counts: the first pass also fills
caches."""


@dataclass(frozen=True)
class DecodedSample:
    """What was decoded of a video: all of it, or the beginning up to `SAMPLE_BYTES` of pictures.

    Attributes
    ----------
    seconds : wall seconds in one process for the whole video, extrapolated where only its beginning was decoded
    """

    info: MediaInfo
    plan: VideoPlan
    pictures: list[Frame]
    sequences: list[list[Frame]]
    seconds: float


def decode_sample(video: VideoFile, job: DecodeJob, decoders: Decoders) -> DecodedSample:
    """Decode a video, or the beginning of a long one.

    Raises
    ------
    MediaError, Trouble
        nothing can be taken from the file
    """
    decoders.warm_up(job)
    began = time.perf_counter()
    items = decoders.items(video, job)
    info, plan = next(items)
    assert isinstance(info, MediaInfo)
    assert isinstance(plan, VideoPlan)
    pictures: list[Frame] = []
    sequences: list[list[Frame]] = []
    size = 0
    for item in items:
        if isinstance(item, FrameBatch):
            pictures += [frame for _, frame in item.pictures]
            sequences += [frames for _, frames in item.sequences]
            size += sum(frame.nbytes for _, frame in item.pictures)
            if size > SAMPLE_BYTES:
                break
    seconds = time.perf_counter() - began
    if info.has_video:
        share = (len(pictures) + len(sequences)) / max(1, len(plan.pictures) + len(plan.sequences))
        seconds /= max(share, 1e-9)
    return DecodedSample(info, plan, pictures, sequences, seconds)


def compare_readers(
    video: VideoFile, job: DecodeJob, decoders: Decoders, device: str | None = None
) -> dict[str, float]:
    """Seconds a video with pictures by the job's reader and every other installed one; empty if there is no other.

    ``device`` : on which the encoder takes frames; None: in the processor's memory

    Raises
    ------
    MediaError, Trouble
        nothing can be taken from the file
    """
    names = [job.reader, *(name for name in installed_readers(device) if name != job.reader)]
    if len(names) == 1:
        return {}
    seconds: dict[str, float] = {}
    for _ in range(_PASSES):
        for name in names:
            place = READERS[name].place_for(device)
            sample = decode_sample(video, replace(job, reader=name, resize=None, place=place), decoders)
            seconds[name] = min(sample.seconds, seconds.get(name, sample.seconds))
    return seconds if sample.info.has_video else {}


def faster_reader(seconds: dict[str, float], chosen: str) -> str:
    """A line about the fastest reader if that is not the chosen one, else nothing."""
    best = min(seconds, key=lambda name: seconds[name], default=chosen)
    if best == chosen:
        return ""
    return (
        f"video reader {best} would need {seconds[best]:.3f} s/video instead of {seconds[chosen]:.3f} "
        f"(--video-reader {best}, in a new store)"
    )


def stored_reader(store_url: str) -> str | None:
    """The video reader that a store declares; None where there is no store, or one without video reader.

    Raises
    ------
    DataError
        it is not known here
    """
    try:
        store = open_store(store_url)
    except NoAnswer:
        raise  # it would be asked again and again
    except DataError:  # what else may be wrong with the place is reported when it is opened to write
        return None
    return declared_reader(store.config) if "decoder" in store.config else None


def choose_reader(
    store_url: str, videos: Sequence[VideoFile], job: DecodeJob, decoders: Decoders, device: str | None = None
) -> tuple[str, str, dict[str, float]]:
    """What ``auto`` means: the name, a line with the reason, and what was measured.

    The reader that the store declares; for a new store, the fastest on the first of the videos that can be read, for an
    encoder that takes frames on a ``device``.

    Raises
    ------
    DataError
        the store declares a reader that is not known here
    """
    name = stored_reader(store_url)
    if name is not None:
        return name, f"video reader auto: {name}, which the store declares", {}
    for video in to_try(videos):
        try:
            seconds = compare_readers(video, replace(job, reader="pyav"), decoders, device)
        except (MediaError, Trouble):
            continue
        if not seconds:
            break
        best = min(seconds, key=lambda name: seconds[name])
        others = ", ".join(f"{name} {value:.3f}" for name, value in seconds.items() if name != best)
        return best, f"video reader auto: {best}, {seconds[best]:.3f} s/video ({others})", seconds
    return "pyav", "video reader auto: pyav, since there is nothing to compare it with", {}


def to_try(videos: Sequence[VideoFile]) -> list[VideoFile]:
    """The first videos that may be readable, `TRIES` at most."""
    return [video for video in videos if video.path is not None and not video.problem][:TRIES]
