"""Adding windows and labels to a store: nothing is encoded twice, and the bytes are those of a fresh extraction."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from avreplay.cache import open_store, verify_store
from avreplay.cli import main
from avreplay.core.errors import DataError, UsageError
from avreplay.extract import ExtractSettings, extract_videos
from avreplay.extract.backbones.base import BackboneSpec
from avreplay.extract.command_options import WINDOW_RULES
from avreplay.extract.encoding import plan
from avreplay.extract.encoding.sampling import most_windows
from avreplay.extract.media.probe import MediaError, MediaInfo
from avreplay.extract.writing.fill import fill_store
from click.testing import CliRunner
from fake_backbone import FakeBackbone
from media_maker import write_media
from store_files import begin_writing, tree

LABELS = ("Dog", "Speech")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    for k, seconds in enumerate((3, 7, 2, 9)):
        write_media(folder / f"v{k}.mp4", seconds=seconds, fps=6, channels=1 if k != 2 else 0)
    write_media(folder / "v4_sound.mp4", seconds=3, channels=1, video=False)
    (folder / "v5_text.mp4").write_text("no video")
    return folder


def settings(windows: str, **more) -> ExtractSettings:  # type: ignore[no-untyped-def]
    return ExtractSettings(windows=windows, shard_videos=2, **more)


@pytest.mark.parametrize("rows", [1, 8])
@pytest.mark.parametrize("before", ["none", "multiscale"])
def test_a_filled_store_has_the_bytes_of_a_fresh_one(world: Path, tmp_path: Path, rows: int, before: str) -> None:
    extract_videos(world, tmp_path / "fresh", FakeBackbone(rows), LABELS, settings("all"))
    extract_videos(world, tmp_path / "store", FakeBackbone(rows), LABELS, settings(before))
    assert tree(tmp_path / "store") != tree(tmp_path / "fresh")
    summary = fill_store(world, tmp_path / "store", FakeBackbone(rows), settings=settings("all"))
    assert summary.new == (5 if before == "none" else 4)  # short videos have all windows either way
    assert tree(tmp_path / "store") == tree(tmp_path / "fresh")
    assert verify_store(tmp_path / "store") == []
    assert open_store(tmp_path / "store").config["windows"] == "all"


def taken_a_window(spec: BackboneSpec) -> int:
    return 4 * (spec.audio_dim + spec.visual_rows * spec.visual_dim) + 48 * (spec.window_frames + 2)


def test_a_video_of_too_many_windows_is_refused_before_they_are_made(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeBackbone()
    monkeypatch.setattr(plan, "MOST_WINDOW_BYTES", 30 * taken_a_window(fake.spec))
    extract_videos(world, tmp_path / "s", fake, LABELS, settings("all", decode_in="threads"))
    records = {r.id: r for k in range(3) for r in open_store(tmp_path / "s").records_of(k)}
    assert (records["v1"].status, records["v3"].status) == ("ok", "failed")
    assert records["v3"].reason.startswith("its 9 segments have 45 windows by the rule all, which would take")
    assert records["v3"].reason.endswith("extract it with --windows multiscale")
    extract_videos(world, tmp_path / "f", FakeBackbone(), LABELS, settings("none", decode_in="threads"))
    with pytest.raises(DataError, match=r"1 videos cannot be filled, 'v3' among them: its 9 segments have 45 windows"):
        fill_store(world, tmp_path / "f", FakeBackbone(), settings=settings("all", decode_in="threads"))


@pytest.mark.parametrize("rule", WINDOW_RULES)
@pytest.mark.parametrize("seconds", [1.0, 600.0, 3600.0, 86_400.0, 1e6])
def test_no_plan_takes_more_memory_than_it_may(rule: str, seconds: float) -> None:
    """All windows of hours are refused, others made; nothing is made to find that out."""
    spec = FakeBackbone().spec
    for most in (10**4, 10**7):
        planner = plan.Planner(spec, 1.0, "middle", rule, 16)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(plan, "MOST_WINDOW_BYTES", most)
            reason = planner.too_many_windows(seconds)
        assert bool(reason) == (most < most_windows(int(seconds), rule, 16) * taken_a_window(spec))
    info = MediaInfo(Path("v.mp4"), "ok", "", seconds, 0.0, np.arange(10), Fraction(1, 25))
    began = time.perf_counter()
    if rule == "all" and seconds >= 3600:
        with pytest.raises(MediaError, match=r"windows by the rule all, which .* GB of memory; extract it with --wind"):
            planner(info)
        assert time.perf_counter() - began < 0.1


def test_what_is_there_is_not_encoded_again(world: Path, tmp_path: Path) -> None:
    extract_videos(world / "v0.mp4", tmp_path / "s", FakeBackbone(), LABELS, settings("none"))
    fake = FakeBackbone()
    fill_store(world / "v0.mp4", tmp_path / "s", fake, settings=settings("all"))
    # of 6 windows the whole clip is there, of their sounds also the three segments
    assert sorted(fake.calls) == [("audio", 2), ("clips", 5)]
    again = FakeBackbone()
    assert fill_store(world / "v0.mp4", tmp_path / "s", again, settings=settings("all")).new == 0
    assert again.calls == []


def test_labels_are_added_without_windows(world: Path, tmp_path: Path) -> None:
    extract_videos(world, tmp_path / "s", FakeBackbone(), LABELS, settings("none"))
    fake = FakeBackbone()
    fill_store(world, tmp_path / "s", fake, ("Rain",), settings("none"))
    assert fake.calls == []
    assert open_store(tmp_path / "s").bundle().labels == ("Rain",)


def test_what_cannot_be_filled_is_refused_in_words(world: Path, tmp_path: Path) -> None:
    extract_videos(world, tmp_path / "s", FakeBackbone(), LABELS, settings("multiscale"))
    before = tree(tmp_path / "s")
    with pytest.raises(UsageError, match="'none' are not more"):
        fill_store(world, tmp_path / "s", FakeBackbone(), settings=settings("none"))
    with pytest.raises(UsageError, match="of the backbone fake, so those of demo cannot be filled up"):
        fill_store(world, tmp_path / "s", "demo", settings=settings("all"))
    with pytest.raises(DataError, match=r"weights.*a.*b"):
        fill_store(world, tmp_path / "s", FakeBackbone(weights="b"), settings=settings("all"))
    with pytest.raises(DataError, match=r"dtype.*float16.*float32"):
        fill_store(world, tmp_path / "s", FakeBackbone(), settings=settings("all", dtype="float32"))
    with pytest.raises(DataError, match="no store"):
        fill_store(world, tmp_path / "nothing", FakeBackbone(), settings=settings("all"))
    assert tree(tmp_path / "s") == before


def test_changed_and_missing_videos_leave_their_shard_as_it_was(world: Path, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    shutil.copytree(world, videos)
    extract_videos(videos, tmp_path / "s", FakeBackbone(), LABELS, settings("none"))
    write_media(videos / "v1.mp4", seconds=2, channels=1)
    (videos / "v3.mp4").unlink()
    before = tree(tmp_path / "s" / "shards")
    with pytest.raises(DataError, match=r"2 videos cannot be filled, 'v1' among them: the file is another one"):
        fill_store(videos, tmp_path / "s", FakeBackbone(), settings=settings("all"))
    store = open_store(tmp_path / "s")
    assert store.config["windows"] == "none"
    assert verify_store(tmp_path / "s") == []
    after = tree(tmp_path / "s" / "shards")
    changed = {name.split("/")[0] for name in before if after[name] != before[name]}
    assert changed == {"00002"}
    fill_store(world, tmp_path / "s", FakeBackbone(), settings=settings("all"))
    extract_videos(world, tmp_path / "fresh", FakeBackbone(), LABELS, settings("all"))
    assert tree(tmp_path / "s") == tree(tmp_path / "fresh")


def test_an_unfinished_store_is_not_filled(world: Path, tmp_path: Path) -> None:
    extract_videos(world, tmp_path / "s", FakeBackbone(), LABELS, settings("none"))
    (tmp_path / "s/shards/00001/zarr.json").unlink()
    with pytest.raises(DataError, match="not finished"):
        fill_store(world, tmp_path / "s", FakeBackbone(), settings=settings("all"))


@pytest.mark.parametrize("moment", ["written beside", "old one uncommitted", "old one removed"])
def test_an_exchange_cut_short_is_valid_and_is_finished(world: Path, tmp_path: Path, moment: str) -> None:
    """The three states in which a kill can leave an exchange of shards."""
    extract_videos(world, tmp_path / "s", FakeBackbone(), LABELS, settings("none"))
    extract_videos(world, tmp_path / "fresh", FakeBackbone(), LABELS, settings("all"))
    shards = tmp_path / "s" / "shards"
    begin_writing(tmp_path / "s")
    shutil.copytree(tmp_path / "fresh/shards/00001", shards / "00001.new")
    if moment == "old one uncommitted":
        (shards / "00001/zarr.json").unlink()
    if moment == "old one removed":
        shutil.rmtree(shards / "00001")
    store = open_store(tmp_path / "s")
    assert store.complete
    assert store.bundle().num_videos == 5
    assert verify_store(tmp_path / "s") == []
    fill_store(world, tmp_path / "s", FakeBackbone(), settings=settings("all"))
    assert tree(tmp_path / "s") == tree(tmp_path / "fresh")


_CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from avreplay.extract import ExtractSettings
from avreplay.extract.backbones.base import BackboneSpec
from avreplay.extract.command_options import WINDOW_RULES
from avreplay.extract.encoding import plan
from avreplay.extract.encoding.sampling import most_windows
from avreplay.extract.media.probe import MediaError, MediaInfo
from avreplay.extract.writing.fill import fill_store
from fake_backbone import FakeBackbone
class Slow(FakeBackbone):
    def encode_clips(self, clips):
        import time
        time.sleep(0.2)
        return super().encode_clips(clips)
fill_store(sys.argv[2], sys.argv[3], Slow(), settings=ExtractSettings(windows="all", shard_videos=2))
"""


@pytest.mark.parametrize("shards", [0, 1, 2])
def test_kill_9_while_filling(world: Path, tmp_path: Path, shards: int) -> None:
    extract_videos(world, tmp_path / "s", FakeBackbone(), LABELS, settings("none"))
    extract_videos(world, tmp_path / "fresh", FakeBackbone(), LABELS, settings("all"))
    arguments = [str(Path(__file__).parent), str(world), str(tmp_path / "s")]
    child = subprocess.Popen([sys.executable, "-c", _CHILD, *arguments])

    def windows(k: int) -> int:
        try:
            return len(open_store(tmp_path / "s").shard_arrays(k, ["window_index"])["window_index"])
        except DataError:  # read while the child was exchanging that shard
            return 0

    deadline = time.monotonic() + 60
    while shards and windows(shards - 1) == 0 and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    store = open_store(tmp_path / "s")
    assert store.complete
    assert store.bundle().num_videos == 5
    assert [p for p in verify_store(tmp_path / "s") if not p.path.endswith(".partial")] == []
    fill_store(world, tmp_path / "s", FakeBackbone(), settings=settings("all"))
    assert tree(tmp_path / "s") == tree(tmp_path / "fresh")


def test_filling_a_store_on_another_filesystem(world: Path, tmp_path: Path) -> None:
    url = f"memory://{tmp_path.name}/s"
    extract_videos(world, url, FakeBackbone(), LABELS, settings("none"))
    fill_store(world, url, FakeBackbone(), settings=settings("all"))
    extract_videos(world, tmp_path / "fresh", FakeBackbone(), LABELS, settings("all"))
    got, want = open_store(url), open_store(tmp_path / "fresh")
    assert got.fingerprint == want.fingerprint
    assert verify_store(url) == []
    for name, array in want.embeddings().items():
        np.testing.assert_array_equal(got.embeddings()[name], array)


def test_the_command(world: Path, tmp_path: Path) -> None:
    common = ["extract", str(world), "--store", str(tmp_path / "s"), "--no-calibration"]
    run = CliRunner().invoke
    assert run(main, [*common, "--windows", "none"]).exit_code == 1  # one file is no video
    done = run(main, [*common, "--fill", "--windows", "all"])
    assert done.exit_code == 1
    assert "5 new" in done.stdout
    assert len(open_store(tmp_path / "s").bundle().window_video) == 6 + 28 + 3 + 45 + 6
    refused = run(main, [*common, "--fill", "--windows", "none"])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "windows can only be added" in refused.stderr
