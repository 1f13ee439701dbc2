"""Reading large files without looks for garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """Within, or in a function with this decorator, Python does not look for garbage that refers to itself.

    What is read from a file refers to nothing but its parts, and looking through a million of them again and again
    takes as long as reading them.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
