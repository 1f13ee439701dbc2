"""A writer that is killed with SIGKILL before its n-th change of a folder, so that no test depends on timing.

Run as a script it is the process that is forked for every run; what it imports is imported once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

TESTS = str(Path(__file__).parent)
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class KilledWriter:
    """Runs ``code``, in which ``folder`` is what it writes into. ``imports`` must not start threads."""

    def __init__(self, imports: str, code: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, imports, code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, folder: Path, changes: int | None) -> int:
        """Kill a run after some changes of the folder, none: never. Returns the changes made by one that finished, 0
        for one that was killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{-1 if changes is None else changes} {folder}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def __enter__(self) -> KilledWriter:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


class _Counter:
    """Counts files opened for writing, renamed and removed, and folders made and removed; kills before one too many."""

    def __init__(self, folder: str, limit: int) -> None:
        self.count = 0
        self._folder, self._limit = folder, limit

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"):
            return
        if event == "open" and not arguments[2] & WRITES:
            return
        path = arguments[0]
        if event in ("os.remove", "os.rmdir") and arguments[1] >= 0:  # of shutil.rmtree: relative to a folder
            path = os.path.join(os.readlink(f"/proc/self/fd/{arguments[1]}"), os.fsdecode(path))
        if not isinstance(path, int) and os.fsdecode(path).startswith(self._folder):
            if self.count == self._limit:
                os.kill(os.getpid(), signal.SIGKILL)
            self.count += 1


def _serve(imports: str, code: str) -> None:
    names: dict[str, Any] = {}
    sys.path.insert(0, TESTS)
    exec(imports, names)
    for line in sys.stdin:
        limit, _, folder = line.rstrip("\n").partition(" ")
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                counter = _Counter(folder, int(limit))
                sys.addaudithook(counter)
                exec(code, {**names, "folder": folder})
                os.write(write, str(counter.count).encode())
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        os.close(write)
        status = os.waitpid(child, 0)[1]
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if status != 0 and not killed:
            sys.exit(1)  # the reader of its answer then reads nothing
        print(os.read(read, 32).decode() or 0, flush=True)
        os.close(read)


if __name__ == "__main__":
    _serve(sys.argv[1], sys.argv[2])
