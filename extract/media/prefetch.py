"""Decoding ahead: worker threads turn files into batches of frames while the encoder is busy with earlier ones.

Each thread waits for a decoding process (`decode_process`), so that a file that crashes the decoder costs itself alone
and the interpreter lock is the encoder's; or it decodes by itself, where that was asked for. Results come in the order
of the videos, whatever the number of threads, and memory is bounded: a file is handed over in batches of about
`BATCH_BYTES` of pictures, of which a few wait at most, and only a few files are begun at a time. An hour-long file
keeps its sound (230 MB an hour at 16 kHz) and the frames of windows not yet complete.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...cache.layout.schema import Note
from ...core.threads import Worker
from ..encoding.plan import VideoPlan
from .decode import Decoding
from .device_frames import BATCH_BYTES as DEVICE_BATCH_BYTES
from .device_frames import FramePlace
from .find_videos import VideoFile
from .probe import MediaInfo, probe

BATCH_BYTES = 64 << 20

_LOOK_SECONDS = 1.0
"""Between two looks at whether the threads are still at work."""

Frame: TypeAlias = NDArray[np.uint8]
Planner: TypeAlias = Callable[[MediaInfo], VideoPlan]
T = TypeVar("T")


@dataclass
class FrameBatch:
    """Part of a video's pictures: (row in the plan, frame) and (row in the plan, frames), in order of rows."""

    pictures: list[tuple[int, Frame]] = field(default_factory=list)
    sequences: list[tuple[int, list[Frame]]] = field(default_factory=list)

    def frames(self) -> list[Frame]:
        """Every frame once: the same one may be a picture and in sequences."""
        all_of_them = (*(f for _, f in self.pictures), *(f for _, some in self.sequences for f in some))
        return list({id(frame): frame for frame in all_of_them}.values())


@dataclass
class Sound:
    """The sound of a video, [samples] float32, after its pictures."""

    samples: NDArray[np.float32]


@dataclass
class Noted:
    """What else is worth knowing about a video, found while it was decoded; its last item, if there is anything."""

    notes: tuple[Note, ...]


Item: TypeAlias = tuple[MediaInfo, VideoPlan] | FrameBatch | Sound | Noted


def decode_items(
    video: VideoFile,
    planner: Planner,
    sample_rate: int,
    segment_seconds: float,
    threads: int = 1,
    resize: Callable[[Frame], Frame] | None = None,
    batch_bytes: int | None = None,
    reader: str = "pyav",
    read: Callable[[float], None] | None = None,
    place: FramePlace | None = None,
) -> Iterator[Item]:
    """Everything to encode of one file: what it is and the plan, batches of pictures, the sound, notes.

    Parameters
    ----------
    video : with a path
    planner : decides from what `probe` finds what is encoded
    sample_rate : of the sound, in Hz
    segment_seconds : length of a segment
    threads : decoder threads; the result does not depend on them
    resize : applied to each frame; None: frames keep their size
    batch_bytes : of different pictures in a batch, about; None: `BATCH_BYTES`, or less on a device
    reader : one of `video_readers.READERS`
    read : called now and then with the seconds of the file that are read
    place : the device on which a reader that decodes there leaves the pictures; None: they are arrays

    Raises
    ------
    MediaError
        nothing can be taken from the file
    """
    assert video.path is not None
    info = probe(video.path)
    plan = planner(info)
    yield info, plan
    decoding = Decoding(info, plan.wanted_frames, sample_rate, plan.segments * segment_seconds, reader, read, place)
    picture_row = {int(number): row for row, number in enumerate(plan.pictures)}
    ends = plan.sequences[:, -1]
    # a frame is kept until the last sequence that has it is complete
    last_use: dict[int, int] = {}
    for sequence in plan.sequences.tolist():
        last_use.update(dict.fromkeys(sequence, sequence[-1]))
    released: dict[int, list[int]] = {}
    for number, end in last_use.items():
        released.setdefault(end, []).append(number)
    held: dict[int, Frame] = {}
    batch, size, row = FrameBatch(), 0, 0
    most = batch_bytes or (BATCH_BYTES if place is None else DEVICE_BATCH_BYTES)
    working = contextlib.nullcontext if place is None else place.working
    for number, decoded in decoding.frames():
        with working():
            frame = decoded if resize is None else resize(decoded)
        size += frame.nbytes
        if number in picture_row:
            batch.pictures.append((picture_row[number], frame))
        if number in last_use:
            held[number] = frame
        while row < len(ends) and ends[row] == number:
            batch.sequences.append((row, [held[n] for n in plan.sequences[row].tolist()]))
            row += 1
        for gone in released.get(number, ()):
            del held[gone]
        if size >= most:
            yield _settled(batch, place)
            batch, size = FrameBatch(), 0
    if batch.pictures or batch.sequences:
        yield _settled(batch, place)
    if decoding.audio is not None:
        yield Sound(decoding.audio)
    if decoding.notes:
        yield Noted(tuple(decoding.notes))


def _settled(batch: FrameBatch, place: FramePlace | None) -> FrameBatch:
    """The batch, once its frames are there for every thread."""
    if place is not None:
        place.settle(batch.frames())
    return batch


class Prefetch(Generic[T]):
    """Runs ``work(video)``, an iterator, for each video in worker threads, a few videos and items ahead.

    Iterate over it to get, video by video in order, an iterator of what its work gave; an exception of the work is
    raised there. Use it as a context manager, which ends the threads.

    ``timeout`` : seconds; work that gives nothing for that time after it is waited for is abandoned: TimeoutError is
    raised in its place, and another thread takes over.
    """

    _ITEMS_AHEAD = 2

    def __init__(
        self,
        videos: Sequence[VideoFile],
        work: Callable[[VideoFile], Iterator[T]],
        workers: int,
        timeout: float | None = None,
    ) -> None:
        self._videos = videos
        self._work = work
        self._timeout = timeout
        self._stop = threading.Event()
        self._next = itertools.count()
        self._free = threading.Semaphore(workers + 1)
        self._queues: list[queue.Queue[tuple[str, T | BaseException | None]]] = [
            queue.Queue(self._ITEMS_AHEAD) for _ in videos
        ]
        self._given_up: set[int] = set()
        self._broken: BaseException | None = None
        self._busy_with: dict[Worker, int] = {}
        self._threads = [Worker(self._run) for _ in range(min(workers, len(videos)))]

    def __enter__(self) -> Prefetch[T]:
        for count, thread in enumerate(self._threads):
            if not thread.start():
                if not count:
                    self._broken = RuntimeError("can't start new thread")
                break
        return self

    def stop(self) -> None:
        """Begin no further video, and drop what is decoded ahead."""
        self._stop.set()
        for _ in self._threads:
            self._free.release()

    def __exit__(self, *_: object) -> None:
        self.stop()
        for thread in self._threads:
            if self._busy_with.get(thread) not in self._given_up:
                thread.join(timeout=5)

    def __iter__(self) -> Iterator[tuple[VideoFile, Iterator[T]]]:
        for index, video in enumerate(self._videos):
            items = self._items(index)
            yield video, items
            with contextlib.suppress(Exception):
                for _ in items:
                    pass  # what the caller did not take
            self._free.release()

    def _items(self, index: int) -> Iterator[T]:
        while True:
            kind, value = self._next_entry(index)
            if kind == "end":
                return
            if kind == "error":
                assert isinstance(value, BaseException)
                raise value
            yield value  # type: ignore[misc]

    def _next_entry(self, index: int) -> tuple[str, T | BaseException | None]:
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        while True:
            try:
                left = _LOOK_SECONDS if deadline is None else min(_LOOK_SECONDS, deadline - time.monotonic())
                return self._queues[index].get(timeout=max(0.0, left))
            except queue.Empty:
                if self._broken is not None and not self._queues[index].qsize():
                    raise self._broken from None
                if deadline is not None and time.monotonic() >= deadline:
                    self._give_up(index)
                    raise TimeoutError(f"the decoder gave nothing for {self._timeout:g} s") from None

    def _give_up(self, index: int) -> None:
        """A thread cannot be ended: leave it, and let another one do the videos it would have done."""
        self._given_up.add(index)
        self._threads.append(Worker(self._run))
        if not self._threads[-1].start():
            self._broken = RuntimeError("can't start new thread")

    def _run(self, thread: Worker) -> None:
        try:
            self._work_off(thread)
        except BaseException as error:  # a thread that ends unseen would be waited for for ever
            self._broken = error

    def _work_off(self, thread: Worker) -> None:
        while not self._stop.is_set():
            self._free.acquire()
            index = next(self._next)
            if self._stop.is_set() or index >= len(self._videos):
                return
            self._busy_with[thread] = index
            try:
                for item in self._work(self._videos[index]):
                    if not self._put(index, ("item", item)):
                        return
                last: tuple[str, BaseException | None] = ("end", None)
            except Exception as error:  # raised where the item is taken
                last = ("error", error)
            if not self._put(index, last):
                return

    def _put(self, index: int, entry: tuple[str, T | BaseException | None]) -> bool:
        """Queue an entry, unless the whole is being stopped or the video was given up."""
        while not self._stop.is_set() and index not in self._given_up:
            try:
                self._queues[index].put(entry, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False
