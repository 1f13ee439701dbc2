"""Which machine and which versions a measurement was made with."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("avreplay", "numpy", "numba", "zarr", "av")


def describe_machine() -> dict[str, str | int]:
    """CPU model, processors this process may use, and the operating system."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {"cpu": _cpu_model(), "cores": cores, "system": f"{platform.system()} {platform.machine()}"}


def describe_versions(more: tuple[str, ...] = ()) -> dict[str, str]:
    """Versions of Python, of what the numbers depend on, of torch where it is in use, and of ``more`` packages."""
    found = {"python": platform.python_version()}
    used = ("torch",) if "torch" in sys.modules else ()
    for name in (*PACKAGES, *used, *more):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
