"""Which installed packages can be imported, found in processes of their own: whatever a package does there, print,
hang, or end its process, this one goes on. Nothing is fetched: connections are refused in those processes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...core.threads import Worker

SECONDS = 60.0
"""How long a process may take for one import."""

_CHILD = r"""
import importlib, json, os, socket, sys
path, items = json.loads(sys.stdin.read())
sys.path[:] = path
out = os.fdopen(os.dup(1), "w", encoding="utf-8")
nowhere = os.open(os.devnull, os.O_RDWR)
for descriptor in (0, 1, 2):
    os.dup2(nowhere, descriptor)
def refuse(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname") or (
        event == "socket.connect" and getattr(arguments[0], "family", None) != getattr(socket, "AF_UNIX", -1)
    ):
        raise OSError("the check-up stays off the network")
sys.addaudithook(refuse)
def say(**what):
    print(json.dumps(what), file=out, flush=True)
for item in items:
    say(begins=item)
    facts, error = {}, None
    try:
        module, _, function = item.partition(":")
        found = importlib.import_module(module)
        version = getattr(found, "__version__", None)
        facts = getattr(found, function)() if function else {"version": version if isinstance(version, str) else None}
        json.dumps(facts)
    except BaseException as e:
        facts = {}
        try:
            error = f"{type(e).__name__}: {e}"
        except BaseException:
            error = type(e).__name__
    say(ends=item, facts=facts, error=error)
os._exit(0)
"""


@dataclass(frozen=True)
class Imported:
    """What came of importing a module, or of calling a function of one.

    Attributes
    ----------
    error : why it failed, in one line; None where it did not
    facts : what the function returned; of a module its ``version``, where it says one
    """

    error: str | None
    facts: Mapping[str, Any] = field(default_factory=dict)


class Imports:
    """Imports begun at once, one process for each list; their results are waited for where they are asked for.

    Parameters
    ----------
    lists : ``module``, or ``module:function`` for one whose result is JSON; those of a list share a process
    seconds : how long one of them may take
    """

    def __init__(self, *lists: Sequence[str], seconds: float = SECONDS) -> None:
        self._found: dict[str, Imported] = {}
        self._seconds = seconds
        self._threads = {item: t for t, items in ((self._started(one), one) for one in lists) for item in items}

    def __getitem__(self, item: str) -> Imported:
        self._threads[item].join()
        return self._found.get(item, Imported("it could not be tried"))

    def get(self, item: str) -> Imported | None:
        """What came of an import; None for one that was not begun."""
        return self[item] if item in self._threads else None

    def __contains__(self, item: str) -> bool:
        return item in self._threads

    def _started(self, items: Sequence[str]) -> Worker:
        thread = Worker(lambda _: self._run(list(items)))
        thread.start()
        return thread

    def _run(self, items: list[str]) -> None:
        while items:
            begun, ended = self._process(items)
            self._found.update(ended)
            items = [item for item in items if item not in ended]
            if items and begun == items[0]:
                continue_without = items.pop(0)
                self._found.setdefault(continue_without, Imported("it could not be tried"))
            elif items and not ended:
                break

    def _process(self, items: Sequence[str]) -> tuple[str | None, dict[str, Imported]]:
        """What was begun last, and what came of each that ended, in one process."""
        quiet = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "WANDB_MODE": "disabled", "PYTHONFAULTHANDLER": ""}
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **quiet},
            start_new_session=os.name == "posix",
        )
        late, in_time = threading.Event(), threading.Event()
        begun: str | None = None
        ended: dict[str, Imported] = {}
        try:
            self._watch(child, late, in_time)
            assert child.stdin is not None
            assert child.stdout is not None
            with child.stdin as stream:
                stream.write(json.dumps([sys.path, list(items)]).encode())
            for line in child.stdout:
                said = json.loads(line)
                in_time.set()
                self._watch(child, late, in_time := threading.Event())
                if "begins" in said:
                    begun = said["begins"]
                else:
                    ended[said["ends"]] = Imported(said["error"] and " ".join(said["error"].split()), said["facts"])
        except (OSError, ValueError, MemoryError):
            _end(child)
        finally:
            in_time.set()
            code = child.wait()
            if child.stdout is not None:
                child.stdout.close()
        if begun is not None and begun not in ended:
            how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
            ended[begun] = Imported(
                f"it does not end within {self._seconds:.0f} s" if late.is_set() else f"it ends the process {how}"
            )
        return begun, ended

    def _watch(self, child: subprocess.Popen[bytes], late: threading.Event, in_time: threading.Event) -> None:
        """End the process after a while, unless ``in_time`` is set. Raises: MemoryError where nothing can do so."""

        def stop(_: Worker) -> None:
            if not in_time.wait(self._seconds):
                late.set()
                _end(child)

        if not Worker(stop).start():
            raise MemoryError("no thread can begin")


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a process and those that it started."""
    import contextlib
    import signal

    with contextlib.suppress(OSError):
        if os.name == "posix":
            os.killpg(child.pid, signal.SIGKILL)
        child.kill()
