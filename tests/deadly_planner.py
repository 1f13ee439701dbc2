"""A planner that brings trouble to the process that decodes, which unpickles it."""

from __future__ import annotations

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
