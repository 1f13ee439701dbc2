"""Errors that have a sentence: exit codes, and JSON where it was asked for."""

from __future__ import annotations

import json
import signal

import click
import pytest
from avreplay.cli import main
from avreplay.core.errors import DataError, UsageError
from avreplay.core.params.av2a import Params
from avreplay.evaluate.replay import replay
from cli_runs import failing, reports, run, words_of
from test_cli_options import COMMANDS

pytestmark = pytest.mark.usefixtures("here")


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
    "arguments", [["--json"], ["nonsense", "--json"], ["info", "--json"], ["verify", "a", "b", "--json"],
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


@pytest.mark.parametrize(
    "text",
    [
        f"the video {'9' * 5_000} of a.json is damaged; write it again",
        f"a.json has {'one, ' * 2_000}; write it again",
    ],
    ids=["word", "list"],
)
def test_what_a_file_holds_does_not_fill_the_screen(monkeypatch, here, text):
    failing(monkeypatch, ("info",), DataError(text))
    done = run("info", "s")
    assert done.exit_code == 1
    assert len(done.stderr) < 2_600
    assert done.stderr.startswith(f"Error: {text[:12]}")
    assert done.stderr.rstrip().endswith("; write it again")
