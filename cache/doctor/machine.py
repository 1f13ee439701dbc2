"""The Python, the system, and the folder of compiled kernels."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from ...core.health import NOTE, OK, PROBLEM, Check, size_text
from ...core.installation import FOLDER, NAME, clone

OLDEST, NEWEST = (3, 11), (3, 13)
"""The Pythons that the tests run on."""


def installation_checks(version: str) -> Iterator[Check]:
    """This package, its Python and the system; ``version`` is this package's."""
    root = clone()
    yield Check(NAME, OK, f"{version}, " + (f"of the clone {root}" if root else f"in {FOLDER}"))
    now, python = sys.version_info[:2], f"{platform.python_version()}, {sys.executable}"
    newest = ".".join(map(str, NEWEST))
    if now < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        yield Check("Python", PROBLEM, f"{python}: {NAME} needs {oldest} or newer", f"use Python {newest}")
    elif now > NEWEST:
        yield Check("Python", NOTE, f"{python}: tested up to {newest}", f"use Python {newest} if something fails")
    else:
        yield Check("Python", OK, python)
    yield Check("system", OK, f"{platform.system()} {platform.release()}, {platform.machine()}")
    if sys.platform == "darwin" and platform.machine() == "x86_64":
        yield Check("system", NOTE, "torch has no builds for Macs with Intel processors", "extract on another machine")


def kernel_checks() -> Iterator[Check]:
    """Where compiled kernels are kept."""
    from ...core.kernels.code_folder import cache_folder

    if cache_folder is None:
        yield Check(
            "kernels",
            NOTE,
            "no folder for compiled kernels can be written: every process compiles them anew, about 15 s",
            "set AVREPLAY_CACHE_DIR to a folder that only this user can write",
        )
        return
    size = sum(p.stat().st_size for p in Path(cache_folder).rglob("*") if p.is_file())
    compiled = size_text(size) if size else "nothing is compiled yet, the first replay does it in about 15 s"
    yield Check("kernels", OK, f"{cache_folder}, writable, {compiled}")


def variable_checks() -> Iterator[Check]:
    """Environment variables that change where or how kernels run."""
    for name in ("AVREPLAY_CACHE_DIR", "NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "NUMBA_DISABLE_JIT", "OMP_NUM_THREADS"):
        value = os.environ.get(name)
        if value is None:
            continue
        if name == "NUMBA_DISABLE_JIT" and value not in ("", "0"):
            yield Check(
                name, PROBLEM, f"{value}: replay runs without compiled code, a thousand times slower", f"unset {name}"
            )
        else:
            yield Check(name, OK, value)
