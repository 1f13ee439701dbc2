"""How many processors and how much memory this process may use: less than the machine has under taskset, a batch system
or a container."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_MOUNT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def usable_processors(mount: Path = _MOUNT, own: Path = _OWN) -> int:
    """Processors of the machine, or those this process is bound to, or what its control groups give it, whichever is
    least; at least 1.

    Parameters
    ----------
    mount, own : where control groups lie, and which this process belongs to
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([bound, *(math.ceil(share) for share in _shares(mount, own))]))


def memory_limit(mount: Path = _MOUNT, own: Path = _OWN) -> int | None:
    """Bytes of memory that the control groups and limits of this process allow; None where they set none."""
    limits = [limit for folder in _groups("memory", mount, own) if (limit := _memory_of(folder)) is not None]
    try:
        import resource
    except ImportError:  # of no POSIX system
        return min(limits, default=None)
    address_space = resource.getrlimit(resource.RLIMIT_AS)[0]
    return min([*limits, *([] if address_space == resource.RLIM_INFINITY else [address_space])], default=None)


def _memory_of(folder: Path) -> int | None:
    """Of one control group, of version 2 or 1; None where it sets no limit."""
    for name in ("memory.max", "memory.limit_in_bytes"):
        try:
            limit = int((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):  # version 2 writes max
            continue
        return limit if limit < 1 << 60 else None  # version 1 writes the largest number of pages there is
    return None


def _shares(mount: Path, own: Path) -> Iterator[float]:
    """Processors that each control group of this process allows, those above it included."""
    yield from (share for folder in _groups("cpu", mount, own) if (share := _share(folder)) is not None)


def _groups(controller: str, mount: Path, own: Path) -> Iterator[Path]:
    """The folders of the control groups of this process that have a controller, those above them included."""
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        # in a container its own group is mounted as the root, under whatever name it has outside
        names = dict.fromkeys((controllers, controller, *(("cpu,cpuacct",) if controller == "cpu" else ())))
        places = [mount / place for place in (names if controllers else ("",))]
        inner = PurePosixPath(group.lstrip("/"))
        for place in places:
            for folder in (inner, *inner.parents):
                yield place / folder


def _share(folder: Path) -> float | None:
    """Of one control group, of version 2 or 1; None where it sets no limit."""
    try:
        if (folder / "cpu.max").is_file():
            quota, period = (folder / "cpu.max").read_text(encoding="utf-8").split()[:2]
        else:
            quota, period = (
                (folder / f"cpu.cfs_{name}_us").read_text(encoding="utf-8").strip() for name in ("quota", "period")
            )
        share = float(quota) / float(period)
    except (OSError, ValueError, ZeroDivisionError):  # version 2 writes max, version 1 has no file in most folders
        return None
    return share if share > 0 else None  # version 1 writes -1
