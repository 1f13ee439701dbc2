"""Several devices on one machine: a worker process for each, on disjoint parts of one store."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from typing import Any

from ...cache import StoreWriter
from ...core import errors
from ...core.errors import AvreplayError, DataError, UsageError
from ...core.threads import Worker
from ..backbones.base import Backbone
from ..backbones.options import with_device
from ..backbones.registry import backbone_class, backbone_registry, class_path, load_backbone
from ..backbones.weights.hashes import Known, known_hashes, learn_hashes
from ..command_options import MOST_WORKERS, ExtractSettings
from ..course import State
from ..media.processors import usable_processors
from ..progress import Show, extraction_progress
from ..summary import ExtractSummary
from .configuration import declare_for
from .extract import extract_videos
from .fill import check_fill, fill_store
from .interrupt import stop_on_interrupt
from .retry import retry_videos
from .shard_loop import resumable, summarise

_STATE_SECONDS = 0.5
"""Between two states of a process."""


@dataclass(frozen=True)
class Job:
    """An extraction as values that another process can be given.

    Attributes
    ----------
    media : files and folders
    store : path or fsspec URL
    backbone, options : its name or ``package.module:Class``, and the keyword arguments that make it
    labels : to score; none: those of the store
    settings, ids : as `extract_videos` takes them
    fill, retry : add windows; try videos without data again
    """

    media: tuple[str, ...]
    store: str
    backbone: str
    options: dict[str, Any]
    labels: tuple[str, ...]
    settings: ExtractSettings
    ids: tuple[str, ...] | None = None
    fill: bool = False
    retry: bool = False

    def check(self, backbone: Backbone) -> None:
        """Raises what `run` would raise for the store and its configuration; no video is decoded."""
        if self.fill:
            check_fill(self.store, backbone, self.settings)
        else:
            StoreWriter.check(self.store, declare_for(self.store, backbone, self.settings))

    def importable(self) -> Job:
        """The job with a backbone that another process finds, too.

        Raises: UsageError for a class that only this process knows.
        """
        known = backbone_registry.is_own(self.backbone) or ":" in self.backbone
        if known:
            return self
        path = class_path(backbone_class(self.backbone))
        if path is None:
            raise UsageError(
                f"other processes cannot import the backbone {self.backbone}; put its class into a module, or leave "
                "the devices out"
            )
        return replace(self, backbone=path)

    def run(
        self,
        backbone: Backbone | None = None,
        *,
        stop: Callable[[], bool] | None = None,
        progress: Show = None,
    ) -> ExtractSummary:
        """Do it in this process, with a backbone that is loaded already or with one loaded here."""
        backbone = backbone or load_backbone(self.backbone, **self.options)
        task = (self.media, self.store, backbone, self.labels, self.settings)
        if self.fill:
            return fill_store(*task, progress=progress, stop=stop)
        if self.retry:
            return retry_videos(*task, ids=self.ids, progress=progress, stop=stop)
        return extract_videos(*task, ids=self.ids, progress=progress, stop=stop)


def run_on_devices(job: Job, devices: Sequence[str], progress: Show = None) -> ExtractSummary:
    """Do a job with a process for each device; part i of n of the job becomes as many parts as there are devices.

    Raises
    ------
    UsageError
        a device named for a backbone that computes on none
    DataError
        a process that ended by itself; the others finish their parts
    AvreplayError
        as the processes raise them
    """
    began = time.perf_counter()
    job = job.importable()
    i, n = job.settings.part or (1, 1)
    jobs = []
    for k, device in enumerate(devices):
        part = ((i - 1) * len(devices) + k + 1, n * len(devices))
        options = with_device(job.backbone, job.options, device)
        # the decoders of all devices share the processors
        decoders = job.settings.workers or max(1, min(usable_processors() // len(devices), MOST_WORKERS))
        jobs.append(replace(job, options=options, settings=replace(job.settings, part=part, workers=decoders)))
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    failures: list[Exception] = []
    summaries: list[ExtractSummary] = []
    states: dict[Connection, State] = {}
    with (
        stop_on_interrupt() as stopping,
        resumable(job.store),
        extraction_progress(lambda: State.together(list(states.values())), progress),
    ):
        workers: dict[Connection, tuple[Any, str]] = {}
        for one, device in zip(jobs, devices, strict=True):
            receive, send = context.Pipe(duplex=False)
            given = (one, stop, send, known_hashes())
            process = context.Process(target=_work, args=given, name=f"extract on {device}")
            process.start()
            send.close()
            workers[receive] = (process, device)
        try:
            while workers:
                ready = wait(list(workers), timeout=1.0)
                for receive in [connection for connection in workers if connection in ready]:
                    process, device = workers[receive]
                    try:
                        kind, value = receive.recv()
                        if kind == "state":
                            states[receive] = value
                            continue
                        process.join()
                    except EOFError:
                        process.join()
                        kind, value = "Ended", _ended(device, process.exitcode)
                    del workers[receive]
                    if kind == "done":
                        summaries.append(value)
                    else:
                        failures.append(_failure(kind, value, device))
                if stopping:
                    stop.set()
        except BaseException:
            for process, _ in workers.values():
                process.kill()  # they leave SIGTERM to this process
            raise
        if stopping and any(isinstance(failure, Ended) for failure in failures):
            raise KeyboardInterrupt  # the signal reached them, too, before they left it to this process
    if failures:
        raise max(failures, key=lambda failure: getattr(failure, "exit_code", 3))
    return _together(summaries, time.perf_counter() - began, job)


def _work(job: Job, stop: Any, connection: Connection, hashes: Known) -> None:
    """The process of one device. Of the weights it has views, whose memory all processes share, and it need not read
    them for their hash."""
    learn_hashes(hashes)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent passes them on
    try:
        connection.send(("done", job.run(stop=stop.is_set, progress=_sent_through(connection))))
    except AvreplayError as error:
        connection.send((type(error).__name__, str(error)))
    except MemoryError as error:
        connection.send(("MemoryError", str(error)))
    except Exception as error:
        connection.send(("Exception", (f"{type(error).__name__}: {error}", traceback.format_exc())))
    connection.close()


def _sent_through(connection: Connection) -> Callable[[Callable[[], State]], contextlib.AbstractContextManager[object]]:
    """Shows the progress in the process at the other end."""

    @contextlib.contextmanager
    def show(state: Callable[[], State]) -> Iterator[None]:
        ended = threading.Event()

        def send(_: Worker) -> None:
            with contextlib.suppress(OSError):  # the other process is gone
                while not ended.wait(_STATE_SECONDS):
                    connection.send(("state", state()))

        thread = Worker(send)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            with contextlib.suppress(OSError):
                connection.send(("state", state()))

    return show


class Ended(DataError):
    """A process ended without saying why."""


def _failure(kind: str, value: Any, device: str) -> Exception:
    """The error that the process of a device met; of one that nobody foresaw, with its traceback as a note."""
    if kind == "MemoryError":
        return MemoryError(f"{value} in the process for {device}".strip())
    if kind == "Exception":
        error = RuntimeError(f"{value[0]} in the process for {device}")
        error.add_note(value[1])
        return error
    made: Exception = Ended(value) if kind == "Ended" else getattr(errors, kind)(value)
    return made


def _ended(device: str, code: int | None) -> str:
    how = f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"
    return (
        f"the process for {device} ended with {how}; what was committed is kept, "
        "run the same command again to do the rest"
    )


def _together(summaries: Sequence[ExtractSummary], seconds: float, job: Job) -> ExtractSummary:
    stages: Counter[str] = Counter()
    encoded: Counter[str] = Counter()
    for s in summaries:
        stages.update(s.stages)
        encoded.update(s.encoded)
    new, media_seconds = sum(s.new for s in summaries), sum(s.media_seconds for s in summaries)
    amounts = (new, seconds, media_seconds)
    absent = sum(s.absent for s in summaries)
    return summarise(job.store, job.media, *amounts, dict(stages), dict(encoded), len(summaries), absent)
