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

from .cli_process import NO_ROOM, OUTPUT, flushed, manners, note, one_line, say, silence, unread, unstoppable
from .core.errors import AvreplayError, Interrupted

INTERNAL, STOPPED = 3, 130
KINDS = {1: "data", 2: "usage", INTERNAL: "internal"}
"""By exit code, what ``--json`` calls an error."""

MEMORY = (
    "out of memory{}; ask for less at once (fewer --workers or --threads, a smaller --batch, fewer videos or "
    "settings), end other programs, or take a machine with more"
)

_BROKEN = "could not be read or written ({reason}); check the disk or the network filesystem, and run it again"
_REFUSED = "may not be read or written ({reason}); change its permissions, or choose another place"
_FILES = {
    errno.EMFILE: "could not be opened ({reason}); raise the limit of open files, say `ulimit -n 4096`",
    errno.ENFILE: "could not be opened ({reason}); end other programs of this machine",
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), NO_ROOM),
    **dict.fromkeys((errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENXIO, errno.ENODEV), _BROKEN),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _REFUSED),
    errno.ENAMETOOLONG: "has a name that the system does not take ({reason}); choose a shorter one",
}
"""What the system, and not the code, fails at: the rest of a sentence that begins with the file."""

_ANYWHERE = (errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.EIO)
"""Of these, those that are recognised by their text in the errors of other packages, too."""

_NO_THREAD = "can't start new thread"
"""As Python says it; a process that cannot be started is an error of the system (EAGAIN) without a file."""


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
            code = told(error, argv)
        if of_threads and code == 0:
            code = told(of_threads[0], argv)
        return flushed(code)


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
        from .cli_report import redacted

        text = redacted(text)
        note(f"Error: {text}")
        return _as_json(code, text, argv)


def sentence(error: BaseException) -> tuple[int, str]:
    """Exit code and sentence of an error; of one that nobody foresaw, only its text."""
    if isinstance(error, AvreplayError):
        return error.exit_code, str(error)
    for cause in _chain(error):
        if isinstance(cause, MemoryError) or type(cause).__name__ == "OutOfMemoryError":
            return 1, MEMORY.format(f" ({text})" if (text := one_line(cause)[:200]) else "")
        number = _system_error(cause, cause is error)
        if number == errno.ENOMEM:
            return 1, MEMORY.format("")
        if number == errno.EAGAIN:
            return 1, "the machine starts no further thread or process; ask for fewer --workers or --threads"
        if number is not None:
            from .cli_report import file_of

            name = file_of(cause) or "a file"
            if name in ("<stdout>", "<stderr>"):
                silence(sys.stdout)
                name = OUTPUT
            return 1, f"{name} {_FILES[number].format(reason=os.strerror(number))}"
    return INTERNAL, one_line(error)


def _system_error(error: BaseException, outermost: bool) -> int | None:
    """The number of what the system failed at, None for anything else."""
    text = one_line(error)
    if _NO_THREAD in text or (isinstance(error, BlockingIOError) and error.filename is None):
        return errno.EAGAIN
    number = error.errno if isinstance(error, OSError) else None
    if outermost and number in _FILES:
        return number
    known = (*_ANYWHERE, errno.ENOMEM)
    return number if number in known else next((n for n in known if os.strerror(n) in text), None)


def _stopped(error: BaseException) -> str | None:
    """What to say where a command was stopped, None where it was not."""
    if isinstance(error, Interrupted):
        return str(error)
    if isinstance(error, AvreplayError):
        return None
    if isinstance(error, click.Abort) or any(isinstance(e, KeyboardInterrupt) for e in _chain(error)):
        return "interrupted: nothing is left half-written; run the same command again"
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and those that led to it."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop(0)
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [one.__cause__, one.__context__]


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
