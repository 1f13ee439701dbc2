"""How the kernels are compiled, and where the machine code is kept.

Compiled kernels go to a user-owned folder whose name carries the versions and a hash of the sources of this
folder and of ``core/exact/kernels``: Numba itself notices a change only in the file that holds the entry point, not in
those it calls. Where no folder can be written, the kernels are compiled in memory, anew in each process.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import hashlib
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numba.core.config
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


def _sources_hash() -> str:
    digest = hashlib.sha256()
    core = Path(__file__).parents[1]
    for path in sorted([*core.glob("kernels/*.py"), *core.glob("exact/kernels/*.py")]):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _find_folder() -> Path | None:
    python = f"py{sys.version_info.major}{sys.version_info.minor}"
    name = f"kernels-{python}-numba{numba.__version__}-{_sources_hash()}"
    return next((root / name for root in _candidates() if _usable(root) and _usable(root / name)), None)


cache_folder: Path | None = _find_folder()


def inner(func: Callable) -> Callable:
    """Compile a function that only other kernels call; its code becomes part of theirs."""
    return numba.njit(**_INNER_OPTIONS)(func)


def inlined(func: Callable) -> Callable:
    """As :func:`inner`, put into the caller by LLVM: for what runs often with many arrays, each of which is seven
    arguments of a call. It costs compilation time at every place that calls it."""
    return numba.njit(forceinline=True, **_INNER_OPTIONS)(func)


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


class Kernel:
    """A compiled entry point, called from Python; with the name, signature and documentation of its function."""

    def __init__(self, func: Callable) -> None:
        functools.update_wrapper(self, func)
        if config.DISABLE_JIT:  # plain Python has not all that they are written in
            self._call = _refused
            return
        # Numba asks for its cache folder at decoration and only globally: lend it ours for that moment
        before = config.CACHE_DIR
        try:
            if cache_folder is not None:
                config.CACHE_DIR = str(cache_folder)
            self._call = numba.njit(cache=cache_folder is not None, **_OPTIONS)(func)
        finally:
            config.CACHE_DIR = before
        _announcer.names[self._call] = func.__name__

    def __call__(self, *args: Any) -> Any:
        return self._call(*args)


def _refused(*_: Any) -> Any:
    raise UsageError("NUMBA_DISABLE_JIT is set, and the kernels run compiled only; unset it")


def kernel(func: Callable) -> Kernel:
    """Compile an entry point lazily, at its first call, and keep the machine code for later processes."""
    return Kernel(func)
