"""Ctrl-C and SIGTERM in any command: one line and exit code 130."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import click
import pytest
from avreplay.core.errors import Interrupted
from cli_runs import failing, reports, run, words_of
from test_cli_options import COMMANDS

pytestmark = pytest.mark.usefixtures("here")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_signals_end_any_command_in_one_line(monkeypatch, here, path, number):
    def stopped(*_):
        os.kill(os.getpid(), number)
        time.sleep(5)
        pytest.fail("the signal did nothing")

    monkeypatch.setattr(COMMANDS[path], "_function", stopped)
    done = run(*words_of(path), "--json")
    assert done.exit_code == 130
    assert done.stderr == "interrupted: nothing is left half-written; run the same command again\n"
    assert done.stdout == ""
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert reports(here) == []


def interrupted_in_a_clean_up():
    try:
        raise KeyboardInterrupt
    finally:
        raise RuntimeError("the clean-up failed, too")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (Interrupted("interrupted: 3 of 5 videos"), "interrupted: 3 of 5 videos"),
        (click.Abort(), "interrupted: nothing"),
    ],
)
def test_other_ways_of_stopping(monkeypatch, error, line):
    failing(monkeypatch, ("info",), error)
    done = run("info", "store")
    assert done.exit_code == 130
    assert done.stderr.startswith(line)
    assert len(done.stderr.splitlines()) == 1


def test_stopped_while_something_else_failed(monkeypatch, here):
    monkeypatch.setattr(COMMANDS["info",], "_function", lambda _: interrupted_in_a_clean_up())
    assert run("info", "store").exit_code == 130
    assert reports(here) == []


SLOW = """
import sys, time
from avreplay import cli
def slow(*_):
    print("at work", file=sys.stderr, flush=True)
    time.sleep(20)
cli.main.commands["info"]._function = slow
cli.main(["info", "store"])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_is_stopped(number):
    process = subprocess.Popen([sys.executable, "-c", SLOW], stderr=subprocess.PIPE, text=True)
    assert process.stderr.readline() == "at work\n"
    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr.splitlines() == ["interrupted: nothing is left half-written; run the same command again"]
