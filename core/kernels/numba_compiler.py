"""Numba's part: functions made Numba's, compiled, and the code of kernels that need Numba to run kept by Numba itself.

Imported when a kernel must be compiled, or is none of the lean ones.
"""

from __future__ import annotations

import functools
import gc
import importlib
import importlib.util
import logging
import sys
import types as python_types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..one_piece import in_one_piece
from . import code_folder
from .inner import Inner
from .object_code import Compiled

with in_one_piece():
    import numba
    import numba.core.config
    from llvmlite import ir
    from numba import types
    from numba.core import cgutils
    from numba.core.caching import CompileResultCacheImpl, FunctionCache
    from numba.core.event import Event, Listener, register
    from numba.core.typing.typeof import Purpose, typeof

    from . import reference_type  # noqa: F401  makes its types known to Numba

logger: logging.Logger = logging.getLogger("avreplay")
config: Any = numba.core.config

_OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True}
_INNER_OPTIONS: dict[str, Any] = {**_OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

_MATHEMATICS = (
    "exp", "exp2", "log", "log2", "log10", "pow", "sin", "cos", "tan", "fma", "round", "memset", "memcpy", "memmove",
)  # fmt: skip
"""Intrinsics of LLVM's that may become calls of C's functions of these names."""


# --- functions of Numba's ------------------------------------------------------------------------------------------


def _of_kinds(dispatcher: Any) -> Any:
    """Compile for the kinds of arguments, not for single numbers: by itself Numba compiles anew for a 0 that is written
    at a call, or that a variable begins with, and so with all that is called from there. The optimiser sees it anyway.
    """
    of_types = dispatcher.get_call_template

    def get_call_template(args: Any, named: Any) -> Any:
        return of_types(tuple(map(types.unliteral, args)), {k: types.unliteral(v) for k, v in named.items()})

    dispatcher.get_call_template = get_call_template
    return dispatcher


_MAKERS: dict[str, Callable[[Callable], Any]] = {
    "inner": lambda func: _of_kinds(numba.njit(**_INNER_OPTIONS)(func)),
    "inlined": lambda func: _of_kinds(numba.njit(forceinline=True, **_INNER_OPTIONS)(func)),
    "spliced": lambda func: numba.njit(inline="always", **_INNER_OPTIONS)(func),
    "intrinsic": lambda func: numba.extending.intrinsic(func),
}


@functools.cache
def _made(given: Inner) -> Any:
    _settle(given.py_func)
    if given.made_by == "intrinsic":
        given.py_func.__globals__.update(ir=ir, types=types, cgutils=cgutils)
    return _MAKERS[given.made_by](given.py_func)


def _settle(func: Any) -> None:
    """Put functions of Numba's in the place of the :class:`.inner.Inner` that a function names, and those name."""
    for name in _names(func.__code__):
        found = func.__globals__.get(name)
        if isinstance(found, Inner):
            func.__globals__[name] = _made(found)


def _names(code: python_types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, python_types.CodeType):
            yield from _names(constant)


@functools.cache
def _spare_linear_algebra() -> None:
    """Load what Numba loads at its first function, but for ``scipy.linalg``: a quarter of a second at each start, only
    to learn whether it is there. Other code in this process finds Numba's linear algebra as it always does."""
    if "numba.np.arraymath" in sys.modules:
        return
    linalg: Any = importlib.import_module("numba.np.linalg")
    ensure_blas = linalg.ensure_blas

    def is_installed() -> None:
        if importlib.util.find_spec("scipy") is None:
            raise ImportError("scipy is not installed")

    linalg.ensure_blas = is_installed
    try:
        arraymath: Any = importlib.import_module("numba.np.arraymath")
        arraymath.ensure_blas = ensure_blas
    finally:
        linalg.ensure_blas = ensure_blas


class _Announcer(Listener):
    """Says that a kernel is being compiled: once per machine and form of its arguments, and seconds long."""

    def __init__(self) -> None:
        self.names: dict[Any, str] = {}
        self._collecting = True

    def on_start(self, event: Event) -> None:
        name = self.names.get(event.data["dispatcher"])
        if name is not None:
            folder = code_folder.cache_folder
            where = f"kept in {folder}" if folder else "no cache folder can be written: not kept"
            logger.warning("compiling the %s kernel for this machine, some seconds (%s)", name, where)
            # the compiler makes millions of small objects, which the collector would visit again and again
            self._collecting = gc.isenabled()
            gc.disable()

    def on_end(self, event: Event) -> None:
        if event.data["dispatcher"] in self.names and self._collecting:
            gc.enable()


_announcer = _Announcer()
register("numba:compile", _announcer)


def _entry_point(func: Callable, **options: Any) -> Any:
    if config.DISABLE_JIT:
        raise UsageError("Numba's compiler is switched off (DISABLE_JIT), and the kernels run compiled only")
    _settle(func)
    _spare_linear_algebra()
    dispatcher = numba.njit(**options)(func)
    _announcer.names[dispatcher] = func.__name__
    return dispatcher


# --- lean kernels --------------------------------------------------------------------------------------------------


def lean_code(func: Callable, args: tuple[Any, ...]) -> Compiled:
    """Compile a lean kernel for the types of some arguments."""
    dispatcher = _entry_point(func, _nrt=False, **_INNER_OPTIONS)
    dispatcher.compile(tuple(typeof(given, Purpose.argument) for given in args))
    (found,) = dispatcher.overloads.values()
    library, symbol = found.library, found.fndesc.llvm_func_name
    address = library.get_pointer_to_function(symbol)
    content = library.serialize_using_object_code()[2][0]
    needs = sorted(filter(None, map(_need, library._final_module.functions)))
    return Compiled(address, symbol, _numbers_of(found.fndesc.restype), tuple(needs), content)


def _numbers_of(result: Any) -> str:
    """What a kernel returns, as :mod:`struct` names it."""
    if isinstance(result, types.NoneType):
        return ""
    names: dict[Any, str] = {types.int64: "q", types.float64: "d"}
    return "".join(names[part] for part in getattr(result, "types", (result,)))


def _need(function: Any) -> str | None:
    """The name of a function that the code calls outside itself; None for what is inside, or becomes instructions."""
    if not function.is_declaration:
        return None
    prefix, _, rest = function.name.partition(".")
    if prefix != "llvm":
        return str(function.name)
    return rest.split(".")[0] if rest.split(".")[0] in _MATHEMATICS else None


# --- other kernels -------------------------------------------------------------------------------------------------


class _Locator:
    """Where Numba keeps the code of an entry point: found by its sources, not by where these are installed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def from_function(cls, func: Callable, source: str) -> _Locator:
        folder = code_folder.folder_of(func)
        assert folder is not None
        return cls(folder)

    def ensure_cache_path(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return self._folder.name

    def get_disambiguator(self) -> str:
        return "kernel"


class _CacheImpl(CompileResultCacheImpl):
    _locator_classes: list[Any] = [_Locator]  # noqa: RUF012


class _KernelCache(FunctionCache):
    _impl_class = _CacheImpl


def cached_dispatcher(func: Callable) -> Any:
    """A kernel as Numba calls it, with its code kept by Numba."""
    dispatcher = _entry_point(func, **_OPTIONS)
    if code_folder.cache_folder is not None:
        dispatcher._cache = _KernelCache(func)
    return dispatcher
