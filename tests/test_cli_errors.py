"""How commands end that do not succeed: errors of every kind in every command, signals, pipes, full disks."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import click
import numpy as np
import pytest
from avreplay import cli_report
from avreplay.cli import main
from avreplay.cli_errors import sentence
from avreplay.cli_options import Output
from avreplay.cli_process import one_line
from avreplay.cli_report import file_of, redacted, write_report
from avreplay.core.errors import DataError, Interrupted, UsageError
from avreplay.core.params.av2a import Params
from avreplay.evaluate.replay import replay
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli_options import COMMANDS
from tuning_data import write_made


def array_memory_error() -> MemoryError:
    """What NumPy raises for an array that is too large; its module has another name in NumPy 1."""
    core = getattr(np, "_core", None) or np.core
    error: MemoryError = core._exceptions._ArrayMemoryError((10**9,), np.dtype(float))
    return error


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Reports go to the working folder: one of the test's own."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def words_of(path):
    """The arguments of a command's example."""
    return shlex.split(COMMANDS[path].epilog.partition(">")[0])[1:]


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def failing(monkeypatch, path, error):
    def fail(*_):
        raise error() if isinstance(error, type) else error

    monkeypatch.setattr(COMMANDS[path], "_function", fail)


def reports(folder):
    return sorted(folder.glob("avreplay-error-*.txt"))


class Odd(Exception):
    def __str__(self):
        raise ValueError("no text")


UNFORESEEN = [
    KeyError("x"), RuntimeError("two\nlines\x1b[31m"), AssertionError(), RecursionError("deep"), EOFError(), Odd(),
    IndexError("a" * 5000), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "why"), FileNotFoundError(2, "gone", "f"),
    GeneratorExit(), ExceptionGroup("many", [ValueError("a"), TypeError("b")]), BrokenPipeError(errno.EPIPE, "pipe"),
]  # fmt: skip


# --- errors that nobody foresaw ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_an_unforeseen_error_of_any_command(monkeypatch, here, path, as_json):
    failing(monkeypatch, path, ZeroDivisionError("division by zero"))
    done = run(*words_of(path), *["--json"] * as_json)
    assert done.exit_code == 3
    (line,) = done.stderr.splitlines()
    (file,) = reports(here)
    assert line.startswith("Error: unforeseen ZeroDivisionError: division by zero; ")
    assert str(file) in line
    text = file.read_text(encoding="utf-8")
    assert "Traceback (most recent call last)" in text
    assert f"avreplay {shlex.join(words_of(path))}" in text
    assert f"numpy {np.__version__}" in text
    if as_json:
        told = json.loads(done.stdout)
        assert told == {"error": {"kind": "internal", "message": line.removeprefix("Error: ")}}
    else:
        assert done.stdout == ""


@pytest.mark.parametrize("error", UNFORESEEN, ids=lambda e: type(e).__name__)
def test_unforeseen_errors_of_any_type_are_one_line(monkeypatch, here, error):
    failing(monkeypatch, ("info",), error)
    done = run("info", "store", "--json")
    assert done.exit_code == 3
    (line,) = done.stderr.splitlines()
    assert "\x1b" not in line
    assert len(line) < 1000
    assert line == f"Error: {json.loads(done.stdout)['error']['message']}"
    assert type(error).__name__ in reports(here)[0].read_text(encoding="utf-8")


def test_an_error_in_a_thread_is_not_lost(monkeypatch, here):
    def work(_):
        thread = threading.Thread(target=lambda: [].pop())
        thread.start()
        thread.join()
        return Output(dict, lambda: "done")

    monkeypatch.setattr(COMMANDS["info",], "_function", work)
    before = threading.excepthook
    done = run("info", "store")
    assert (done.exit_code, done.stdout) == (3, "done\n")
    assert "unforeseen IndexError" in done.stderr
    assert len(done.stderr.splitlines()) == len(reports(here)) == 1
    assert threading.excepthook is before


def test_reports_never_overwrite_and_are_for_the_user_only(here, monkeypatch):
    monkeypatch.setattr(cli_report.time, "strftime", lambda _: "same")
    paths = [write_report(f"{i}") for i in range(20)]
    assert len(set(paths)) == 20
    assert [p.read_text() for p in paths] == [str(i) for i in range(20)]
    assert paths[0].parent == here
    assert paths[0].stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(cli_report.secrets, "token_hex", lambda _: paths[0].stem.rpartition("-")[2])
    assert write_report("other").parent != here
    assert paths[0].read_text() == "0"


@pytest.mark.parametrize("case", ["file in the way", "folder gone", "nowhere"])
def test_a_report_where_the_working_folder_cannot_be_written(monkeypatch, here, tmp_path, case):
    failing(monkeypatch, ("info",), KeyError("x"))
    monkeypatch.setattr(
        cli_report.tempfile, "gettempdir", lambda: str(tmp_path / "no" if case == "nowhere" else tmp_path)
    )
    if case == "folder gone":
        here.rmdir()
    else:
        monkeypatch.setattr(cli_report.os, "getcwd", lambda: str(write_made(tmp_path)[1]))
    done = run("info", "store")
    assert done.exit_code == 3
    (line,) = done.stderr.splitlines()
    assert len(reports(tmp_path)) == (case != "nowhere")
    assert ("no report could be written" if case == "nowhere" else str(tmp_path / "avreplay-error-")) in line


def test_a_report_on_a_full_disk_leaves_no_part(monkeypatch, here):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("builtins.open", full)
    assert write_report("text") is None
    monkeypatch.undo()
    assert reports(here) == []


SECRETS = [
    "mysql://me:{}@host/db", "s3://bucket/x?X-Amz-Signature={}&b=1", "https://h/x?token={}", "--hf-token {}",
    "--api-key={}", "AWS_SECRET_ACCESS_KEY={}", '{{"password": "{}"}}', "Authorization: Bearer {}", "access_key = '{}'",
    "postgresql://{}@host", "redis://:{}@host:6379/0",
]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(SECRETS), st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", min_size=12)
)
def test_secrets_are_left_out(form, secret):
    text = f"before {form.format(secret)} after"
    found = redacted(text, {})
    assert secret not in found
    assert found.startswith("before ")
    assert secret not in redacted(f"x{secret}y", {"MY_TOKEN": secret})
    for known in ("hf_", "ghp_", "sk-"):
        assert secret not in redacted(f"key {known}{secret.replace('.', '-')} is", {}) or "." in secret


def test_what_is_no_secret_stays():
    for text in ("avreplay replay store --set alpha=0.5 --out p.json", "s3://bucket/a/b", "f(x) = y, 'name': 'dog'"):
        assert redacted(text, {"HOME": "store --set", "MODE": "p.json"}) == text


def test_a_command_line_with_secrets(monkeypatch, here):
    failing(monkeypatch, ("info",), OSError("refused by s3://key:hunter22@host/?sig=hunter22"))
    done = run("info", "s3://key:hunter22@host/x?token=hunter22")
    assert done.exit_code == 3
    assert "hunter22" not in done.stderr + reports(here)[0].read_text()


# --- errors of the machine ---------------------------------------------------------------------------------------


class CudaOutOfMemoryError(RuntimeError):
    pass


CudaOutOfMemoryError.__name__ = "OutOfMemoryError"


def caused(outer, inner):
    outer.__cause__ = inner
    return outer


MACHINE = [
    (MemoryError(), "out of memory; ask for less"),
    (array_memory_error(), "out of memory (Unable to allocate 7.45 GiB"),
    (CudaOutOfMemoryError("CUDA out of memory"), "out of memory (CUDA out of memory)"),
    (OSError(errno.ENOMEM, "Cannot allocate memory"), "out of memory; "),
    (caused(ValueError("bad block"), MemoryError()), "out of memory; "),
    (OSError(errno.EMFILE, "Too many open files", "a/b.json"), "a/b.json could not be opened (Too many open files)"),
    (OSError(errno.ENFILE, "Too many open files in system", "x"), "x could not be opened (Too many open files in"),
    (ImportError("libx.so: cannot open shared object file: Too many open files"), "could not be opened"),
    (OSError(errno.ENOSPC, "No space left on device", "x"), "x could not be written (No space left on device)"),
    (OSError(errno.EDQUOT, "Disk quota exceeded", "x"), "x could not be written (Disk quota exceeded)"),
    (OSError(errno.EIO, "Input/output error", "x"), "x could not be read or written (Input/output error)"),
    (OSError(errno.ESTALE, "Stale file handle", b"x"), "x could not be read or written (Stale file handle)"),
    (OSError("Can't write data (errno = 28, error message = 'No space left on device')"), "could not be written"),
    (OSError(errno.EROFS, "Read-only file system", "x"), "x may not be read or written (Read-only file system)"),
    (PermissionError(errno.EACCES, "Permission denied", "x"), "x may not be read or written (Permission denied)"),
    (OSError(errno.ENAMETOOLONG, "File name too long", "x"), "x has a name that the system does not take"),
    (RuntimeError("can't start new thread"), "starts no further thread or process"),
    (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "starts no further thread or process"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "words"), MACHINE, ids=[f"{type(e).__name__} {e}"[:40] for e, _ in MACHINE])
def test_what_the_machine_fails_at_is_a_sentence_and_no_fault_of_ours(monkeypatch, here, error, words):
    failing(monkeypatch, ("verify",), error)
    done = run("verify", "store", "--json")
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert words in line
    assert json.loads(done.stdout) == {"error": {"kind": "data", "message": line.removeprefix("Error: ")}}
    assert reports(here) == []


def test_the_file_is_found_where_the_system_does_not_name_it(tmp_path):
    (tmp_path / "scores.bin").write_bytes(b"x")

    def read(path):
        with open(path, "rb") as file:
            assert file.name
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output") as caught:
        read(tmp_path / "scores.bin")
    assert file_of(caught.value) == str(tmp_path / "scores.bin")
    assert sentence(caught.value)[1].startswith(f"{tmp_path}/scores.bin could not be read")
    assert file_of(OSError(errno.EIO, "x")) == ""


def test_memory_that_runs_out_in_a_plug_in_is_not_its_fault(tmp_path, monkeypatch):
    from avreplay.core.registry import failures_of

    for error in (MemoryError, KeyboardInterrupt):
        with pytest.raises(error), failures_of("decoder", threading.Thread(), "mine"):
            raise error
    with (
        pytest.raises(DataError, match="the decoder 'mine' failed"),
        failures_of("decoder", threading.Thread(), "mine"),
    ):
        raise RecursionError


# --- errors with a sentence --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [(DataError("a\nb"), 1, "data"), (UsageError("a b"), 2, "usage"), (click.BadParameter("a b"), 2, "usage")],
    ids=["data", "usage", "click"],
)
@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_json_of_errors_that_have_a_sentence(monkeypatch, here, path, error, code, kind):
    failing(monkeypatch, path, error)
    done = run(*words_of(path), "--json")
    assert done.exit_code == code
    told = json.loads(done.stdout)
    assert told["error"].keys() == {"kind", "message"}
    assert told["error"]["kind"] == kind
    assert "a b" in told["error"]["message"]
    assert "a b" in done.stderr
    assert reports(here) == []
    assert run(*words_of(path)).stdout == ""


@pytest.mark.parametrize(
    "arguments", [["--json"], ["nonsense", "--json"], ["info", "--json"], ["info", "a", "b", "--json"],
                  ["replay", "s", "--threads", "many", "--json"], ["tune", "--nonsense", "--json"],
                  ["reproduce", "nothing", "--json"]], ids=" ".join,
)  # fmt: skip
def test_json_of_what_click_refuses(arguments):
    done = run(*arguments)
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]["kind"] == "usage"
    assert json.loads(done.stdout)["error"]["message"]
    assert done.stderr


def test_in_python_errors_are_not_caught(tmp_path, here):
    with pytest.raises(DataError):
        replay(tmp_path / "none", Params())
    with pytest.raises(UsageError, match="there is no decoder"):
        main(["options", "--decoder", "none"], standalone_mode=False)
    with pytest.raises(click.UsageError):
        main(["nonsense"], standalone_mode=False)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


# --- stopping ----------------------------------------------------------------------------------------------------


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


# --- pipes, full disks, terminals --------------------------------------------------------------------------------


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


# --- what libraries say ------------------------------------------------------------------------------------------


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
