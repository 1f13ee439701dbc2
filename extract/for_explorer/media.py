"""The media files of a store's videos, for a page that plays them: which file is which id, and what can be shown of it.

Times are in seconds from time 0 of the store: the first picture or sound of a file, as in extraction. Everything that
looks into a file does so in a process of its own (`media.decode_process`), as extraction does: a file that crashes the
decoder costs a sentence.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...core.errors import AvreplayError, DataError, UsageError
from ...core.names import escaped
from ..media.decode_process import Decoders
from ..media.find_videos import VideoFile, find_videos, with_subfolders
from ..media.probe import MediaError
from ..media.trouble import Trouble
from .envelope import EnvelopeJob, in_bins
from .header import Header, HeaderJob
from .playable import content_type, why_preview
from .preview_job import LONG_SECONDS
from .previews import PassingError, Previews, stamp_of
from .previews import PlayableFile as PlayableFile  # where others look for it
from .thumbnails import ThumbnailJob

State: TypeAlias = Literal["playable", "preview", "missing", "unreadable"]

MOST_THUMBNAILS, MOST_BINS = 100, 10_000

_AT_ONCE = 3
"""So many files are looked into at once, and one more is made a preview of."""

_SILENCE_SECONDS = 60.0
"""A decoding process that gives nothing for this long is ended."""

_ENVELOPES = 32
"""Waveforms that are kept; an hour takes 3 MB."""

_LONGEST_SECONDS = 1e6


@dataclass(frozen=True)
class VideoMedia:
    """What a page can show of a video.

    Attributes
    ----------
    state : ``playable`` as it is; ``preview``: a copy is made for the browser; ``missing``: no file; ``unreadable``
    why : one sentence, of why there is a preview, or nothing; empty for ``playable``
    offset : seconds to add to a time of the store to get the player's ``currentTime``: below 0.05, and 0 for a preview,
        since a file whose time stamps begin later is shown by a preview
    """

    state: State
    why: str = ""
    offset: float = 0.0


@dataclass
class _Known:
    """What was found out about a file while it was the same."""

    stamp: tuple[int, int]
    lock: threading.Lock = field(default_factory=threading.Lock)
    header: Header | None = None
    problem: str = ""


class MediaLibrary:
    """The media files of a store's videos. Use as a context manager, or call `close`; any thread may call any method.

    Parameters
    ----------
    sources : folders and files, as ``extract`` takes them
    ids : of the store's videos
    recursive : also look into folders below

    Raises
    ------
    UsageError
        no such file or folder, no media file in a folder, two files of one id, or no file of any id
    """

    def __init__(
        self, sources: Sequence[str | os.PathLike[str]], ids: Iterable[str], *, recursive: bool = False
    ) -> None:
        places = with_subfolders(sources) if recursive else list(sources)
        self._files = {video.id: video for video in find_videos(places, ids)}
        without = [id for id, video in self._files.items() if video.path is None]
        if len(without) == len(self._files):
            where = ", ".join(map(str, sources))
            raise UsageError(
                f"{where} has no file of any of the store's {len(without)} videos, say {without[0]!r}; give the folder "
                "that was extracted"
                if without
                else "the store has no videos"
            )
        self._without = without
        self._decoders = Decoders(timeout=_SILENCE_SECONDS)
        self._started = False
        self._closed = False
        self._lock = threading.Lock()
        self._looks = threading.BoundedSemaphore(_AT_ONCE)
        self._known: dict[Path, _Known] = {}
        self._sounds: OrderedDict[Path, tuple[_Known, NDArray[np.float16]]] = OrderedDict()
        self._listening: dict[Path, threading.Lock] = {}
        self._previews = Previews(self._run)

    @property
    def note(self) -> str:
        """How many of the videos have no file, in one sentence; empty if all have one."""
        if not self._without:
            return ""
        return f"{len(self._without)} of {len(self._files)} videos have no file here, say {self._without[0]!r}"

    def has_file(self, id: str) -> bool:
        """Whether an id has a file; nothing is opened."""
        video = self._files.get(id)
        return video is not None and video.path is not None

    def media(self, id: str) -> VideoMedia:
        """What can be shown of a video; the header of its file is read when this is first asked for.

        Raises: nothing; what is wrong is the ``why`` of the result.
        """
        video = self._files.get(id)
        if video is None or video.path is None:
            return VideoMedia("missing", f"the folders given for the videos have no file of {id!r}")
        if not os.path.lexists(video.path):
            return VideoMedia("missing", f"the file {_name(video.path)} is not there any more")
        try:
            header = self._header(video)
        except AvreplayError as error:
            return VideoMedia("unreadable", str(error))
        why = why_preview(header)
        if why:
            return VideoMedia("preview", why)
        return VideoMedia("playable", "", round(header.origin, 6))

    def file(self, id: str) -> PlayableFile:
        """The file that a browser plays: the video's own, or its preview, which is made now if it is not there yet.

        Raises: DataError with one sentence where there is none, or none can be made.
        """
        video, header = self._readable(id)
        if why_preview(header):
            return self._previews.get(video, header.seconds > LONG_SECONDS)
        return PlayableFile(video, content_type(header))

    def progress(self, id: str) -> float | None:
        """How much of a video's preview is made, 0 to 1, while another thread makes it; None: nothing is being made."""
        video = self._files.get(id)
        return None if video is None or video.path is None else self._previews.progress(video.path)

    def thumbnails(self, id: str, start: float, end: float, count: int) -> tuple[list[float], list[bytes]]:
        """Times in the middle of ``count`` equal parts of a span, and the picture (JPEG, at most 160 px) at each.

        Raises
        ------
        UsageError
            a span that is none, or ``count`` outside 1 to 100
        DataError
            the video has no file, or no pictures that can be read
        """
        _check_span(start, end, count, MOST_THUMBNAILS, "pictures")
        path, origin, file = self._clear(id)
        step = (end - start) / count
        times = [start + (k + 0.5) * step for k in range(count)]
        return times, list(self._look(path, ThumbnailJob(tuple(times), origin), file))

    def waveform(self, id: str, start: float, end: float, bins: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The lowest and the highest sample, (bins,) float32 in -1 to 1, of equal parts of a span; silence gives 0.

        The sound is decoded once for all spans, and kept in steps of 5 ms.

        Raises
        ------
        UsageError
            a span that is none, or ``bins`` outside 1 to 10,000
        DataError
            the video has no file, or no sound that can be read
        """
        _check_span(start, end, bins, MOST_BINS, "bins")
        path, origin, file = self._clear(id)
        known = self._remembered(path)
        with self._lock:
            lock = self._listening.setdefault(path, threading.Lock())
        with lock:
            with self._lock:
                of, envelope = self._sounds.get(path, (None, np.zeros((2, 0), np.float16)))
            if of is not known:
                parts = [np.zeros((2, 0), np.float16), *self._look(path, EnvelopeJob(origin), file)]
                envelope = np.concatenate(parts, axis=1)
                with self._lock:
                    self._sounds[path] = known, envelope
                    while len(self._sounds) > _ENVELOPES:
                        self._sounds.popitem(last=False)
        low, high = np.clip(in_bins(envelope, start, end, bins), -1, 1)
        return low, high

    def close(self) -> None:
        """End what is being made, and remove the previews."""
        with self._lock:
            self._closed, started, self._started = True, self._started, False
        if started:
            self._decoders.__exit__()
        self._previews.close()

    def __enter__(self) -> MediaLibrary:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- one file ----------------------------------------------------------------------------------------------

    def _readable(self, id: str) -> tuple[Path, Header]:
        video = self._files.get(id)
        if video is None or video.path is None or not os.path.lexists(video.path):
            raise DataError(self.media(id).why)
        return video.path, self._header(video)

    def _clear(self, id: str) -> tuple[Path, float, Path]:
        """A file in which times are found by seeking, its time 0, in seconds of its time stamps, and the video's own.

        Of a file that browsers do not play and that is short enough, it is the preview: formats without an index, or
        with time stamps that jump, can be read from front to back only.
        """
        path, header = self._readable(id)
        if why_preview(header) and header.seconds <= LONG_SECONDS:
            return self._previews.get(path, False).path, 0.0, path
        return path, header.origin, path

    def _header(self, video: VideoFile) -> Header:
        """The header of a file, read once. Raises: DataError where it cannot be read."""
        assert video.path is not None
        if video.problem:
            raise DataError(video.problem)
        known = self._remembered(video.path)
        with known.lock:
            if known.header is None and not known.problem:
                try:
                    (fields,) = self._look(video.path, HeaderJob())
                    known.header = Header(*fields)
                except PassingError:
                    raise
                except DataError as error:
                    known.problem = str(error)
            if known.header is None:
                raise DataError(known.problem)
            return known.header

    def _remembered(self, path: Path) -> _Known:
        """What is known of a file as it is now."""
        stamp = stamp_of(path)
        with self._lock:
            known = self._known.get(path)
            if known is None or known.stamp != stamp:
                known = self._known[path] = _Known(stamp)
            return known

    # --- processes ---------------------------------------------------------------------------------------------

    def _look(self, path: Path, job: Any, file: Path | None = None) -> list[Any]:
        """All that a job gives of a file, a few at a time. Raises: as `_run`."""
        with self._looks:
            return list(self._run(path, job, file))

    def _run(self, path: Path, job: Any, file: Path | None = None) -> Iterator[Any]:
        """What a job gives of a file, in a decoding process; errors name ``file``, of which it may be the preview.

        Raises: DataError with one sentence, which is a PassingError where the machine may be to blame.
        """
        try:
            with self._lock:
                if self._closed:
                    raise PassingError("the explorer is closing")
                if not self._started:
                    self._decoders.__enter__()
                    self._started = True
            yield from self._decoders.items(VideoFile("", path), job)
        except (MediaError, Trouble) as error:
            if self._closed:
                raise PassingError("the explorer is closing") from None
            kind = PassingError if isinstance(error, Trouble) and error.status == "failed" else DataError
            raise kind(f"{_name(file or path)} cannot be shown: {error.reason}") from error


def _name(path: Path) -> str:
    return escaped(path.name)


def _check_span(start: float, end: float, count: int, most: int, what: str) -> None:
    if not 0 <= start < end <= _LONGEST_SECONDS:
        raise UsageError(f"{start} to {end} is no span of seconds; give a start from 0, and a later end")
    if not 1 <= count <= most:
        raise UsageError(f"{count} {what} cannot be made; give from 1 to {most}")
