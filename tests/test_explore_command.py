"""`avreplay explore` as a process: one line when it listens, Ctrl-C ends it, and one sentence where it cannot begin."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from avreplay.cache import import_bundle
from avreplay.cli import main
from click.testing import CliRunner
from tuning_data import made, write_made


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_made(tmp_path_factory.mktemp("made"), videos=5)


def given(files, *more):
    store, annotations = files
    return ["explore", str(store), "--dataset", "json", "--annotations", str(annotations), "--split", "val", "--set",
            "audio_scores=segment", "--no-browser", *map(str, more)]  # fmt: skip


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_line_of_json_then_answers_until_it_is_stopped(files, how):
    process = subprocess.Popen(
        [sys.executable, "-m", "avreplay", *given(files, "--json")], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        base, token = url.split("/?token=")
        assert base.startswith("http://127.0.0.1:")
        assert len(token) >= 24
        with urllib.request.urlopen(f"{base}/api/session?token={token}") as answer:
            assert json.load(answer)["videos"] == 5
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"{base}/api/session?token=x")
        with urllib.request.urlopen(url) as answer:
            assert b"<html" in answer.read()
        process.send_signal(how)
        begin = time.monotonic()
        assert process.wait(15) == 130
        assert time.monotonic() - begin < 10
        _, said = process.communicate()
        assert said == ""
    finally:
        process.kill()
        process.communicate()


def refused(*arguments):
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.exit_code, done.stderr


def test_a_port_that_is_taken(files):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, said = refused(*given(files, "--port", port))
    assert (code, f"port {port} of this machine cannot be used" in said) == (2, True)
    assert refused(*given(files, "--port", 70000))[0] == 2


def test_without_the_extra(files, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    code, said = refused(*given(files))
    assert (code, "starlette and uvicorn" in said) == (2, True)


def test_what_does_not_fit_is_one_sentence(files, tmp_path):
    store, annotations = files
    (tmp_path / "no").mkdir()
    bundle, _ = made(3, 4, split="other")
    import_bundle(bundle, tmp_path / "other.store")
    cases = [
        ([tmp_path / "absent"], 1, "absent"),
        ([tmp_path / "no"], 1, "no"),
        ([tmp_path / "other.store", "--dataset", "json", "--annotations", annotations, "--split", "val"], 1,
         "none of the 4 videos of the store is annotated"),
        ([store, "--dataset", "json"], 2, "--dataset is given without --annotations"),
        ([store, "--metrics", "psds"], 2, "--metrics psds has nothing to score"),
        ([store, "--preset", "languagebnd"], 2, "languagebind"),
        ([store, "--set", "tau0=2"], 2, "tau0"),
        ([store, "--videos", tmp_path / "absent"], 2, "absent"),
        ([store, "--decoder", "other"], 2, "decoder"),
    ]  # fmt: skip
    for arguments, code, words in cases:
        found = refused("explore", *arguments, "--no-browser")
        assert (found[0], words in found[1]) == (code, True), found


def test_the_page_is_in_the_package():
    import avreplay.evaluate.explore.app as app

    assert (app.PAGE / "index.html").is_file()
    assert all(f.suffix in {".html", ".js", ".css", ".svg"} for f in Path(app.PAGE).iterdir())
