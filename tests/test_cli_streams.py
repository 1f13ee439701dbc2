"""What a command prints and to whom: pipes, full disks, terminals, what libraries say."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from avreplay.cli import main
from avreplay.cli_options import Output
from avreplay.cli_process import one_line
from cli_runs import run
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli_options import COMMANDS

pytestmark = pytest.mark.usefixtures("here")


def shell(command, **more):
    tool = f"{shlex.quote(sys.executable)} -m avreplay"
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command.format(avreplay=tool)}"], capture_output=True, text=True, **more
    )


@pytest.mark.parametrize(
    "arguments", ["options", "options --json", "labels llp", "--help", "options --help", "nonsense"]
)
def test_nobody_reads_the_output(arguments):
    """The reader is gone before a line is written."""
    done = shell(f"{{avreplay}} {arguments} | true")
    assert done.returncode == (2 if arguments == "nonsense" else 0)
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr
    assert done.stderr == "" or arguments == "nonsense"
    quiet = shell(f"{{avreplay}} {arguments} 2>&1 | true")
    assert quiet.stderr == ""


def test_the_output_does_not_fit():
    for arguments in ("labels llp", "--help"):
        done = shell(f"{{avreplay}} {arguments} > /dev/full")
        assert done.returncode == 1
        words = "Error: the output could not be written (No space left on device); make room, and run the same command"
        assert done.stderr == f"{words} again\n"
    assert shell("{avreplay} labels llp >&-").returncode == 0


def test_a_terminal_without_the_characters():
    env = {**os.environ, "PYTHONIOENCODING": "iso8859-5", "LC_ALL": "C", "PYTHONUTF8": "0"}
    done = shell("{avreplay} replay --help", env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert "AV\\xb2A" in done.stdout


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_one_line(text):
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", line)
    if text.isprintable():
        assert line == " ".join(text.split())


def test_numbers_that_are_none_are_null_in_json(monkeypatch):
    figures = {"a": float("nan"), "b": [1.5, float("inf")], "c": (1, {"d": -float("inf")}), "e": "NaN"}
    monkeypatch.setattr(COMMANDS["info",], "_function", lambda _: Output(lambda: figures, str))
    done = run("info", "store", "--json")
    assert json.loads(done.stdout) == {"a": None, "b": [1.5, None], "c": [1, {"d": None}], "e": "NaN"}


def test_libraries_say_nothing_and_this_package_does(monkeypatch, here):
    def noisy(_):
        warnings.warn("of a library", UserWarning, stacklevel=1)
        warnings.warn("of a library", DeprecationWarning, stacklevel=1)
        np.float64(1) / np.float64(0)
        logging.getLogger("some.library").warning("of a library")
        logging.getLogger().error("of a library")
        logging.getLogger("avreplay").warning("of this package")
        code = "import warnings; warnings.warn('of a child')"
        child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        return Output(dict, lambda: f"[{child.stderr}]")

    monkeypatch.setattr(COMMANDS["info",], "_function", noisy)
    for _ in range(2):
        done = run("info", "store")
        assert (done.stderr, done.stdout) == ("of this package\n", "[]\n")
    assert "PYTHONWARNINGS" not in os.environ
    with pytest.warns(UserWarning, match="in a program"):
        warnings.warn("in a program", UserWarning, stacklevel=1)


def test_nothing_of_a_command_stays_in_a_program(here):
    before = [threading.excepthook, sys.unraisablehook, *(signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM))]
    with contextlib.suppress(SystemExit):
        main(["labels", "llp"])
    after = [threading.excepthook, sys.unraisablehook, *(signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM))]
    assert before == after
    assert Path.cwd() == here
