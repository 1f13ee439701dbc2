"""Decoding on the whole cluster: on the node of an encoder as on one machine, and beside it on free processors.

The items of a file are the same wherever it is decoded. A file that another node does not give is decoded at home: the
node may be lost, or not see it, or have no processor free after all.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import islice
from typing import Any

from ...cache.cluster.node_checks import use_paths
from ...cache.cluster.nodes import loaded_ray
from ...core.errors import AvreplayError, DataError
from ..media.decode_process import DecodeJob, Decoders, Job, error_told, told
from ..media.find_videos import VideoFile
from ..media.probe import MediaError
from ..media.trouble import Trouble

BEGIN_SECONDS = 60.0
"""How long another node may take to give the first item; after that the shard asks no other one."""

ITEMS_AHEAD = 2
"""Items of a file that wait on another node, at most."""

ALL = -1


class SharedDecoders(Decoders):
    """Decodes the files of one shard here, a few at a time; and further ones on other nodes while the shard has its
    turn at the encoder. One that only waits for its turn holds nothing that another one waits for.

    Parameters
    ----------
    processes, timeout : as `Decoders` takes them
    here, there : files that are decoded here, and on other nodes, at once
    """

    def __init__(self, processes: bool, timeout: float, here: int, there: int) -> None:
        super().__init__(processes, timeout)
        self._settings = (processes, timeout)
        self._changed = threading.Condition()
        self._free = {"here": here, "there": 0}
        self._there = there
        self.elsewhere: int = 0
        """Files that other nodes decoded."""

    def __enter__(self) -> SharedDecoders:
        super().__enter__()
        return self

    @contextmanager
    def turn(self, encoder: AbstractContextManager[Any]) -> Iterator[None]:
        """Around the time in which the shard has the encoder."""
        with encoder:
            with self._changed:
                self._free["there"] = self._there
                self._changed.notify_all()
            yield

    def items(self, video: VideoFile, job: Job, read: Callable[[float], None] | None = None) -> Iterator[Any]:
        """As `Decoders.items`. Raises: DataError, too, where this node does not see the file."""
        given = 0
        with self._place(("here", "there")) as where:
            if where == "there":
                given = yield from self._elsewhere(video, job)
                if given == ALL:
                    self.elsewhere += 1
                    return
            else:
                yield from self._decoded_here(video, job, read)
                return
        with self._place(("here",)):
            yield from islice(self._decoded_here(video, job, read), given, None)

    def _decoded_here(self, video: VideoFile, job: Job, read: Callable[[float], None] | None) -> Iterator[Any]:
        if video.path is not None and not os.path.exists(video.path):
            raise DataError(
                f"it does not see the file {video.path}, which the machine that runs the command does; give all "
                "nodes the same folder at the same path"
            )
        yield from super().items(video, job, read)

    @contextmanager
    def _place(self, kinds: Sequence[str]) -> Iterator[str]:
        with self._changed:
            while not (free := [kind for kind in kinds if self._free[kind] > 0]):
                self._changed.wait()
            self._free[free[0]] -= 1
        try:
            yield free[0]
        finally:
            with self._changed:
                self._free[free[0]] += 1
                self._changed.notify()

    def _elsewhere(self, video: VideoFile, job: Job) -> Generator[Any, None, int]:
        """The items that another node gives. Returns how many came before it failed, or `ALL`."""
        if not isinstance(job, DecodeJob) or job.place is not None:  # frames stay on this node's device
            return 0
        ray, given = loaded_ray(), 0
        task = ray.remote(
            num_cpus=1, num_returns="streaming", max_retries=0, _generator_backpressure_num_objects=ITEMS_AHEAD
        )(decode_elsewhere)
        stream = None
        try:
            stream = task.remote(video, job, *self._settings, list(sys.path))
            begun, _ = ray.wait([stream], timeout=BEGIN_SECONDS)
            if not begun:
                with self._changed:
                    self._free["there"] = -self._there  # those under way add themselves again
            for ref in stream if begun else ():
                kind, value = ray.get(ref)
                if kind == "item":
                    yield value
                    given += 1
                elif kind in ("end", "absent"):
                    stream = None
                    return ALL if kind == "end" else given
                else:
                    stream = None
                    raise error_told(kind, value)
        except ray.exceptions.RayError:
            return given
        finally:
            if stream is not None:  # what nobody takes would hold its processor
                with suppress(Exception):
                    ray.cancel(stream)
        return given


_decoders: dict[tuple[bool, float], Decoders] = {}


def decode_elsewhere(
    video: VideoFile, job: DecodeJob, processes: bool, timeout: float, paths: list[str]
) -> Iterator[tuple[str, Any]]:
    """The task: the items of a file, then ``end``; or what became of it."""
    use_paths(paths)
    if video.path is None or not os.path.exists(video.path):
        yield "absent", None
        return
    if (processes, timeout) not in _decoders:  # its processes are kept for the next file, and end with this one
        _decoders[processes, timeout] = Decoders(processes, timeout).__enter__()
    try:
        for item in _decoders[processes, timeout].items(video, job):
            yield "item", item
    except (MediaError, Trouble, AvreplayError) as error:
        yield told(error)
    else:
        yield "end", None
