"""Decoding ahead, and what becomes of a file when the machine is in trouble: it is tried once more, alone.

Everything that was decoded ahead is let go first, and its processes are ended, so that the file has the memory, the
open files and the disk to itself. The items that were handed over before the trouble are not handed over again. Whether
a file fails does not depend on what was decoded beside it, so it is the same for any number of workers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

from .find_videos import VideoFile
from .prefetch import Prefetch
from .probe import MediaError
from .trouble import Trouble, judged

T = TypeVar("T")

_log = logging.getLogger(__name__)


class DecodeAhead(Generic[T]):
    """`Prefetch` whose work may raise `Trouble`; iterate over it in the same way, as a context manager.

    Parameters
    ----------
    videos, work, workers, timeout : as `Prefetch` takes them
    interrupt : ends what the work waits for, in every thread
    """

    def __init__(
        self,
        videos: Sequence[VideoFile],
        work: Callable[[VideoFile], Iterator[T]],
        workers: int,
        timeout: float | None = None,
        interrupt: Callable[[], None] = lambda: None,
    ) -> None:
        self._videos = videos
        self._work = work
        self._workers = workers
        self._timeout = timeout
        self._interrupt = interrupt
        self._current: Prefetch[T] | None = None

    def __enter__(self) -> DecodeAhead[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def __iter__(self) -> Iterator[tuple[VideoFile, Iterator[T]]]:
        begin = 0
        while begin < len(self._videos):
            ahead = Prefetch(self._videos[begin:], self._work, self._workers, self._timeout)
            with self._running(ahead):
                for video, items in ahead:
                    begin += 1
                    yield video, self._with_another_try(video, items)
                    if self._current is None:
                        break

    def _with_another_try(self, video: VideoFile, items: Iterator[T]) -> Iterator[T]:
        given = 0
        try:
            for item in items:
                yield item
                given += 1
            return
        except MediaError:
            raise
        except Exception as error:
            first = _trouble(error, video)
        self._stop()
        alone = Prefetch([video], self._work, 1, self._timeout)
        with self._running(alone):
            try:
                for _, again in alone:
                    for count, item in enumerate(again):
                        if count >= given:
                            yield item
            except MediaError:
                raise
            except Exception as error:
                trouble = _trouble(error, video)
                raise MediaError(trouble.status, trouble.reason) from error
        if first.status == "failed" and self._workers > 1:
            self._workers = max(1, self._workers // 2)
            _log.warning("%s: %s; going on with %d decoders", video.id, first.reason, self._workers)

    @contextmanager
    def _running(self, ahead: Prefetch[T]) -> Iterator[None]:
        self._current = ahead
        try:
            with ahead:
                yield
        finally:
            if self._current is ahead:
                self._stop()

    def _stop(self) -> None:
        """End what is decoded ahead."""
        current, self._current = self._current, None
        if current is not None:
            current.stop()
            self._interrupt()
            current.__exit__()


def _trouble(error: Exception, video: VideoFile) -> Trouble:
    """Raises: the error, where it is of no file."""
    found = judged(error, video.path)
    if isinstance(found, Trouble):
        return found
    raise error
