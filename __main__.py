"""The program ``avreplay``, also as ``python -m avreplay``: from its first import to the end of its process.

SIGTERM and Ctrl-C end it with an exit code of the command line at any moment, not only while a command is at work: with
130 while modules are imported, and with the code of the command while the interpreter is taken down.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STOPPED = 130
_LITTLE_MEMORY = 4 << 30
_MOST_SECONDS_TO_END = 30


def main() -> NoReturn:
    """Run the command line as a process of its own, and end it."""
    _answer_with(_leaving(_STOPPED, b"interrupted: nothing was begun; run the same command again\n"))
    # the first to be registered is the last to run; soon after it Python gives up the handlers of this module
    atexit.register(_deaf)
    code = _run()
    leave = _leaving(code)
    _answer_with(leave)
    # threads that were given up, say by want of memory, are not waited for without end
    signal.signal(signal.SIGALRM, leave)
    signal.alarm(_MOST_SECONDS_TO_END)
    # what libraries fail at while they end is nobody's concern
    sys.unraisablehook = lambda _: None
    sys.exit(code)


def _run() -> int:
    try:
        from .cli_last_words import last_words
    except MemoryError:
        os.write(2, b"Error: out of memory; take a machine with more\n")
        return 1
    try:
        from .cli import main as command

        _spare_memory()
        _answer_with(signal.default_int_handler)
        command(prog_name="avreplay")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except BaseException as error:
        return last_words(error)
    return 0


def _spare_memory() -> None:
    """Under a limit of memory, NumPy's library of linear algebra may have one thread instead of one a processor: each
    takes memory at the start, and where there is none it ends the process, or interrupts it as Ctrl-C would."""
    import resource

    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if 0 <= most < _LITTLE_MEMORY:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _leaving(code: int, words: bytes = b"") -> Callable[[int, FrameType | None], None]:
    """A handler that ends the process."""

    def leave(number: int, frame: FrameType | None) -> None:
        if words:
            os.write(2, words)
        os._exit(code)

    return leave


def _deaf() -> None:
    signal.alarm(0)
    _answer_with(signal.SIG_IGN)


def _answer_with(handler: Any) -> None:
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup and shells have it for what runs behind them
            signal.signal(number, handler)


if __name__ == "__main__":
    main()
