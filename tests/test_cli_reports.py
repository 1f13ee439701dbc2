"""Errors that nobody foresaw, in any command: one line, exit code 3, and a report without secrets."""

from __future__ import annotations

import errno
import json
import shlex
import threading

import numpy as np
import pytest
from avreplay import cli_report
from avreplay.cli_options import Output
from avreplay.cli_report import redacted, write_report
from cli_runs import failing, reports, run, words_of
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli_options import COMMANDS
from tuning_data import write_made

pytestmark = pytest.mark.usefixtures("here")


class Odd(Exception):
    def __str__(self):
        raise ValueError("no text")


UNFORESEEN = [
    KeyError("x"), RuntimeError("two\nlines\x1b[31m"), AssertionError(), RecursionError("deep"), EOFError(), Odd(),
    IndexError("a" * 5000), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "why"), FileNotFoundError(2, "gone", "f"),
    GeneratorExit(), ExceptionGroup("many", [ValueError("a"), TypeError("b")]), BrokenPipeError(errno.EPIPE, "pipe"),
]  # fmt: skip


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
