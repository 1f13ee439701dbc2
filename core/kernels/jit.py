"""How the kernels are compiled, and where the machine code is kept.

Compiled kernels go to a user-owned folder whose name carries the versions, each to a folder within whose name carries
a hash of its source and of those of this package that it imports: Numba itself notices a change only in the file that
holds the entry point, not in those it calls, and looks for the code of another installation elsewhere. So equal sources
are compiled once, wherever they are installed. Where no folder can be written, the kernels are compiled in memory, anew
in each process.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import hashlib
import importlib
import importlib.util
import logging
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numba.core.config
from numba import types
from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.event import Event, Listener, register

from ..errors import UsageError

logger: logging.Logger = logging.getLogger("avreplay")
config: Any = numba.core.config

_OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True}
_INNER_OPTIONS: dict[str, Any] = {**_OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def _candidates() -> list[Path]:
    found = [Path(p) for p in (os.environ.get("AVREPLAY_CACHE_DIR"), os.environ.get("NUMBA_CACHE_DIR")) if p]
    if not found:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        found.append(Path(home) / "avreplay")
    user = os.getuid() if hasattr(os, "getuid") else "user"
    with contextlib.suppress(FileNotFoundError):  # no folder for temporary files can be written
        found.append(Path(tempfile.gettempdir()) / f"avreplay-{user}")
    return found


def _usable(folder: Path) -> bool:
    """True for a folder that this user owns and can write; compiled code is never read from anybody else's."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
            return False
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


_IMPORT = re.compile(r"^from (\.+)([\w.]*) import \(?\s*([\w, ]+)", re.MULTILINE)


@functools.cache
def _sources(path: Path) -> frozenset[Path]:
    """The files that a module is made of: its own and, at any remove, those of this package that it imports."""
    found = {Path(__file__)}  # what it imports itself makes no code
    left = [path]
    while left:
        file = left.pop()
        found.add(file)
        for dots, module, names in _IMPORT.findall(file.read_text(encoding="utf-8")):
            for name in [module] if module else names.split(", "):
                imported = file.parents[len(dots) - 1].joinpath(*name.split(".")).with_suffix(".py")
                if imported not in found and imported.is_file():
                    left.append(imported)
    return frozenset(found)


def _sources_hash(path: Path) -> str:
    digest = hashlib.sha256()
    root = Path(__file__).parents[2]
    for name, file in sorted(
        (str(f.relative_to(root) if f.is_relative_to(root) else f.name), f) for f in _sources(path)
    ):
        digest.update(name.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _find_folder() -> Path | None:
    python = f"py{sys.version_info.major}{sys.version_info.minor}"
    name = f"kernels-{python}-numba{numba.__version__}"
    return next((root / name for root in _candidates() if _usable(root) and _usable(root / name)), None)


cache_folder: Path | None = _find_folder()


def _of_kinds(dispatcher: Any) -> Any:
    """Compile for the kinds of arguments, not for single numbers: by itself Numba compiles anew for a 0 that is written
    at a call, or that a variable begins with, and so with all that is called from there. The optimiser sees it anyway.
    """
    of_types = dispatcher.get_call_template

    def get_call_template(args: Any, named: Any) -> Any:
        return of_types(tuple(map(types.unliteral, args)), {k: types.unliteral(v) for k, v in named.items()})

    dispatcher.get_call_template = get_call_template
    return dispatcher


def inner(func: Callable) -> Callable:
    """Compile a function that only other kernels call; its code becomes part of theirs."""
    return _of_kinds(numba.njit(**_INNER_OPTIONS)(func))


def inlined(func: Callable) -> Callable:
    """As :func:`inner`, put into the caller by LLVM: for what runs often with many arrays, each of which is seven
    arguments of a call. It costs compilation time at every place that calls it."""
    return _of_kinds(numba.njit(forceinline=True, **_INNER_OPTIONS)(func))


def spliced(func: Callable) -> Callable:
    """As :func:`inlined`, put into the caller before types are known: the fastest to compile for what is called from
    one place. Not for functions that test an argument for None: the branch must be known when it is spliced in."""
    return numba.njit(inline="always", **_INNER_OPTIONS)(func)


class _Announcer(Listener):
    """Says that a kernel is being compiled: once per machine and form of its arguments, and seconds long."""

    def __init__(self) -> None:
        self.names: dict[Any, str] = {}
        self._collecting = True

    def on_start(self, event: Event) -> None:
        name = self.names.get(event.data["dispatcher"])
        if name is not None:
            where = f"kept in {cache_folder}" if cache_folder else "no cache folder can be written: not kept"
            logger.warning("compiling the %s kernel for this machine, some seconds (%s)", name, where)
            # the compiler makes millions of small objects, which the collector would visit again and again
            self._collecting = gc.isenabled()
            gc.disable()

    def on_end(self, event: Event) -> None:
        if event.data["dispatcher"] in self.names and self._collecting:
            gc.enable()


_announcer = _Announcer()
register("numba:compile", _announcer)


class _Locator:
    """Where Numba keeps the code of an entry point: found by its sources, not by where these are installed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def from_function(cls, func: Callable, source: str) -> _Locator:
        assert cache_folder is not None
        return cls(cache_folder / f"{func.__name__}-{_sources_hash(Path(source))}")

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


class Kernel:
    """A compiled entry point, called from Python; with the name, signature and documentation of its function."""

    def __init__(self, func: Callable, **options: Any) -> None:
        functools.update_wrapper(self, func)
        self._call: Any = _refused
        self._ready = bool(config.DISABLE_JIT)  # plain Python has not all that kernels are written in
        if self._ready:
            return
        self._call = numba.njit(**_OPTIONS, **options)(func)
        _announcer.names[self._call] = func.__name__

    def __call__(self, *args: Any) -> Any:
        if not self._ready:
            _spare_linear_algebra()
            if cache_folder is not None:
                self._call._cache = _KernelCache(self._call.py_func)
            self._ready = True
        return self._call(*args)


def _refused(*_: Any) -> Any:
    raise UsageError("NUMBA_DISABLE_JIT is set, and the kernels run compiled only; unset it")


def kernel(func: Callable) -> Kernel:
    """Compile an entry point lazily, at its first call, and keep the machine code for later processes."""
    return Kernel(func)


def lean_kernel(func: Callable) -> Kernel:
    """As :func:`kernel`, without Numba's reference counting, which takes two locked instructions for every row of an
    array that is looked at: for a kernel that gets all its memory from its caller, in arguments, and allocates none."""
    return Kernel(func, _nrt=False)
