"""A command as a process: what it prints and to whom, which signals stop it, and what libraries may not say."""

from __future__ import annotations

import contextlib
import io
import math
import os
import select  # here, since it must be loaded before memory runs out
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

OUTPUT = "the output"
NO_ROOM = "could not be written ({reason}); make room, and run the same command again"


def say(text: str) -> None:
    """Print a line on stdout; nobody there to read it is no error."""
    try:
        click.echo(text)
    except BrokenPipeError:
        silence(sys.stdout)


def note(text: str) -> None:
    """Print a line on stderr, if there is somebody to read it."""
    with contextlib.suppress(OSError):
        click.echo(one_line(text), err=True)


def note_lines(text: str) -> None:
    """Print lines on stderr with the spaces that they have, a table for example."""
    with contextlib.suppress(OSError):
        for line in text.split("\n"):
            click.echo(_harmless(line), err=True)


def one_line(text: object) -> str:
    """A text on one line, without characters that would steer a terminal; empty for an object without one."""
    try:
        words = " ".join(str(text).split())
    except Exception:
        return ""
    return _harmless(words)


def _harmless(words: str) -> str:
    return "".join(c if c.isprintable() or c == " " else ascii(c)[1:-1] for c in words)


def show_own_log() -> None:
    """What this package logs goes to stderr, a line each; what libraries log goes nowhere."""
    import logging

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            note(record.getMessage())

    own, root = logging.getLogger("avreplay"), logging.getLogger()
    if not any(isinstance(h, logging.NullHandler) for h in root.handlers):
        root.addHandler(logging.NullHandler())
    own.handlers = [h for h in own.handlers if type(h).__name__ != Lines.__name__] + [Lines(logging.WARNING)]


def strict_json(data: Any) -> str:
    """Strict JSON: what is no number is null."""
    import json

    try:
        return json.dumps(data, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(data), allow_nan=False)


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


@contextmanager
def manners() -> Iterator[list[BaseException]]:
    """While a command runs: SIGTERM stops it as Ctrl-C does, warnings of libraries are not shown, no character is
    too much for a terminal, and errors of threads are collected in the list that this gives."""
    of_threads: list[BaseException] = []
    _fill_standard_streams()
    hooks = threading.excepthook, sys.unraisablehook

    def of_thread(args: Any) -> None:
        if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
            of_threads.append(args.exc_value)

    threading.excepthook, sys.unraisablehook = of_thread, lambda _: None
    try:
        with _terminable(), _without_warnings(), _lenient(sys.stdout):
            yield of_threads
    finally:
        threading.excepthook, sys.unraisablehook = hooks


def _fill_standard_streams() -> None:
    """Open what stdin, stdout and stderr should be and are not: else the next file that is opened takes their place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = io.StringIO()


@contextmanager
def _terminable() -> Iterator[None]:
    # the very handler that Ctrl-C has: code that replaces it, as extraction does, knows it by that
    ours = _in_main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if ours:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def unstoppable() -> Iterator[None]:
    """While the last words are said, nothing interrupts them."""
    if not _in_main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Also in the processes that the command starts; whoever asks Python for warnings gets them."""
    if sys.warnoptions:
        yield
        return
    os.environ["PYTHONWARNINGS"] = "ignore"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.environ.pop("PYTHONWARNINGS", None)


@contextmanager
def _lenient(stream: Any) -> Iterator[None]:
    """Print what an encoding lacks as an escape, instead of failing."""
    strict = getattr(stream, "errors", None) == "strict" and hasattr(stream, "reconfigure")
    if strict:
        stream.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        if strict:
            with contextlib.suppress(OSError, ValueError):
                stream.reconfigure(errors="strict")


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def flushed(code: int) -> int:
    """The exit code after stdout is written out; the interpreter would complain of what it cannot write at its end."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout)
    except OSError as error:
        silence(sys.stdout)
        note(f"Error: {OUTPUT} {NO_ROOM.format(reason=error.strerror)}")
        return code or 1
    except ValueError:  # closed
        pass
    if sys.stderr is not None and unread(sys.stderr):
        silence(sys.stderr)
    return code


def unread(stream: Any) -> bool:
    """Whether a stream is a pipe whose reader is gone."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (AttributeError, OSError, ValueError):
        return False


def silence(stream: Any) -> None:
    """Let what is still to be written to a stream that nobody reads go nowhere."""
    with contextlib.suppress(AttributeError, OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
