"""Decoding in processes of their own: a decoder that crashes, hangs or eats the memory takes its video with it, and
never the process that holds the store, the encoder and the results.

`Decoders` gives the items of a file, whichever process decodes it: everything that looks into a file of unknown origin
goes through one, calibration and benchmarks included. Pictures and sound come back through `shared_memory`.
"""

from __future__ import annotations

import logging
import os
import pickle
import resource
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn, Protocol

from ...core import errors
from ...core.errors import AvreplayError, UsageError
from ...core.threads import Worker
from ..encoding.plan import VideoPlan
from .channel import Channel
from .device_frames import FramePlace, Gives, NoRoom, Takes
from .find_videos import VideoFile
from .fork_server import START_SECONDS, fork_server
from .prefetch import Frame, FrameBatch, Item, decode_items
from .probe import MediaError, MediaInfo
from .shared_memory import ITEMS, receive_item, send_item
from .trouble import MEMORY, Trouble, described, judged, shortage_of

_log = logging.getLogger(__name__)

OUT_OF_MEMORY_SCORE = 500
"""How much sooner than other processes the system ends a decoding one where memory runs out (Linux, at most 1000)."""


SHORT_OF_SOMETHING = 75
"""The exit code of a decoding process that cannot even say what the machine lacks."""


class Job(Protocol):
    """What is wanted of each file; it goes to the process that decodes it by pickle."""

    def items(self, video: VideoFile) -> Iterator[Any]:
        """What the file gives: values, arrays and bytes. Raises: as `trouble.judged` says."""


@dataclass(frozen=True)
class DecodeJob:
    """All that is encoded of each file; the fields are those of `prefetch.decode_items`."""

    planner: Callable[[MediaInfo], VideoPlan]
    sample_rate: int
    segment_seconds: float
    resize: Callable[[Frame], Frame] | None = None
    reader: str = "pyav"
    place: FramePlace | None = None

    def items(self, video: VideoFile, read: Callable[[float], None] | None = None) -> Iterator[Item]:
        """The items of a file, decoded in this process; ``read`` as `prefetch.decode_items` has it.

        Raises: as `trouble.judged` says, whatever the decoder raises.
        """
        try:
            yield from decode_items(
                video, self.planner, self.sample_rate, self.segment_seconds, resize=self.resize, reader=self.reader,
                read=read, place=self.place,
            )  # fmt: skip
        except Exception as error:
            raise judged(error, video.path) from error


class Decoders:
    """Decodes files, in processes or in the calling thread. Use as a context manager, which ends the processes.

    Parameters
    ----------
    processes : False: in the calling thread, where a damaged file can end the program or disturb its memory
    timeout : seconds without anything from a process after which its video is given up
    """

    def __init__(self, processes: bool = True, timeout: float = 300.0) -> None:
        self._processes = processes
        self._timeout = timeout
        self._lock = threading.Lock()
        self._idle: list[_Child] = []
        self._busy: set[_Child] = set()
        self._at_home: set[bytes] = set()
        self._said = False

    def __enter__(self) -> Decoders:
        if self._processes:
            self._server = fork_server()
        return self

    def __exit__(self, *_: object) -> None:
        self.interrupt()
        with self._lock:
            idle, self._idle = self._idle, []
        for child in idle:
            child.end()

    def warm_up(self, job: Job) -> None:
        """Have a process ready for a job, so that the first file is decoded as fast as the others."""
        if not self._processes:
            return
        with suppress(OSError, MemoryError, EOFError, Trouble):  # what is wrong is met again with the file
            child = self._take()
            usable = False
            try:
                usable = child.give(self._for_process(job)[0])
            finally:
                self._put_back(child, usable)

    def interrupt(self) -> None:
        """End every process that decodes now; who waits for it gets `Trouble`."""
        with self._lock:
            for child in self._busy:
                self._server.kill(child.pid)

    def items(self, video: VideoFile, job: Job, read: Callable[[float], None] | None = None) -> Iterator[Any]:
        """What the job gives for the file: of a `DecodeJob`, the items of `decode_items`, and ``read`` is called with
        the seconds of it that are read.

        Raises
        ------
        MediaError
            nothing can be taken from the file, or its process gave nothing for too long
        Trouble
            a crash, or a want of memory, open files or the disk: the file may be fine
        AvreplayError
            what no other file would change, say a video reader that does not work
        """
        if not self._processes:
            yield from job.items(video, read) if isinstance(job, DecodeJob) else job.items(video)
            return
        assert video.path is not None
        there, resize = self._for_process(job)
        path = Path(os.path.abspath(video.path))
        try:
            child = self._take()
        except (OSError, MemoryError) as error:
            raise judged(error, None) from error
        done = False
        try:
            if child.give(there):
                child.channel.set_timeout(self._timeout)
                child.channel.send(("file", path))
                while True:
                    (kind, value, layout), handle = child.channel.receive()
                    if handle is not None and kind not in ITEMS:
                        os.close(handle)
                    if kind == "read":
                        if read is not None:
                            read(value)
                        continue
                    if kind in ("room", "no room"):
                        self._room(child, job, kind, value)
                        continue
                    if kind in ITEMS:
                        item = receive_item(kind, value, layout, handle, child.takes)
                        yield item if resize is None else _resized(item, resize, path)
                        continue
                    done = True
                    if kind == "end":
                        return
                    raise error_told(kind, value)
            done = True
        except TimeoutError as error:
            raise MediaError("unreadable", f"the decoder gave nothing for {self._timeout:g} s") from error
        except (EOFError, ConnectionError) as error:
            raise self._ended(child) from error
        except (MediaError, Trouble, AvreplayError, GeneratorExit):
            raise
        except Exception as error:
            reason = shortage_of(error) or f"the decoder gave what cannot be read: {described(error)}"
            raise Trouble("failed", reason) from error
        finally:
            self._put_back(child, done)
        if not isinstance(job, DecodeJob):
            raise UsageError(f"the processes that decode cannot import {type(job).__qualname__}")
        if resize is not None or job.resize is None:
            raise UsageError(f"the processes that decode cannot import {type(job.planner).__qualname__}")
        with self._lock:
            self._at_home.add(there)  # its function for resizing is known in this program only
        yield from self.items(video, job, read)

    def _room(self, child: _Child, job: Job, kind: str, value: Any) -> None:
        """Answer a process that asks for room on the device, or that cannot use what it was given."""
        place = job.place if isinstance(job, DecodeJob) else None
        if kind == "no room":
            child.takes.close()
            self._say(place, str(value))
            return
        if place is None:
            raise ValueError("a decoding process asked for room on no device")
        try:
            message, handle = child.takes.answer(place, *map(int, value))
        except NoRoom as error:
            self._say(place, str(error))
            message, handle = ("none", error.for_good), None
        child.channel.send(message, handle)

    def _say(self, place: FramePlace | None, reason: str) -> None:
        with self._lock:
            said, self._said = self._said, True
        if not said and place is not None:
            _log.warning("frames decoded on %s go through the processor's memory: %s", place.device, reason)

    def _for_process(self, job: Job) -> tuple[bytes, Callable[[Frame], Frame] | None]:
        """The job as bytes; and the resizing that is left to this process, since no other can be given the function."""
        if not isinstance(job, DecodeJob):
            return pickle.dumps(job), None
        if job.resize is not None:
            with suppress(Exception):
                there = pickle.dumps(job)
                if there not in self._at_home:
                    return there, None
        return pickle.dumps(replace(job, resize=None)), job.resize

    def _take(self) -> _Child:
        with self._lock:
            child = self._idle.pop() if self._idle else None
        if child is None:
            pid, channel = self._server.fork()
            child = _Child(pid, channel)
        with self._lock:
            self._busy.add(child)
        return child

    def _put_back(self, child: _Child, usable: bool = True) -> None:
        with self._lock:
            self._busy.discard(child)
            if usable:
                self._idle.append(child)
        if not usable:  # what it still has to send is of another video
            self._server.kill(child.pid)
            child.end()

    def _ended(self, child: _Child) -> Trouble:
        """What to raise for a file whose process is gone."""
        code = self._server.ending(child.pid)
        if code is None:
            return Trouble("failed", "the decoder ended without a reason")
        if code == -signal.SIGKILL:
            return Trouble("failed", "the decoder was killed (SIGKILL), as happens where memory runs out")
        if code == SHORT_OF_SOMETHING:
            return Trouble("failed", MEMORY)
        how = f"crashed ({signal.Signals(-code).name})" if code < 0 else f"ended with exit code {code}"
        if _memory_is_limited():  # which libraries do not always survive
            return Trouble("failed", f"the decoder {how} under a limit of memory")
        return Trouble("unreadable", f"the decoder {how}")


@dataclass(eq=False)
class _Child:
    """A decoding process that waits for files; ``job`` : the last one that it was given."""

    pid: int
    channel: Channel
    job: bytes = b""
    takes: Takes = field(default_factory=Takes)

    def give(self, job: bytes) -> bool:
        """Give it a job, unless it has that; whether it could import what the job needs."""
        if self.job == job:
            return True
        self.channel.set_timeout(START_SECONDS)
        self.channel.send(("job", job))
        (kind, value, _), _ = self.channel.receive()
        if kind == "trouble":
            raise Trouble(*value)
        self.job = job if kind == "ready" else b""
        return bool(self.job)

    def end(self) -> None:
        self.channel.close()  # which it takes for the end
        self.takes.close()


def _memory_is_limited() -> bool:
    limits = (resource.RLIMIT_AS, resource.RLIMIT_DATA)
    return any(resource.getrlimit(limit)[0] != resource.RLIM_INFINITY for limit in limits)


def told(error: MediaError | Trouble | AvreplayError) -> tuple[str, tuple[str, str]]:
    """An error as values that another process is given."""
    if isinstance(error, (MediaError, Trouble)):
        return "media" if isinstance(error, MediaError) else "trouble", (error.status, error.reason)
    return "error", (type(error).__name__, str(error))


def error_told(kind: str, value: tuple[str, str]) -> Exception:
    """The error of `told`."""
    if kind == "media":
        return MediaError(*value)
    if kind == "trouble":
        return Trouble(*value)
    found: type[AvreplayError] = getattr(errors, value[0], errors.DataError)
    return found(value[1])


def _resized(item: Item, resize: Callable[[Frame], Frame], path: Path) -> Item:
    """The item with smaller frames, each still the same object wherever it is."""
    if not isinstance(item, FrameBatch):
        return item
    made: dict[int, Frame] = {}

    def one(frame: Frame) -> Frame:
        if id(frame) not in made:
            made[id(frame)] = resize(frame)
        return made[id(frame)]

    try:
        return FrameBatch(
            [(row, one(frame)) for row, frame in item.pictures],
            [(row, [one(frame) for frame in frames]) for row, frames in item.sequences],
        )
    except Exception as error:
        raise judged(error, path) from error


# --- the process itself --------------------------------------------------------------------------------------------


def decode_for(handle: int) -> NoReturn:
    """Decode the files that come through a socket, until its other end is closed; then end this process."""
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(str(OUT_OF_MEMORY_SCORE))
        channel = Channel(socket.socket(fileno=handle))
        if not Worker(lambda _: _end_with(channel)).start():
            raise MemoryError("no thread can begin")
        job: Job | None = None
        gives: Gives | None = None
        while True:
            (kind, value), _ = channel.receive()
            if kind == "job":
                job = _loaded(channel, value)
                gives = _gives(channel, job, gives)
            elif job is not None:
                _decode(channel, VideoFile("", value), job, gives)
    except (EOFError, ConnectionError):
        os._exit(0)
    except BaseException as error:
        os._exit(SHORT_OF_SOMETHING if shortage_of(error) else 1)


def _loaded(channel: Channel, job: bytes) -> Job | None:
    try:
        loaded: Job = pickle.loads(job)  # noqa: S301 - made by the process that this one works for
    except Exception as error:
        found = judged(error, None)
        channel.send((*told(found), None) if isinstance(found, Trouble) else ("unknown", None, None))
        return None
    channel.send(("ready", None, None))
    return loaded


def _gives(channel: Channel, job: Job | None, before: Gives | None) -> Gives | None:
    """How this process hands over frames on the device that a job names; the same room as before if it can."""
    place = job.place if isinstance(job, DecodeJob) else None
    if before is not None and place == before.place:
        return before
    if before is not None:
        before.close()
    return None if place is None else Gives(channel, place)


def _decode(channel: Channel, video: VideoFile, job: Job, gives: Gives | None) -> None:
    def read(seconds: float) -> None:
        channel.send(("read", seconds, None))

    try:
        for item in job.items(video, read) if isinstance(job, DecodeJob) else job.items(video):
            try:
                send_item(channel, item, gives)
            except MemoryError as error:
                raise judged(error, video.path) from error
    except (MediaError, Trouble, AvreplayError) as error:
        channel.send((*told(error), None))
        return
    channel.send(("end", None, None))


def _end_with(channel: Channel) -> None:
    """End this process, whatever it does, as soon as the process at the other end is gone."""
    poll = select.poll()
    poll.register(channel.fileno(), 0)  # nothing but the hang-up is waited for
    while not poll.poll():
        pass
    os._exit(0)
