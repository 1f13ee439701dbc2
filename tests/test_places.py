"""Places that cannot be written: one sentence, exit code 1 or 2, nothing changed, for every command that writes."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from avreplay.cache import StoreWriter, open_store
from avreplay.cache.atomic_write import atomic_file, atomic_text, atomic_write
from avreplay.cache.imports.bundle_npz import write_bundle
from avreplay.cache.places import check_outputs, make_folder, output_folder
from avreplay.cli import main
from avreplay.core.errors import AvreplayError, DataError, UsageError
from avreplay.evaluate.commands import replay_to_files
from click.testing import CliRunner
from made_store import CONFIG, names, write_store
from media_maker import write_media
from tuning_data import made, write_made


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from avreplay.evaluate.command_options import ReplayRequest

    folder = tmp_path_factory.mktemp("inputs")
    write_made(folder, videos=3)
    write_bundle(made(0, 3)[0], folder / "scores.npz")
    write_store(str(folder / "embeddings"), 3)
    store, out = str(folder / "val.store"), str(folder / "p.json")
    replay_to_files(ReplayRequest(store=store, settings=("audio_scores=segment",), out=out, threads=1))
    (folder / "answers.json").write_text('{"v": "ave: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]"}')
    (folder / "labels.txt").write_text("dog\ncat\n")
    (folder / "media").mkdir()
    write_media(folder / "media" / "v.mp4", seconds=1, fps=4)
    return folder


def _annotated(inputs: Path) -> list[str]:
    return ["--dataset", "json", "--annotations", str(inputs / "val.json")]


# what a command writes: a store, a file or a folder of its own
COMMANDS: dict[str, tuple[str, Callable[[Path, str], list[str]]]] = {
    "extract": ("store", lambda i, p: ["extract", str(i / "media"), "--store", p, "--no-calibration"]),
    "import": ("store", lambda i, p: ["import", str(i / "scores.npz"), p]),
    "embed-text": ("store", lambda i, p: ["embed-text", p, "--labels", str(i / "labels.txt")]),
    "retry": ("store", lambda i, p: ["extract", str(i / "media"), "--store", p, "--retry"]),
    "fill": ("store", lambda i, p: ["extract", str(i / "media"), "--store", p, "--fill", "--windows", "all"]),
    "replay": ("file", lambda i, p: ["replay", str(i / "val.store"), "--out", p]),
    "trace": ("file", lambda i, p: ["replay", str(i / "val.store"), "--trace", p]),
    "report": ("file", lambda i, p: ["report", str(i / "p.json"), *_annotated(i), "--split", "val", "--out", p]),
    "probe": ("file", lambda i, p: ["probe", str(i / "embeddings"), *_annotated(i), "--modality", "audio", "--out", p]),
    "export": ("file", lambda i, p: ["export", str(i / "p.json"), "--format", "csv", "--out", p]),
    "export-folder": ("folder", lambda i, p: ["export", str(i / "p.json"), "--format", "elan", "--out", p]),
    "import-text": ("file", lambda i, p: ["import-text", str(i / "answers.json"), "--out", p]),
    "figure": (
        "file",
        lambda i, p: ["reproduce", "ovavel", f"imagebind={i / 'embeddings'}", "--annotations", str(i), "--figure", p],
    ),
    "tune": (
        "folder",
        lambda i, p: ["tune", str(i / "val.store"), *_annotated(i), "--report-split", "", "--trials", "4", "--out", p],
    ),
    "demo": ("folder", lambda i, p: ["demo", "--videos", "1", "--out", p]),
}


def _fifo(folder: Path) -> str:
    os.mkfifo(folder / "pipe")
    return str(folder / "pipe")


def _socket(folder: Path) -> str:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(folder / "socket"))
    return str(folder / "socket")


def _circle(folder: Path) -> str:
    (folder / "circle").symlink_to(folder / "circle")
    return str(folder / "circle")


def _link_to(target: str) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        (folder / "link").symlink_to(target)
        return str(folder / "link")

    return make


def _below_a_file(folder: Path) -> str:
    (folder / "file").write_text("not a folder")
    return str(folder / "file" / "below")


def _other_files(folder: Path) -> str:
    (folder / "mine").mkdir()
    for name in ("thesis.tex", "summary.json"):
        (folder / "mine" / name).write_text("of somebody")
    return str(folder / "mine")


def _a_file(folder: Path) -> str:
    (folder / "file").write_text("of somebody")
    return str(folder / "file")


PLACES: dict[str, Callable[[Path], str]] = {
    "empty": lambda folder: "",
    "root": lambda folder: "/",
    "NUL": lambda folder: f"{folder}/a\0b",
    "pipe": _fifo,
    "socket": _socket,
    "device": lambda folder: "/dev/null",
    "circle of links": _circle,
    "link to a device": _link_to("/dev/zero"),
    "below a file": _below_a_file,
    "too long a name": lambda folder: f"{folder}/{'n' * 300}",
    "other files": _other_files,
    "a file": _a_file,
    "no folder above": lambda folder: f"{folder}/none/p",
    "parent of all": lambda folder: "..",
}
# what is no obstacle: a folder is made with those above it, a file is replaced
FINE = {("store", "no folder above"), ("folder", "no folder above"), ("file", "a file")}
# the demo and a search may be made in any folder that has none of their files
FINE |= {("folder", "parent of all"), ("folder", "root")}


def _state(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Everything in a folder: kind, permissions and content."""
    return {
        str(p.relative_to(folder)): (p.lstat().st_mode, p.read_bytes() if p.is_file() else b"")
        for p in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_place_that_cannot_be_written_is_told_in_one_sentence(
    command: str, place: str, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, arguments = COMMANDS[command]
    if (kind, place) in FINE:
        return
    (tmp_path / "here" / "inner").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here" / "inner")
    path = PLACES[place](tmp_path)
    before, device = _state(tmp_path), os.stat("/dev/null").st_mode
    done = CliRunner().invoke(main, arguments(inputs, path))
    assert done.exit_code in (1, 2), done.output
    assert isinstance(done.exception, SystemExit), repr(done.exception)
    said = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(said) == 1, done.stderr
    assert "Errno" not in said[0]
    assert _state(tmp_path) == before
    assert os.stat("/dev/null").st_mode == device


@pytest.mark.parametrize("command", [c for c, (kind, _) in COMMANDS.items() if kind != "store"])
def test_a_read_only_place_is_found_before_the_work(
    command: str, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.access

    def access(path: object, mode: int, **how: object) -> bool:
        return not (str(path).startswith(str(tmp_path)) and mode & os.W_OK) and real(path, mode)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "access", access)
    done = CliRunner().invoke(main, COMMANDS[command][1](inputs, str(tmp_path / "p")))
    assert done.exit_code == 1
    assert "Permission denied; choose a place that this user can write" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real" / "f")
    atomic_write(tmp_path / "link", b"content")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "f").read_bytes() == b"content"


def test_what_killed_writers_of_a_file_left_is_removed_and_what_living_ones_write_is_not(tmp_path: Path) -> None:
    (tmp_path / ".f.json.0123abcd.partial").write_bytes(b"of a killed one")
    (tmp_path / ".f.json.notes.partial").write_bytes(b"of somebody else")
    with atomic_file(tmp_path / "f.json") as slow:
        slow.write(b"slow")
        with atomic_text(tmp_path / "f.json") as quick:
            quick.write("quick\n")
        assert (tmp_path / "f.json").read_bytes() == b"quick\n"
    assert (tmp_path / "f.json").read_bytes() == b"slow"
    assert sorted(p.name for p in tmp_path.iterdir()) == [".f.json.notes.partial", "f.json"]


def test_one_file_for_two_outputs_is_refused(inputs: Path, tmp_path: Path) -> None:
    same = str(tmp_path / "x")
    done = CliRunner().invoke(main, ["replay", str(inputs / "val.store"), "--out", same, "--trace", same])
    assert done.exit_code == 2
    assert "is to be written twice" in done.stderr
    check_outputs(None, tmp_path / "a", tmp_path / "b", None)
    assert list(tmp_path.iterdir()) == []


def test_folders_are_checked_without_being_made(tmp_path: Path) -> None:
    assert output_folder(tmp_path / "a" / "b", "a folder") == str(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []
    make_folder(tmp_path / "a" / "b", "a folder")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "link").symlink_to(tmp_path / "none")
    with pytest.raises(DataError, match="is a link that leads nowhere"):
        make_folder(tmp_path / "link", "a folder")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    write_store(str(tmp_path / "s"), 3)
    return tmp_path / "s"


@pytest.mark.parametrize("inside", ["shards/00000", "shards/00000/audio_clip", "vocabularies", "score_sets", "x.json"])
def test_a_link_in_a_store_is_not_written_through(store: Path, inside: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("of somebody")
    if (store / inside).exists():
        (store / inside).rename(tmp_path / "away")
    (store / inside).symlink_to(outside)
    with pytest.raises(DataError, match=f"{inside} is a link; a store holds plain files and folders only"):
        write_store(str(store), 5)
    assert [(p.name, p.read_text()) for p in outside.iterdir()] == [("precious", "of somebody")]


def test_nothing_is_left_of_a_store_that_could_not_be_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "replace", refused)
    for part in (None, (1, 2)):
        with pytest.raises(
            DataError, match=r"s cannot be written: Invalid cross-device link; what was committed is kept"
        ):
            StoreWriter.open(tmp_path / "deep" / "s", CONFIG, names(3), part=part)
    monkeypatch.undo()
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")] in ([], ["deep", "deep/s"])
    write_store(str(tmp_path / "deep" / "s"), 3)
    assert open_store(tmp_path / "deep" / "s").complete


def test_paths_that_name_nothing_are_usage_errors(tmp_path: Path) -> None:
    for path in ("", " ", "a\0b"):
        for ask in (atomic_write, lambda p, _: open_store(p), make_folder):
            with pytest.raises(UsageError, match=r"cannot be the path of|is blank|holds a NUL"):
                ask(path, b"")  # type: ignore[operator, arg-type]
    with pytest.raises(AvreplayError, match="it ends as the path of a folder"):
        atomic_write(f"{tmp_path}/x/", b"")
    np.testing.assert_array_equal([p.name for p in tmp_path.iterdir()], [])


@pytest.mark.parametrize("place", ["zarr.json", "inner.json", "vocabularies/p.json", "new/deep"])
@pytest.mark.parametrize("name", [n for n in COMMANDS if n not in ("embed-text", "retry", "fill")])
def test_nothing_else_is_written_into_a_store(name: str, place: str, inputs: Path, store: Path, tmp_path: Path) -> None:
    """Also through a link, and over the store's own root."""
    (tmp_path / "link").symlink_to(store)
    before = _state(store)
    for folder in (store, tmp_path / "link"):
        done = CliRunner().invoke(main, COMMANDS[name][1](inputs, str(folder / place)))
        assert done.exit_code in (1, 2), done.output
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert _state(store) == before


def test_no_output_replaces_an_input(inputs: Path, tmp_path: Path) -> None:
    params = tmp_path / "p.toml"
    params.write_text("alpha = 0.5\n")
    arguments = ["replay", str(inputs / "val.store"), "--params", str(params), "--out", str(params)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert "is read by the same command" in done.output
    assert params.read_text() == "alpha = 0.5\n"
