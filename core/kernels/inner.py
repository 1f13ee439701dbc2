"""Functions that only kernels call, before the compiler has seen them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


class Inner:
    """A function that only kernels call; the compiler puts what Numba makes of it in its place."""

    def __init__(self, func: Callable, made_by: str) -> None:
        functools.update_wrapper(self, func)
        self.py_func = func
        self.made_by = made_by
        """The function of :mod:`.numba_compiler` that makes it a function of Numba's."""

    def __call__(self, *args: Any) -> Any:
        raise TypeError(f"{self.py_func.__name__} is called by kernels only")
