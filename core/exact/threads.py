"""Parts of the videos side by side on several threads, with results in order."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

from ..threads import Pool

Part = TypeVar("Part")
Result = TypeVar("Result")

Step = Callable[[int, int], None]
"""Called with how many parts are done, and how many there are."""


def in_threads(
    run: Callable[[Part], Result], parts: Sequence[Part], threads: int | None, step: Step = lambda *_: None
) -> list[Result]:
    """``run`` of every part, in their order; ``threads``: default the number of cores.

    The first part is done alone, so that kernels are compiled or loaded before any thread starts.

    Raises: as ``run`` does.
    """
    found = [run(parts[0])]
    step(1, len(parts))
    with Pool(min(threads or os.cpu_count() or 1, len(parts))) as pool:
        for result in pool.map(run, parts[1:]):
            found.append(result)
            step(len(found), len(parts))
    return found
