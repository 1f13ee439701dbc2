"""SIGTERM, as a batch system sends it, ends every long command as Ctrl-C does; the same command goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from avreplay.cache import open_store
from avreplay.extract.writing.interrupt import stop_on_interrupt
from media_maker import write_media

SHARDS = 6


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    for i in range(SHARDS):
        write_media(folder / f"v{i}.mp4", seconds=2.0, channels=1)
    return folder


def begun(command: list[str], waits_for: Path) -> subprocess.Popen[str]:
    """The command in a process group of its own, once it has written a file."""
    code = f"from avreplay.cli import main\nif __name__ == '__main__': main({command!r})"
    child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 120
    while not waits_for.exists() and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    return child


def until_gone(group: int) -> None:
    """Wait until no process of a group is left: what a command started ends with it."""
    with contextlib.suppress(ProcessLookupError):
        for _ in range(400):
            os.killpg(group, 0)
            time.sleep(0.05)
        pytest.fail("a process that the command started is left")


@pytest.mark.parametrize("more", [[], ["--devices", "cpu,cpu"]], ids=["one process", "devices"])
@pytest.mark.parametrize("group", [False, True], ids=["the process", "its group"])
def test_extract_ends_after_a_shard(world: Path, tmp_path: Path, more: list[str], group: bool) -> None:
    command = ["extract", str(world), "--store", str(tmp_path / "s"), "--shard-videos", "1", "--no-calibration", *more]
    child = begun(command, tmp_path / "s/shards/00000/zarr.json")
    (os.killpg if group else os.kill)(child.pid, signal.SIGTERM)
    _, err = child.communicate(timeout=120)
    store = open_store(tmp_path / "s")
    assert all(record.status == "ok" for record in store.videos), [r.reason for r in store.videos]
    if child.returncode == 0:
        assert store.complete  # it was faster than the signal
        return
    assert child.returncode == 130
    assert [line for line in err.splitlines() if "same command again" in line] == err.splitlines()[-1:]
    assert "Traceback" not in err
    until_gone(child.pid)


def test_a_program_that_does_not_ask_for_it_is_ended_by_the_system() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a cluster of an earlier test leaves its own
    with stop_on_interrupt():
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with stop_on_interrupt() as stop:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
            assert stop
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)


AT = {
    "import": """
class Finder:
    def find_spec(self, name, *_):
        if name == "avreplay.cli":
            stop()
sys.meta_path.insert(0, Finder())
""",
    "last flush": """
from avreplay import cli_errors
flushed = cli_errors.flushed
def late(code):
    stop()
    return flushed(code)
cli_errors.flushed = late
""",
    "exit of threads": "threading._register_atexit(stop)",
    "exit": "main.later = lambda: atexit.register(stop)",
    "teardown of modules": """
class Late:
    def __init__(self):
        self.stop, self.kill, self.me = stop, os.kill, os.getpid()
    def __del__(self, term=signal.SIGTERM):
        self.kill(self.me, term)
sys.modules["late"] = types.ModuleType("late")
sys.modules["late"].it = Late()
""",
}
"""At which moment of a program it is stopped: code that runs before its command."""


@pytest.mark.parametrize("arguments", ["labels llp", "info nonsense"])
@pytest.mark.parametrize("when", AT)
def test_the_program_answers_from_its_first_import_to_its_end(tmp_path: Path, when: str, arguments: str) -> None:
    code = "\n".join([
        "import atexit, os, signal, sys, threading, types",
        "def stop(): os.kill(os.getpid(), signal.SIGTERM)",
        "from avreplay.__main__ import main",
        AT[when],
        f"sys.argv[1:] = {arguments.split()!r}",
        "getattr(main, 'later', lambda: None)()",
        "main()",
    ])  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    own = 0 if arguments == "labels llp" else 1
    assert done.returncode == (130 if when in ("import", "last flush") else own)
    assert len(done.stderr.splitlines()) == (done.returncode != 0) + (when == "last flush" and own == 1)
    assert "Traceback" not in done.stderr
