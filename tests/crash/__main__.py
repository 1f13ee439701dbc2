"""``make crash``: every point of every writer. ``python -m crash [WRITER ...]`` takes some of them."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

from .harness import Server, crash_points, refused_points
from .writers import WRITERS


def try_all(name: str) -> tuple[int, int, int]:
    """Crash points, refused points, and how many of both were not as they must be."""
    began, bad = time.monotonic(), 0
    with Server(any(w.needs_torch for w in WRITERS if w.name == name)) as server:
        operations = server.operations(name)
        points = [*crash_points(operations), *refused_points(operations)]
        for point in points:
            problems = server.problems(name, point)
            bad += bool(problems)
            for problem in problems:
                kind, path = operations[point.at]
                print(f"{name}, {point} ({kind} {path}): {problem}", flush=True)
    crashes = len(list(crash_points(operations)))
    print(
        f"{name}: {len(operations)} operations, {crashes} crash points, {len(points) - crashes} refused operations, "
        f"{bad} with problems, {time.monotonic() - began:.0f} s",
        flush=True,
    )
    return crashes, len(points) - crashes, bad


def main(names: list[str]) -> int:
    known = [w for w in WRITERS if not w.needs_torch or find_spec("torch") is not None]
    chosen = names or [w.name for w in known]
    with ThreadPoolExecutor(2) as pool:
        crashes, refused, bad = map(sum, zip(*pool.map(try_all, chosen), strict=True))
    print(f"{crashes} crash points and {refused} refused operations of {len(chosen)} writers: {bad} with problems")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
