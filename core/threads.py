"""Threads that can be waited for where memory is short.

A new thread may end before its first line runs, for lack of memory. ``threading.Thread.start``, and with it the
executors of ``concurrent.futures``, then waits for ever for a word of the thread itself. Here, who begins a thread sees
that it is gone, and a pool does without it.
"""

from __future__ import annotations

import _thread
import atexit
import os
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_BEGIN_SECONDS = 0.02
_END_SECONDS = 1.0
"""Between two looks at whether a thread that does not begin, or end, is still there."""


class _Alive:
    """Held by a thread alone: gone when the thread is, even if it never ran a line."""

    __slots__ = ("__weakref__",)


class Worker:
    """A thread that runs ``work(worker)`` after :meth:`start`. It does not keep the process alive."""

    def __init__(self, work: Callable[[Worker], object]) -> None:
        self.making: Task[Any] | None = None
        """The call of a pool that it makes now."""
        self._work = work
        self._process = 0
        self._begun = _thread.allocate_lock()
        self._ended = _thread.allocate_lock()
        # given back by the thread: unlike `threading.Event.set`, that needs no memory
        self._begun.acquire()
        self._ended.acquire()
        self._there: Callable[[], object] = lambda: None

    def start(self) -> bool:
        """Begin. Returns whether it has begun; False where system or memory have no room for a thread."""
        self._process = os.getpid()
        alive = None
        try:
            alive = _Alive()
            self._there = weakref.ref(alive)
            _thread.start_new_thread(self._run, (alive,))
        except (RuntimeError, MemoryError):
            return False
        finally:
            del alive  # also where this is interrupted: the error's traceback would hold it
        while not self._begun.acquire(timeout=_BEGIN_SECONDS):
            if self._there() is None:
                return self._begun.acquire(blocking=False)
        return True

    def _run(self, _: _Alive) -> None:
        self._begun.release()
        try:
            self._work(self)
        finally:
            self._ended.release()

    def is_alive(self) -> bool:
        """Whether it has begun and not ended; never in a process forked since, which has no threads of the other."""
        return self._ended.locked() and self._there() is not None and self._process == os.getpid()

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end, for ``timeout`` seconds at most."""
        left = timeout
        while self.is_alive() and (left is None or left > 0):
            look = _END_SECONDS if left is None else min(left, _END_SECONDS)
            left = None if left is None else left - look
            if self._ended.acquire(timeout=look):
                self._ended.release()


class Task(Generic[Result]):
    """A call that a thread of a pool makes, or has made."""

    __slots__ = ("_call", "_error", "_open", "_pool", "_value")

    def __init__(self, call: Callable[[], Result], pool: Pool) -> None:
        self._call: Callable[[], Result] | None = call
        self._error: BaseException | None = None
        self._value: Any = None
        self._pool: Pool | None = pool
        self._open = _thread.allocate_lock()
        self._open.acquire()

    def done(self) -> bool:
        """Whether it has ended."""
        return not self._open.locked()

    def wait(self) -> None:
        """Wait for its end, however it ends."""
        while not self._open.acquire(timeout=_END_SECONDS):
            if self._pool is not None:
                self._pool._do_without_threads()
        self._open.release()

    def result(self) -> Result:
        """Wait for what it gives. Raises: what it raised."""
        self.wait()
        if self._error is not None:
            try:
                raise self._error
            finally:
                del self  # else the error's traceback holds this, and this the error
        value: Result = self._value
        return value

    def _make(self) -> None:
        """Make the call in this thread; what interrupts that is raised at once."""
        try:
            assert self._call is not None
            self._value = self._call()
        except Exception as error:
            self._error = error
        finally:
            self._end()

    def _drop(self, reason: str) -> None:
        self._error = RuntimeError(reason)
        self._end()

    def _end(self) -> None:
        self._call = self._pool = None
        self._open.release()


class Pool:
    """Threads that make the calls given to them, the oldest first.

    A thread is begun where none is free. Where not a single one can begin, a call is made at once by who gives it. At
    the end of a ``with`` all calls are made; after an exception, those that have not begun are dropped.

    Parameters
    ----------
    threads : at most so many, at least 1
    """

    def __init__(self, threads: int) -> None:
        self._most = threads
        self._tasks: SimpleQueue[Task[Any] | None] = SimpleQueue()
        self._free: SimpleQueue[None] = SimpleQueue()
        """One entry a thread that waits for a call that was not given yet."""
        self._workers: list[Worker] = []
        weakref.finalize(self, _end, self._tasks, self._workers)
        _pools.add(self)

    def submit(self, call: Callable[..., Result], *given: Any) -> Task[Result]:
        """Have a thread make a call."""
        task = Task(partial(call, *given), self)
        try:
            self._free.get_nowait()
        except Empty:
            if len(self._workers) < self._most:
                self._begin_worker()
        if self._workers:
            self._tasks.put(task)
        else:
            task._make()
        return task

    def map(self, call: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """What a call gives for each item, in order; all are given to the threads at once. Raises: what one raised."""
        return _results(deque(self.submit(call, item) for item in items))

    def shutdown(self, *, drop: bool = False) -> None:
        """Wait until all calls are made, or ``drop`` those that have not begun; then the threads end."""
        if drop:
            for task in self._waiting():
                task._drop("the pool was shut down before this call was made")
        _end(self._tasks, self._workers)
        for worker in self._workers:
            worker.join()
        self._do_without_threads()
        self._workers.clear()
        self._most = 0  # a call that comes later is made at once

    def _begin_worker(self) -> None:
        worker = Worker(partial(_work_off, self._tasks, self._free))
        self._workers.append(worker)  # before it begins: if that is interrupted, it must be told to end like the others
        if not worker.start():
            self._workers.remove(worker)
            self._most = len(self._workers)

    def _forget_threads(self) -> None:
        """In a process that was forked: the threads are in the other one, and what they made is not known here."""
        for worker in self._workers:
            if worker.making is not None and not worker.making.done():
                worker.making._drop("the process was forked while a thread made this call")
        self._workers.clear()
        self._free = SimpleQueue()

    def _do_without_threads(self) -> None:
        """Make the calls that are left in this thread, if all others have ended."""
        if not any(worker.is_alive() for worker in self._workers):
            for task in self._waiting():
                task._make()

    def _waiting(self) -> Iterator[Task[Any]]:
        """The calls that no thread has begun, which none will now."""
        while True:
            try:
                task = self._tasks.get_nowait()
            except Empty:
                return
            if task is not None:
                yield task

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.shutdown(drop=kind is not None)


def _work_off(tasks: SimpleQueue[Task[Any] | None], free: SimpleQueue[None], worker: Worker) -> None:
    """What a thread of a pool runs. Nobody waits for a call whose end is not said: that takes no memory here."""
    while True:
        try:
            worker.making = task = tasks.get()
            if task is None:
                return
            try:
                task._value = task._call()  # type: ignore[misc]
            except BaseException as error:
                task._error = error
            finally:
                task._call = task._pool = worker.making = None
                task._open.release()
                del task  # and what it gave, while this waits for the next
            free.put(None)
        except MemoryError:
            continue


def _results(tasks: deque[Task[Result]]) -> Iterator[Result]:
    while tasks:
        yield tasks.popleft().result()


def _end(tasks: SimpleQueue[Task[Any] | None], workers: list[Worker]) -> None:
    for _ in workers:
        tasks.put(None)


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    """Threads in machine code of a library must not outlive what it uses."""
    for pool in list(_pools):
        pool.shutdown(drop=True)


def _forget_all() -> None:
    for pool in list(_pools):
        pool._forget_threads()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
