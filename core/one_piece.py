"""Imports that an interruption must not reach."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def in_one_piece() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the end, where Python handles them and in its main thread.

    For libraries whose machine code imports others in turn: it prints an interruption that comes then, forgets it, and
    fails with an error of its own.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    ours = {number: handler for number, handler in before.items() if callable(handler)}
    for number in ours:
        signal.signal(number, lambda sent, _: came.append(sent))
    try:
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
        for each in came:
            signal.raise_signal(each)
