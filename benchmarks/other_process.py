"""Work in processes of their own: Linux counts the memory of the one that starts a process as that process's, too."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


def in_other_process(function: Callable[..., object], *arguments: Any) -> None:
    """Call a function of a module elsewhere, so that this process stays small. Raises: SystemExit where it fails."""
    process = multiprocessing.get_context("spawn").Process(target=function, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{function.__name__} failed")


def run_command(command: Sequence[str], printed: Path) -> dict[str, float]:
    """One run of ``avreplay``: wall and processor seconds, and the peak of its memory in MiB. What it prints goes to a
    file. Raises: SystemExit with that where it fails."""
    with open(printed, "wb") as out:
        begin = time.perf_counter()
        actions = [(os.POSIX_SPAWN_DUP2, out.fileno(), 1), (os.POSIX_SPAWN_DUP2, out.fileno(), 2)]
        words = [sys.executable, "-m", "avreplay", *command]
        number = os.posix_spawn(sys.executable, words, dict(os.environ), file_actions=actions)
        _, status, used = os.wait4(number, 0)
        wall = time.perf_counter() - begin
    if status:
        raise SystemExit(f"avreplay {' '.join(command)} failed: {printed.read_text()}")
    return {"wall_s": wall, "processor_s": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024}
