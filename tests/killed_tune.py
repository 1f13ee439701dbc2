"""``avreplay tune`` in a process that ends itself with SIGKILL at a place, so that no test depends on timing."""

from __future__ import annotations

import signal
import subprocess
import sys

PLACES = ("part", "batch", "folds", "results")
"""While a part of the trials, or a batch of a study, is taken in; while the search is repeated without folds; before
results are written."""

_SCRIPT = """
import os, signal, sys
from avreplay.cli import main
from avreplay.evaluate.tuning import run, search, study
from avreplay.evaluate.tuning.honest.repeat import Procedure
from avreplay.evaluate.tuning.journal import Journal

search._SAVE_SECONDS = 0.0
place, passes = sys.argv[1], iter(range(int(sys.argv[2])))
owner, name = {
    "part": (Journal, "add"), "batch": (study, "_told"), "folds": (Procedure, "repeated"),
    "results": (run, "write_results"),
}[place]
real = getattr(owner, name)

def killing(*given, **options):
    if next(passes, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*given, **options)

setattr(owner, name, killing)
main(sys.argv[3:])
"""


def killed_tune(place: str, *arguments: object, passes: int = 0) -> None:
    """Run ``avreplay tune`` with arguments, and see it killed at one of :data:`PLACES`, after some passes of it."""
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, place, str(passes), "tune", *map(str, arguments)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
