"""Commands under limits of memory: they end with 0 or with one sentence that names memory; no fault, no hang."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from avreplay.cache.imports.bundle_npz import write_bundle
from avreplay.cli import main
from click.testing import CliRunner
from media_maker import write_media
from tuning_data import made, write_made

OF_PYTHON = (-11, -6)
"""Signals by which the interpreter, or LLVM in it, ends where memory does not suffice for itself."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    store, truth = write_made(folder)
    write_bundle(made()[0], folder / "bundle.npz")
    predictions = folder / "p.json"
    done = CliRunner().invoke(main, ["replay", str(store), "--preset", "jomold", "--out", str(predictions)])
    assert done.exit_code == 0, done.output
    (folder / "store").symlink_to(store)
    (folder / "truth").symlink_to(truth)
    (folder / "videos").mkdir()
    write_media(folder / "videos" / "v.mp4", seconds=2.0, channels=1)
    return folder


COMMANDS = {
    "info": "info {f}/store",
    "verify": "verify {f}/store",
    "replay": "replay {f}/store --preset jomold --threads 2 --out {o}/p.json",
    "evaluate": "evaluate {f}/p.json --dataset json --annotations {f}/truth --split val",
    "import": "import {f}/bundle.npz {o}/imported",
    "extract": "extract {f}/videos --store {o}/extracted --workers 2 --no-calibration",
    "tune": "tune {f}/store --dataset json --annotations {f}/truth --split val --trials 8 --report-split= --out {o}/t",
}


def under(megabytes: int, name: str, files: Path, out: Path) -> subprocess.CompletedProcess[str]:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))

    words = COMMANDS[name].format(f=files, o=out).split()
    return subprocess.run(
        [sys.executable, "-m", "avreplay", *words], capture_output=True, text=True, timeout=120, cwd=out,
        preexec_fn=limit, env={**os.environ, "PYTHONFAULTHANDLER": ""},
    )  # fmt: skip


def check(done: subprocess.CompletedProcess[str], what: str) -> None:
    if done.returncode in OF_PYTHON:
        return
    assert done.returncode in (0, 1), f"{what}: {done.returncode} {done.stderr[-500:]}"
    assert "Traceback" not in done.stderr, what
    if done.returncode:
        assert "emory" in done.stderr + done.stdout, f"{what}: {done.stderr[-500:]}"
        assert len([line for line in done.stderr.splitlines() if line.startswith("Error: ")]) <= 1, what


@pytest.mark.parametrize(
    ("megabytes", "name"),
    [(60, "info"), (130, "import"), (160, "verify"), (230, "replay"), (230, "extract"), (260, "tune"),
     (300, "evaluate")],
)  # fmt: skip
def test_too_little_memory_is_said(files: Path, tmp_path: Path, megabytes: int, name: str) -> None:
    check(under(megabytes, name, files, tmp_path), f"{name} with {megabytes} MB")


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_any_limit(files: Path, tmp_path: Path, name: str) -> None:
    for megabytes in (100, 180, 250, 400, 600, 1000):
        (out := tmp_path / str(megabytes)).mkdir()
        check(under(megabytes, name, files, out), f"{name} with {megabytes} MB")
