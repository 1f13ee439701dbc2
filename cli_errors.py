"""How a command ends when it does not succeed: one line on stderr, JSON where it was asked for, an exit code.

Exit codes: 1 data, 2 usage, 3 an error that nobody foresaw (with a report file, :mod:`.cli_report`), 130 stopped by
Ctrl-C or SIGTERM. Only the standard library and click are imported before something has gone wrong.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from .cli_last_words import MEMORY, STOPPED, last_words
from .cli_process import NO_ROOM, OUTPUT, flushed, manners, note, one_line, say, silence, unread, unstoppable
from .core.causes import causes, machine_lacks
from .core.errors import AvreplayError, Interrupted

INTERNAL = 3
KINDS = {1: "data", 2: "usage", INTERNAL: "internal"}
"""By exit code, what ``--json`` calls an error."""

_BROKEN = "could not be read or written ({reason}); check the disk or the network filesystem, and run it again"
_REFUSED = "may not be read or written ({reason}); change its permissions, or choose another place"
_FILES = {
    errno.EMFILE: "could not be opened ({reason}); raise the limit of open files, say `ulimit -n 4096`",
    errno.ENFILE: "could not be opened ({reason}); end other programs of this machine",
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), NO_ROOM),
    **dict.fromkeys((errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENXIO, errno.ENODEV), _BROKEN),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _REFUSED),
    errno.ENOBUFS: "could not be read or written ({reason}); end other programs of this machine",
    errno.ENAMETOOLONG: "has a name that the system does not take ({reason}); choose a shorter one",
}
"""What the system, and not the code, fails at: the rest of a sentence that begins with the file."""


class Escaped(Exception):
    """Carries an error past click, which treats some in its own way."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


@contextmanager
def escaping(active: bool) -> Iterator[None]:
    """Lets pass what click would turn into something of its own, as an :class:`Escaped`."""
    try:
        yield
    except (KeyboardInterrupt, EOFError, OSError) as error:
        if not active:
            raise
        raise Escaped(error) from error


def ended(run: Callable[[], Any], argv: Sequence[str]) -> int:
    """Run a command to its end, whatever that is, and return its exit code.

    ``run`` returns an exit code or None, and may exit; ``argv`` are its arguments.
    """
    with manners() as of_threads:
        try:
            result = run()
            code = result if isinstance(result, int) else 0
        except SystemExit as end:
            code = _exit_code(end)
        except BaseException as error:
            code = told_at_least(error, argv)
        if of_threads and code == 0:
            code = told_at_least(of_threads[0], argv)
        return flushed(code)


def told_at_least(error: BaseException, argv: Sequence[str]) -> int:
    """:func:`told`; where memory does not suffice even for that, its bare sentence, which needs none."""
    try:
        return told(error, argv)
    except BaseException as other:
        return last_words(other)


def told(error: BaseException, argv: Sequence[str]) -> int:
    """Say what went wrong, on stderr and where asked for as JSON; the exit code."""
    error = error.error if isinstance(error, Escaped) else error
    with unstoppable():
        if isinstance(error, click.ClickException):
            with contextlib.suppress(OSError):
                error.show()
            return _as_json(error.exit_code, error.format_message(), argv)
        if isinstance(error, BrokenPipeError) and any(map(unread, (sys.stdout, sys.stderr))):
            return 0
        stopped = _stopped(error)
        if stopped is not None:
            note(stopped)
            return STOPPED
        code, text = sentence(error)
        if code == INTERNAL:
            from .cli_report import reported

            text = reported(error, argv)
        from .cli_report import bounded, redacted

        text = bounded(redacted(text))
        note(f"Error: {text}")
        return _as_json(code, text, argv)


def sentence(error: BaseException) -> tuple[int, str]:
    """Exit code and sentence of an error; of one that nobody foresaw, only its text."""
    if isinstance(error, AvreplayError):
        return error.exit_code, str(error)
    number, cause = _system_error(error)
    if number == errno.ENOMEM:
        said = one_line(cause)[:200] if isinstance(cause, (MemoryError, RuntimeError)) else ""
        return 1, MEMORY.format(f" ({said})" if said else "")
    if number == errno.EAGAIN:
        return 1, (
            "the machine starts no further thread or process, for want of memory or by a limit; ask for fewer "
            "--workers or --threads"
        )
    if number in _FILES:
        from .cli_report import file_of

        name = file_of(cause) or "a file"
        if name in ("<stdout>", "<stderr>"):
            silence(sys.stdout)
            name = OUTPUT
        return 1, f"{name} {_FILES[number].format(reason=os.strerror(number))}"
    return INTERNAL, one_line(error)


def _system_error(error: BaseException) -> tuple[int | None, BaseException]:
    """The number of what the system failed at, and the cause that says so; None for anything else.

    Among the causes only what the machine lacked counts: that a file may not be read, say, is often expected.
    """
    if isinstance(error, OSError) and error.errno in _FILES:
        return error.errno, error
    lacking = machine_lacks(error)
    return (None, error) if lacking is None else (lacking.number, lacking.error)


def _stopped(error: BaseException) -> str | None:
    """What to say where a command was stopped, None where it was not."""
    if isinstance(error, Interrupted):
        return str(error)
    if isinstance(error, AvreplayError):
        return None
    if isinstance(error, click.Abort) or any(isinstance(e, KeyboardInterrupt) for e in causes(error)):
        return "interrupted: nothing is left half-written; run the same command again"
    return None


def _as_json(code: int, text: str, argv: Sequence[str]) -> int:
    if "--json" in argv:
        import json

        with contextlib.suppress(OSError):
            say(json.dumps({"error": {"kind": KINDS.get(code, "data"), "message": one_line(text)}}))
    return code


def _exit_code(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    note(str(end.code))
    return 1
