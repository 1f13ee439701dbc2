"""Where machine code is kept: a folder of the user's, whose name carries the versions, and in it one for each entry
point, whose name carries a hash of its source and of those of this package that it imports.

Numba itself notices a change only in the file that holds the entry point, not in those it calls, and looks for the code
of another installation elsewhere. So equal sources are compiled once, wherever they are installed.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

MAKERS = ("jit", "inner", "numba_compiler", "object_code", "by_reference", "reference_type")
"""Files beside this one by which machine code is made and called; what they import makes none."""


def _candidates() -> list[Path]:
    found = [Path(p) for p in (os.environ.get("AVREPLAY_CACHE_DIR"), os.environ.get("NUMBA_CACHE_DIR")) if p]
    if not found:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        found.append(Path(home) / "avreplay")
    user = os.getuid() if hasattr(os, "getuid") else "user"
    with contextlib.suppress(FileNotFoundError):  # no folder for temporary files can be written
        found.append(Path(tempfile.gettempdir()) / f"avreplay-{user}")
    return found


def is_ours(status: os.stat_result) -> bool:
    """True for what this user owns and nobody else can write; compiled code is never read from anything else."""
    return not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & 0o022)


def _usable(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not is_ours(folder.stat()):
            return False
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _find_folder() -> Path | None:
    python = f"py{sys.version_info.major}{sys.version_info.minor}"
    name = f"kernels-{python}-numba{importlib.metadata.version('numba')}"
    return next((root / name for root in _candidates() if _usable(root) and _usable(root / name)), None)


cache_folder: Path | None = _find_folder()
"""None where no folder can be written: kernels are then compiled in memory, anew in each process."""

_IMPORT = re.compile(r"^from (\.+)([\w.]*) import \(?\s*([\w, ]+)", re.MULTILINE)


@functools.cache
def sources(path: Path) -> frozenset[Path]:
    """The files that a module is made of: its own and, at any remove, those of this package that it imports."""
    found = {Path(__file__).with_name(f"{name}.py") for name in MAKERS}
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


def sources_hash(path: Path) -> str:
    """A hash of the :func:`sources` of a module, in hex."""
    digest = hashlib.sha256()
    root = Path(__file__).parents[2]
    for name, file in sorted(
        (str(f.relative_to(root) if f.is_relative_to(root) else f.name), f) for f in sources(path)
    ):
        digest.update(name.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def folder_of(func: Callable) -> Path | None:
    """Where the machine code of an entry point is kept; None where no folder can be written."""
    if cache_folder is None:
        return None
    return cache_folder / f"{func.__name__}-{sources_hash(Path(func.__code__.co_filename))}"
