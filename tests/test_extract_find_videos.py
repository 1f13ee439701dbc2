"""Which files are taken, what they are called, and what is said of the others."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from avreplay.cache import open_store, verify_store
from avreplay.cache.reading.lists import read_ids
from avreplay.cli import main
from avreplay.core.errors import DataError, UsageError
from avreplay.core.media_names import SOUND_SUFFIXES, VIDEO_SUFFIXES
from avreplay.core.text import printable
from avreplay.extract import extract_videos, find_videos
from avreplay.extract.media.find_videos import id_of, left_out, with_subfolders
from click.testing import CliRunner
from fake_backbone import FakeBackbone
from hypothesis import given
from hypothesis import strategies as st
from media_maker import write_media

LABELS = ("Dog", "Speech")
NAMES = [
    "東京\u3000ライブ",
    "Haus\u00adtür",
    "👨\u200d👩\u200d👧",
    "a\u200e\u202eb",
    "no\u00a0break",
    "a.b c",
    "back\\slash",
]


def test_every_suffix_of_media_is_taken_and_the_others_are_counted(tmp_path: Path) -> None:
    for k, suffix in enumerate([*sorted(VIDEO_SUFFIXES), *sorted(SOUND_SUFFIXES)]):
        (tmp_path / f"v{k:02d}{suffix.upper() if k % 2 else suffix}").touch()
    for name in ("a.txt", "b.txt", "c.jpg", "readme", ".hidden.txt", "v00.wav", "d.\x07"):
        (tmp_path / name).touch()
    (tmp_path / "more").mkdir()
    assert len(find_videos(tmp_path)) == len(VIDEO_SUFFIXES) + len(SOUND_SUFFIXES)
    assert left_out(tmp_path) == {
        ".\\x07": 1, ".jpg": 1, ".txt": 2, "folder": 1, "no suffix": 1, "sound of a video": 1,
    }  # fmt: skip
    assert left_out(tmp_path / "a.txt") == {}


def test_what_is_left_out_is_in_the_summary(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    write_media(tmp_path / "f/m.mp4", seconds=1)
    (tmp_path / "f/notes.txt").touch()
    command = ["extract", str(tmp_path / "f"), "--store", str(tmp_path / "s"), "--no-calibration"]
    assert "left out: 1 .txt" in CliRunner().invoke(main, command).stdout
    assert json.loads(CliRunner().invoke(main, [*command, "--json"]).stdout)["left_out"] == {".txt": 1}
    (tmp_path / "t").mkdir()
    (tmp_path / "t/a.srt").touch()
    with pytest.raises(UsageError, match=r"t has no video files and no sound files, only 1 \.srt"):
        find_videos(tmp_path / "t")


def test_names_are_data(tmp_path: Path) -> None:
    made = write_media(tmp_path / "made.mp4", seconds=1, channels=1).read_bytes()
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.mp4").write_bytes(made)
    bad = ["line\nend", "\x1b[31mred", "c1\x85", "bell\x07"]
    for name in bad:
        (folder / f"{name}.mp4").write_bytes(made)
    with open(os.fsencode(folder) + b"/byte\xff.mp4", "wb") as file:
        file.write(made)
    summary = extract_videos(folder, tmp_path / "s", FakeBackbone(), LABELS)
    assert summary.counts == {"ok": len(NAMES), "unreadable": 5}
    store = open_store(tmp_path / "s")
    assert {r.id for r in store.videos if r.status == "ok"} == set(NAMES)
    assert {r.id for r in store.videos if r.status != "ok"} == {
        "line\\x0aend", "\\x1b[31mred", "c1\\u0085", "bell\\x07", "byte\\xff",
    }  # fmt: skip
    assert all("rename the file" in r.reason for r in summary.failures)
    assert verify_store(tmp_path / "s") == []
    command = ["extract", str(folder), "--store", str(tmp_path / "s"), "--no-calibration"]
    shown = CliRunner().invoke(main, command)
    assert shown.exit_code == 1
    assert "\x1b" not in shown.output


names = st.text(st.one_of(st.characters(), st.sampled_from("\\x0au\n\x85\udcff")), min_size=1).filter(
    lambda name: "/" not in name and "\0" not in name and not name.startswith(".")
)


@given(st.lists(names, min_size=2, max_size=2, unique=True))
def test_two_names_never_give_one_id(two: list[str]) -> None:
    ids = [id_of(Path(f"{name}.mp4")) for name in two]
    assert ids[0] != ids[1]
    for id in ids:
        assert "\n" not in id
        id.encode()


@given(st.text())
def test_printable_text_can_be_printed(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    shown.encode()
    assert printable(shown) == shown


def fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    "make",
    [fifo, lambda p: p.symlink_to("nowhere"), lambda p: p.symlink_to("/dev/zero"), lambda p: p.symlink_to(p.name)],
)
def test_what_is_no_file_is_a_status_in_a_folder_and_a_sentence_alone(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    make(folder / "a.mp4")
    (folder / "b.mp4").write_text("no video")
    assert extract_videos(folder, tmp_path / "s", FakeBackbone(), LABELS).counts == {"unreadable": 2}
    with pytest.raises(UsageError, match=r"a\.mp4 (is neither a file|cannot be looked into)"):
        find_videos(folder / "a.mp4")


def test_a_folder_that_cannot_be_looked_into_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(UsageError, match="cannot be looked into: Permission denied"):
        find_videos(tmp_path)
    with pytest.raises(UsageError, match="empty path"):
        find_videos("")


def test_id_files(tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    path.write_text("base\n\n  other \r\n\n東京\u3000ライブ\n\u3000\n", encoding="utf-8")
    assert read_ids(path) == ("base", "other", "東京\u3000ライブ")
    path.write_text("\n\n")
    with pytest.raises(DataError, match="has no video ids; write one id a line"):
        read_ids(path)
    path.write_text("a\nb\na\n")
    with pytest.raises(DataError, match=r"line 3 of .* repeats 'a' of line 1"):
        read_ids(path)
    path.write_bytes(b"\xff")
    with pytest.raises(DataError, match="line 1: the byte 0xff is not UTF-8"):
        read_ids(path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="is a pipe, and no video id list; give a file"):
        read_ids(tmp_path / "pipe")


def test_sound_alone_is_taken(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    write_media(tmp_path / "f/a.m4a", seconds=2, channels=1, video=False)
    write_media(tmp_path / "f/b.mka", seconds=3, channels=2, video=False)
    command = ["extract", str(tmp_path / "f"), "--store", str(tmp_path / "s"), "--no-calibration"]
    assert CliRunner().invoke(main, command).exit_code == 0
    records = open_store(tmp_path / "s").videos
    assert [(r.id, r.status, r.segments, r.has_data) for r in records] == [
        ("a", "no_video", 2, True), ("b", "no_video", 3, True),
    ]  # fmt: skip


def test_folders_below_are_searched_where_asked(tmp_path: Path) -> None:
    """Not hidden ones, not stores, not links to folders; what was left out is counted; files of one id are named."""
    for name in ("a/1.mp4", "a/b/2.mp4", "a/b/x.txt", "c/x.txt", ".h/3.mp4", "s/zarr.json", "s/shards/4.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "a" / "link").symlink_to(tmp_path / "a" / "b")
    found = with_subfolders(tmp_path)
    assert found == [tmp_path / "a", tmp_path / "a" / "b"]
    assert [v.id for v in find_videos(found)] == ["1", "2"]
    assert left_out(found) == {".txt": 1, "folder": 1}  # the link
    assert with_subfolders(tmp_path / "a" / "1.mp4") == [tmp_path / "a" / "1.mp4"]
    (tmp_path / "a" / "b" / "1.mkv").write_bytes(b"")
    with pytest.raises(UsageError, match="would both be video '1'"):
        find_videos(with_subfolders(tmp_path))
    with pytest.raises(UsageError, match="neither the folder"):
        with_subfolders(tmp_path / "c")
