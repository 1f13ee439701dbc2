"""Decoding in worker processes: a decoder that crashes or hangs takes its video with it and nothing else.

Each thread of `prefetch` that uses `DecodeProcesses` has one process, which decodes for it and is replaced when it
dies. Pictures and sound come back through `shared_memory`.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

from ..encoding.plan import VideoPlan
from .find_videos import VideoFile
from .prefetch import Frame, Item, decode_items
from .probe import MediaError, MediaInfo
from .shared_memory import ITEMS, receive_item, send_item

START_SECONDS = 120.0
"""Seconds after which a process that has not begun its work is given up."""


class DecodeProcesses:
    """Worker processes, one for each thread that asks. Use as a context manager, which ends them.

    Parameters
    ----------
    planner, sample_rate, segment_seconds, threads, resize, reader : as `prefetch.decode_items` takes them
    timeout : seconds without anything from the decoder after which its video is given up
    """

    def __init__(
        self,
        planner: Callable[[MediaInfo], VideoPlan],
        sample_rate: int,
        segment_seconds: float,
        threads: int,
        timeout: float,
        resize: Callable[[Frame], Frame] | None = None,
        reader: str = "pyav",
    ) -> None:
        self._job = (planner, sample_rate, segment_seconds, threads, resize, reader)
        self._timeout = timeout
        self._own = threading.local()
        self._children: list[_Child] = []

    def __enter__(self) -> DecodeProcesses:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            child.kill()

    def items(self, video: VideoFile) -> Iterator[Item]:
        """What `decode_items` gives for the file, decoded in this thread's process.

        Raises
        ------
        MediaError
            as `decode_items`; ``unreadable`` if the process died or gave nothing for too long
        """
        child = self._child()
        done = False
        try:
            child.connection.send(video)
            while True:
                if not child.connection.poll(self._timeout):
                    raise MediaError("unreadable", f"the decoder gave nothing for {self._timeout:g} s")
                kind, value, layout = child.connection.recv()
                if kind in ITEMS:
                    yield receive_item(child.connection, kind, value, layout)
                    continue
                done = True
                if kind == "refused":
                    raise MediaError(*value)
                if kind == "error":
                    raise RuntimeError(value)
                return
        except (EOFError, OSError) as error:
            raise MediaError("unreadable", f"the decoder {child.ending()}") from error
        finally:
            if not done:  # what it still has to send is of this video
                child.kill()

    def _child(self) -> _Child:
        child = getattr(self._own, "child", None)
        if child is None or not child.process.is_alive():
            child = self._own.child = _Child(self._job)
            self._children.append(child)
        return child


class _Child:
    def __init__(self, job: tuple[Any, ...]) -> None:
        # a forked process would inherit the threads' locks in whatever state they are
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other, *job), name="decoder", daemon=True)
        self.process.start()
        other.close()
        if not self.connection.poll(START_SECONDS):
            self.kill()
            raise RuntimeError("a decoding process did not start")
        self.connection.recv()

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()

    def ending(self) -> str:
        """How the process ended, in words."""
        self.process.join(5)
        code = self.process.exitcode
        if code is not None and code < 0:
            return f"crashed ({signal.Signals(-code).name})"
        return f"ended with exit code {code}"


def _serve(
    connection: Connection,
    planner: Callable[[MediaInfo], VideoPlan],
    sample_rate: int,
    segment_seconds: float,
    threads: int,
    resize: Callable[[Frame], Frame] | None,
    reader: str,
) -> None:
    """The process: decode the videos that come, until the sender is gone."""
    parent = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    try:
        connection.send("ready")
        while True:
            video = connection.recv()
            try:
                for item in decode_items(video, planner, sample_rate, segment_seconds, threads, resize, reader=reader):
                    send_item(connection, item, parent)
                connection.send(("end", None, None))
            except MediaError as error:
                connection.send(("refused", (error.status, error.reason), None))
            except MemoryError:
                reason = "the machine has too little memory to decode it"
                connection.send(("refused", ("unreadable", reason), None))
            except (EOFError, BrokenPipeError, ConnectionResetError):
                raise
            except Exception as error:
                connection.send(("error", f"{video.path}: {type(error).__name__}: {error}", None))
    except (EOFError, OSError):
        return
