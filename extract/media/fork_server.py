"""A small process from which decoding processes are forked.

It is started once, beside the loading of the encoder, and imports the decoder. A decoding process is a copy of it that
begins within milliseconds, and has no part of this process: no store, no model, no lock of a thread. Programs need no
``if __name__ == "__main__"`` for it. It ends with the process that started it, however that ends.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from contextlib import suppress
from importlib import import_module
from typing import Any

from ...core.errors import DataError, UsageError
from .channel import Channel

START_SECONDS = 120.0
"""Seconds after which a server that has not begun is given up."""

_END_SECONDS = 5.0

_WORK = f"{__package__}.decode_process"
"""The module whose ``decode_for`` a forked process runs; the server imports it, before the first one is asked for."""


class ForkServer:
    """The server, from the side of the process that started it. Its methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._start()

    def _start(self) -> None:
        if os.name != "posix":
            raise UsageError("decoding in processes needs Linux or macOS; use --decode-in threads")
        self._ready = False
        code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve(int(sys.argv[1]))"
        try:
            ours, theirs = socket.socketpair()
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", code, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    # threads of a library must not run where processes are forked
                    env={"OPENBLAS_NUM_THREADS": "1", **os.environ},
                )
        except (OSError, MemoryError) as error:
            raise _not_started(str(error) or "no memory") from error
        self._channel = Channel(ours)
        self._channel.set_timeout(START_SECONDS)
        _ends.add(self._channel)

    def fork(self) -> tuple[int, Channel]:
        """A new decoding process: its id, and the channel to it.

        Raises
        ------
        OSError
            the system has no room for another process or file
        DataError
            the server cannot be started
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                with self._lock:
                    pid = self._request_fork(theirs.fileno())
            except BaseException:
                ours.close()
                raise
        channel = Channel(ours, only_data=True)
        _ends.add(channel)
        return pid, channel

    def _request_fork(self, handle: int) -> int:
        for attempt in range(2):
            try:
                if not self._ready:
                    self._await_start()
                pid, number = self._ask("fork", list(sys.path), handle)
            except (EOFError, ConnectionError):  # the system killed the server itself
                if attempt:
                    raise _not_started("their parent ends at once") from None
                self._end()
                self._start()
                continue
            if number:
                raise OSError(number, os.strerror(number))
            return int(pid)
        raise AssertionError

    def _await_start(self) -> None:
        try:
            (problem, _), _ = self._channel.receive()
        except (EOFError, OSError) as error:
            self._process.wait(_END_SECONDS)
            code = self._process.returncode
            raise _not_started("it gives no answer" if code is None else f"it ends with {_how(code)}") from error
        if problem:
            raise _not_started(problem)
        self._ready = True

    def kill(self, pid: int) -> None:
        """End a decoding process at once; the caller closes the channel to it."""
        with self._lock, suppress(EOFError, OSError):
            self._channel.send(("kill", pid))

    def ending(self, pid: int) -> int | None:
        """The exit code of a decoding process that has closed its channel, negative for a signal; None: not known."""
        with self._lock:
            try:
                code, _ = self._ask("ending", pid)
            except (EOFError, OSError):
                return None
        return None if code is None else int(code)

    def _ask(self, request: str, value: Any, handle: int | None = None) -> tuple[Any, Any]:
        self._channel.send((request, value), handle)
        answer, _ = self._channel.receive()
        first, second = answer
        return first, second

    def close(self) -> None:
        with self._lock:
            self._end()

    def _end(self) -> None:
        self._channel.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


_lock = threading.Lock()
_shared: ForkServer | None = None
_ends: weakref.WeakSet[Channel] = weakref.WeakSet()
"""The ends of channels in this process: while one is open, the process at its other end goes on."""


def fork_server() -> ForkServer:
    """This process's server: started by the first call, ready a moment later, ended with the process.

    Raises: DataError where it cannot be started, UsageError where the system has no such processes.
    """
    global _shared
    with _lock:
        if _shared is None:
            _shared = ForkServer()
            atexit.register(_shared.close)
        return _shared


def _in_a_copy() -> None:
    """In a process that was forked from this one by others: what was started here is not its own, nor kept running."""
    global _lock, _shared
    _lock = threading.Lock()
    if _shared is not None:
        atexit.unregister(_shared.close)
        _shared = None
    for channel in list(_ends):
        channel.close()
    _ends.clear()


if os.name == "posix":
    os.register_at_fork(after_in_child=_in_a_copy)


def _not_started(why: str) -> DataError:
    return DataError(
        f"the processes that decode cannot be started: {why}; give this process more memory, or let it open more files"
    )


def _how(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


# --- the process itself --------------------------------------------------------------------------------------------


def serve(handle: int) -> None:
    """Fork a decoding process for each request, until the process that asks is gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the process that asks decides what they mean, and takes us with it
    channel = Channel(socket.socket(fileno=handle))
    try:
        try:
            decode_for = import_module(_WORK).decode_for
        except BaseException as error:
            channel.send((f"{type(error).__name__}: {error}", None))
            return
        channel.send(("", None))
        running: dict[int, int | None] = {}
        while True:
            (request, value), given = channel.receive()
            _reap(running)
            if request == "kill":
                if running.get(value, 0) is None:
                    os.kill(value, signal.SIGKILL)
            elif request == "ending":
                channel.send((_ending(running, value), None))
            else:
                assert given is not None
                try:
                    pid = os.fork()
                except OSError as error:
                    os.close(given)
                    channel.send((0, error.errno))
                    continue
                if not pid:
                    channel.close()
                    sys.path[:] = value
                    decode_for(given)
                os.close(given)
                running[pid] = None
                channel.send((pid, 0))
    finally:
        os._exit(0)


def _reap(running: dict[int, int | None]) -> None:
    """Note the exit codes of the processes that have ended."""
    for pid in [pid for pid, code in running.items() if code is None]:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            running[pid] = os.waitstatus_to_exitcode(status)


def _ending(running: dict[int, int | None], pid: int) -> int | None:
    deadline = time.monotonic() + _END_SECONDS
    while running.get(pid, 0) is None and time.monotonic() < deadline:
        time.sleep(0.001)
        _reap(running)
    return running.get(pid)
