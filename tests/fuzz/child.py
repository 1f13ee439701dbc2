"""Running one mutant in a forked process with limits of time and memory, and naming what came of it."""

from __future__ import annotations

import io
import os
import pickle
import re
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

SECONDS = 20
"""Of processor time; the wall may show three times as much, since other mutants run beside it."""
MEMORY = 600 << 20
"""Bytes beyond what the process had at its start."""
EXITS = (0, 1, 2, 130)

ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Outcome:
    """What came of a mutant.

    fault : empty where all is well, else its kind: traceback, hang, memory, exit, crash, accepted, message
    detail : what was seen
    code : the exit code of the command, -1 where it did not end by itself
    """

    fault: str
    detail: str
    code: int


def run_forked(
    folder: Path, commands: list[list[str]], accepted: Callable[[list[int], str], str], named: str
) -> Outcome:
    """Run commands one after the other in a forked process that works in a folder.

    accepted : given their exit codes and what they printed; a sentence where something was accepted that is wrong
    named : must be in the message of a refusal; empty: nothing must
    """
    read, write = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if not child:
        os.close(read)
        os.chdir(folder)
        _limit()
        found = _inside(commands, accepted, named)
        with os.fdopen(write, "wb") as pipe:
            pickle.dump(found, pipe)
        os._exit(0)
    os.close(write)
    timer = threading.Timer(3 * SECONDS, os.kill, (child, signal.SIGKILL))
    timer.start()
    with os.fdopen(read, "rb") as pipe:
        answer = pipe.read()
    _, status, _ = os.wait4(child, 0)
    timer.cancel()
    if answer:
        return Outcome(*pickle.loads(answer))  # noqa: S301  (of our own fork)
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    hung = number == signal.SIGXCPU or time.monotonic() - began >= 3 * SECONDS
    what = "hang" if hung else "crash"
    return Outcome(what, f"{' '.join(commands[-1])}: ended by {signal.Signals(number).name if number else status}", -1)


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + (3 << 30)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _inside(commands: list[list[str]], accepted: Callable[[list[int], str], str], named: str) -> tuple[str, str, int]:
    from avreplay.cli import main

    before = _resident()
    codes: list[int] = []
    printed = ""
    for arguments in commands:
        out, err = io.StringIO(), io.StringIO()
        line = " ".join(arguments)
        try:
            with redirect_stdout(out), redirect_stderr(err):
                main(arguments, prog_name="avreplay")
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
        except BaseException as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            at = f"{Path(where.filename).name}:{where.lineno}"
            return "traceback", f"{line}: {type(error).__name__} at {at}: {str(error)[:200]}", -1
        else:
            code = 0
        codes.append(code)
        message = ANSI.sub("", err.getvalue())
        if "Traceback" in message or code not in EXITS:
            return (
                ("traceback" if code == 3 or "Traceback" in message else "exit"),
                f"{line}: exit {code}: {message[-600:]}",
                code,
            )
        fault = _message_fault(code, message, out.getvalue(), named)
        if fault:
            return "message", f"{line}: exit {code}: {fault}: {message[:600]}", code
        printed += out.getvalue() + message
    grown = _resident() - before
    if grown > MEMORY or "out of memory" in printed.lower():
        return "memory", f"{' '.join(commands[-1])}: {grown >> 20} MiB: {printed[-200:]}", codes[-1]
    try:
        wrong = accepted(codes, printed)
    except Exception as error:
        wrong = f"a plain reader refuses it: {type(error).__name__}: {str(error)[:200]}"
    return ("accepted" if wrong else ""), f"{' '.join(commands[-1])}: {wrong}" if wrong else printed[:300], codes[-1]


def _message_fault(code: int, message: str, printed: str, named: str) -> str:
    """What is wrong with the message of a refusal."""
    if code not in (1, 2):
        return ""
    lines = [line for line in message.splitlines() if line.strip()]
    if not lines and not printed.strip():
        return "no message"
    if any(len(line) > 3000 for line in lines):
        return "a line of more than 3000 characters"
    if re.search(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u202e]", message):
        return "control characters"
    return "" if not named or named in message + printed else f"{named} is not named"


def _resident() -> int:
    """Peak bytes of memory of this process, its children included."""
    sizes = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return max(sizes) * (1 if sys.platform == "darwin" else 1024)
