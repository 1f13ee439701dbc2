"""Ctrl-C and SIGTERM: the first one lets the current shard be finished, the second one stops at once."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Stop:
    """Whether a stop was requested."""

    def __init__(self) -> None:
        self.requested = False

    def __bool__(self) -> bool:
        return self.requested


@contextmanager
def stop_on_interrupt() -> Iterator[Stop]:
    """While this lasts, the first Ctrl-C sets the `Stop`, and a second one raises KeyboardInterrupt.

    SIGTERM does the same where it interrupts as Ctrl-C does, as in the commands; a program that leaves it to the
    system is ended by it. Does nothing outside the main thread, and to a signal for which the program has a handler of
    its own.
    """
    stop = Stop()
    ours: list[signal.Signals] = []
    if threading.current_thread() is threading.main_thread():
        ours = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is signal.default_int_handler]

    def handle(number: int, frame: object) -> None:
        if stop.requested:
            raise KeyboardInterrupt
        stop.requested = True
        if number == signal.SIGTERM:
            return  # sent by a program, which reads no advice
        with suppress(OSError):
            print(
                "\nstopping when the current shard is written; Ctrl-C again stops at once", file=sys.stderr, flush=True
            )

    for number in ours:
        signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number in ours:
            signal.signal(number, signal.default_int_handler)
