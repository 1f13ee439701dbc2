"""Planners that bring trouble to the process that decodes, which unpickles them."""

from __future__ import annotations

import errno
import os
import signal
import time

from avreplay.extract.encoding.plan import Planner, VideoPlan
from avreplay.extract.media.probe import MediaInfo


class Deadly(Planner):
    """For videos of four segments it ends its process, or, with ``multiscale`` windows, never returns."""

    def __call__(self, info: MediaInfo) -> VideoPlan:
        if round(info.duration) == 4:
            if self.window_rule == "multiscale":
                time.sleep(3600)
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().__call__(info)


class Raising(Planner):
    """For videos of four segments it raises what `KINDS` says for its ``max_all_segments``."""

    def __call__(self, info: MediaInfo) -> VideoPlan:
        if round(info.duration) == 4:
            raise KINDS[self.max_all_segments - FIRST]
        return super().__call__(info)


FIRST = 100
KINDS: list[Exception] = [
    ZeroDivisionError("\x1b[31m no\nsecond line"),
    RecursionError("\x1b[31m no"),
    MemoryError(),
    OSError(errno.EMFILE, "Too many open files"),
    OSError(errno.EIO, "Input/output error"),
]
