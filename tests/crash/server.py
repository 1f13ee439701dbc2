"""The process that is forked for every run of a writer: what the writers import is imported once, and no thread runs.

It reads one job a line on stdin and answers with a line on stdout, both JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIMIT = 120
"""Seconds that one run may take; then it hangs."""


def forked(work: Callable[[], Any]) -> Any:
    """What ``work`` returns in a forked process; None if it was killed by SIGKILL, ``{"ended": …}`` otherwise."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(LIMIT)
        os.close(read)
        try:
            found = json.dumps(work()).encode()
            while found:
                found = found[os.write(write, found) :]
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
    os.close(write)
    with os.fdopen(read, "rb") as file:
        text = file.read()
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return None if number == signal.SIGKILL else {"ended": f"by {signal.Signals(number).name}"}
    return json.loads(text) if status == 0 else {"ended": "with an error that the log shows"}


def serve(with_torch: bool) -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the writers print is no answer
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from crash import trials
    from crash.writers import WRITERS, imports

    imports(with_torch)
    import zarr

    if threading.active_count() > 1:
        raise RuntimeError(f"threads run before any writer: {threading.enumerate()}; a fork would not have them")
    # one after the other, so that every run does the same operations in the same order
    zarr.config.set({"async.concurrency": 1, "threading.max_workers": 1})
    writers = {w.name: w for w in WRITERS}
    with tempfile.TemporaryDirectory() as scratch:
        for line in sys.stdin:
            job = json.loads(line)
            home = Path(scratch, job["writer"])
            if not home.exists():
                home.mkdir()
                failed = forked(lambda: trials.prepare(writers[job["writer"]], home))  # noqa: B023
                if failed is not True:
                    shutil.rmtree(home)
                    answers.write(json.dumps({"error": f"{job['writer']} could not be prepared: {failed}"}) + "\n")
                    continue
            answer = trials.do(writers[job["writer"]], home, job, forked)
            answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    serve("torch" in sys.argv[1:])
