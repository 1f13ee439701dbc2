"""Which functions are kernels, and how a call finds their machine code.

Numba takes half a second to import and to make ready, most of what a short replay takes. So the decorators only note
what a function is: Numba is imported when something must be compiled (:mod:`.numba_compiler`). The machine code of a
:func:`lean_kernel` is kept as it is, and a later process loads and calls it without Numba (:mod:`.object_code`).
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from typing import Any

from ..errors import UsageError
from . import object_code
from .by_reference import form_of
from .code_folder import folder_of
from .inner import Inner


def inner(func: Callable) -> Inner:
    """Compile a function that only other kernels call; its code becomes part of theirs."""
    return Inner(func, "inner")


def inlined(func: Callable) -> Inner:
    """As :func:`inner`, put into the caller by LLVM: for what runs often with many arrays, each of which is seven
    arguments of a call. It costs compilation time at every place that calls it."""
    return Inner(func, "inlined")


def spliced(func: Callable) -> Inner:
    """As :func:`inlined`, put into the caller before types are known: the fastest to compile for what is called from
    one place. Not for functions that test an argument for None: the branch must be known when it is spliced in."""
    return Inner(func, "spliced")


def intrinsic(func: Callable) -> Inner:
    """One instruction that Python has no word for: the function gives its types and writes its code (as for
    ``numba.extending.intrinsic``). Its module imports nothing of Numba's: when it is compiled, ``ir`` (of llvmlite),
    ``types`` and ``cgutils`` (of Numba) are put among its names."""
    return Inner(func, "intrinsic")


def _refuse_without_compiler() -> None:
    """Plain Python has not all that kernels are written in."""
    if os.environ.get("NUMBA_DISABLE_JIT", "0").strip() not in ("", "0"):
        raise UsageError("NUMBA_DISABLE_JIT is set, and the kernels run compiled only; unset it")


_one_at_a_time = threading.Lock()
"""Held while a kernel is made ready: threads may come to the same one, or to two that share functions, at once."""


class Kernel:
    """A compiled entry point, called from Python; with the name, signature and documentation of its function."""

    def __init__(self, func: Callable) -> None:
        functools.update_wrapper(self, func)
        self.func = func
        self._dispatcher: Any = None

    def __call__(self, *args: Any) -> Any:
        if self._dispatcher is None:
            self._make_ready()
        return self._dispatcher(*args)

    def _make_ready(self) -> None:
        with _one_at_a_time:
            if self._dispatcher is None:
                _refuse_without_compiler()
                from .numba_compiler import cached_dispatcher

                self._dispatcher = cached_dispatcher(self.func)


class LeanKernel(Kernel):
    """A kernel that allocates nothing; its machine code needs nothing of Numba's to run.

    It takes None, int, bool, float, arrays, and tuples of them as :class:`.by_reference.ByReference`; it returns
    nothing, or one or several int and float.
    """

    def __init__(self, func: Callable) -> None:
        super().__init__(func)
        self._codes: dict[Any, object_code.MachineCode] = {}

    def __call__(self, *args: Any) -> Any:
        form = tuple(map(form_of, args))
        return (self._codes.get(form) or self._found(form, args))(args)

    def _found(self, form: tuple[Any, ...], args: tuple[Any, ...]) -> object_code.MachineCode:
        with _one_at_a_time:
            if form not in self._codes:
                _refuse_without_compiler()
                file = object_code.file_of(folder_of(self.func), form)
                self._codes[form] = object_code.read(file, form) or self._compiled(file, form, args)
        return self._codes[form]

    def _compiled(self, file: Any, form: tuple[Any, ...], args: tuple[Any, ...]) -> object_code.MachineCode:
        from .numba_compiler import lean_code

        made = lean_code(self.func, args)
        object_code.write(file, form, made)
        return object_code.MachineCode(made.address, form, made.result)


def kernel(func: Callable) -> Kernel:
    """Compile an entry point lazily, at its first call, and keep the machine code for later processes."""
    return Kernel(func)


def lean_kernel(func: Callable) -> LeanKernel:
    """As :func:`kernel`, without Numba's reference counting, which takes two locked instructions for every row of an
    array that is looked at, and without Numba at all where the machine code is kept: for a kernel that gets all its
    memory from its caller, in arguments, and allocates none."""
    return LeanKernel(func)
