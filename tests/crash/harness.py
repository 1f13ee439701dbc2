"""Every operation of every writer as a point at which it ends: all of them, or a drawn few."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from .operations import Point

ERRORS = ("EIO", "EACCES", "EPERM", "EXDEV", "EDQUOT", "EMFILE")
"""What a single operation is refused with, in turn."""


class Server:
    """The process of :mod:`.server`; writers are run in forks of it."""

    def __init__(self, with_torch: bool) -> None:
        command = [sys.executable, "-m", "crash.server", *(["torch"] if with_torch else [])]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
        )

    def ask(self, **job: Any) -> dict[str, Any]:
        """The answer to one job."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process that runs the writers has ended; its log says why")
        return dict(json.loads(line))

    def operations(self, writer: str) -> list[tuple[str, str]]:
        """Kind and path of each operation of an uninterrupted run."""
        answer = self.ask(writer=writer)
        if "operations" not in answer:
            raise RuntimeError(f"{writer}: {answer['error']}")
        return [(kind, path) for kind, path in answer["operations"]]

    def problems(self, writer: str, point: Point) -> list[str]:
        """What is wrong after a run that ends at a point."""
        return list(self.ask(writer=writer, at=point.at, how=point.how, error=point.error)["problems"])

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


def crash_points(operations: Sequence[tuple[str, str]]) -> Iterator[Point]:
    """A kill before each operation, and one in the middle of each write."""
    for k, (kind, _) in enumerate(operations):
        yield Point(k)
        if kind == "write":
            yield Point(k, "torn")


def refused_points(operations: Sequence[tuple[str, str]]) -> Iterator[Point]:
    """From each operation on a full disk and a read-only one, and each operation refused once."""
    for k in range(len(operations)):
        yield Point(k, "full", "ENOSPC")
        yield Point(k, "refuse", "EROFS")
        yield Point(k, "fail", ERRORS[k % len(ERRORS)])


def drawn(points: Iterator[Point], count: int, seed: str) -> list[Point]:
    """A fixed few of the points; all of them where they are no more."""
    every = list(points)
    chosen = random.Random(seed).sample(range(len(every)), min(count, len(every)))
    return [every[k] for k in sorted(chosen)]
