"""Trying videos without data again: the bytes are those of an extraction whose files were good from the start."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from avreplay.cache import open_store, verify_store
from avreplay.cli import main
from avreplay.core.errors import DataError, Interrupted, UsageError
from avreplay.extract import ExtractSettings, extract_videos
from avreplay.extract.writing.devices import Job, run_on_devices
from avreplay.extract.writing.fill import fill_store
from avreplay.extract.writing.retry import retry_videos
from click.testing import CliRunner
from fake_backbone import FakeBackbone
from made_store import write_store
from media_maker import cut, noise, write_media
from store_files import begin_writing, tree

LABELS = ("Dog", "Speech")
SETTINGS = ExtractSettings(shard_videos=2)
IDS = [f"v{k}" for k in range(7)]
"""Shards of two: (v0, v1), (v2, v3), (v4, v5), (v6)."""


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    for k, seconds in enumerate((3, 4, 2, 5, 3, 2, 3)):
        write_media(folder / f"v{k}.mp4", seconds=seconds, fps=6, channels=0 if k == 2 else 1)
    return folder


@pytest.fixture
def bad(good: Path, tmp_path: Path) -> Path:
    """The same videos, of which v0 is missing, v3 has no content, v4 is no video and v5 is cut short."""
    folder = tmp_path / "bad"
    shutil.copytree(good, folder)
    (folder / "v0.mp4").unlink()
    (folder / "v3.mp4").write_bytes(b"")
    (folder / "v4.mp4").write_text("no video")
    cut(write_media(folder / "v5.mp4", pictures=noise(40), codec="mpeg4"), 0.5)
    return folder


@pytest.fixture(scope="module")
def whole(good: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("whole") / "s"
    extract_videos(good, store, FakeBackbone(), LABELS, SETTINGS, ids=IDS)
    return store


def statuses(store: Path) -> dict[str, str]:
    return {r.id: r.status for r in open_store(store).videos if r.status != "ok"}


def test_afterwards_the_bytes_are_those_of_good_files(good: Path, bad: Path, whole: Path, tmp_path: Path) -> None:
    extract_videos(bad, tmp_path / "s", FakeBackbone(), LABELS, SETTINGS, ids=IDS)
    lost = {"v0": "missing", "v2": "no_audio", "v3": "empty_file", "v4": "unreadable", "v5": "truncated"}
    assert statuses(tmp_path / "s") == lost
    summary = retry_videos(good, tmp_path / "s", FakeBackbone())
    assert (summary.new, summary.resumed, summary.counts) == (4, 3, {"no_audio": 1, "ok": 6})
    assert summary.media_seconds == pytest.approx(3 + 5 + 3 + 2, abs=0.3)
    assert tree(tmp_path / "s") == tree(whole)
    assert verify_store(tmp_path / "s") == []


@pytest.mark.parametrize("rows", [1, 8])
def test_only_what_had_no_data_is_decoded_and_encoded(good: Path, bad: Path, tmp_path: Path, rows: int) -> None:
    extract_videos(bad, tmp_path / "s", FakeBackbone(rows), LABELS, SETTINGS, ids=IDS)
    alone = FakeBackbone(rows)
    extract_videos(good, tmp_path / "alone", alone, settings=SETTINGS, ids=["v0"])
    only = tmp_path / "only"
    only.mkdir()
    shutil.copy(good / "v0.mp4", only)  # no other file is given, so no other one can be read
    fake = FakeBackbone(rows)
    retry_videos(only, tmp_path / "s", fake)
    assert fake.calls == alone.calls != []
    assert statuses(tmp_path / "s") == {
        "v2": "no_audio", "v3": "empty_file", "v4": "unreadable", "v5": "truncated",
    }  # fmt: skip


def test_shards_without_change_are_not_touched_and_reasons_are_renewed(good: Path, bad: Path, tmp_path: Path) -> None:
    store = tmp_path / "s"
    extract_videos(bad, store, FakeBackbone(), LABELS, SETTINGS, ids=IDS)
    before, places = tree(store), {p: p.stat().st_ino for p in store.glob("shards/*")}
    assert retry_videos(bad, store, FakeBackbone()).new == 3  # v0 has no file to try
    assert tree(store) == before
    assert {p: p.stat().st_ino for p in store.glob("shards/*")} == places
    (bad / "v4.mp4").write_bytes(b"")
    retry_videos(bad, store, FakeBackbone())
    assert statuses(store)["v4"] == "empty_file"
    changed = {p.name for p in store.glob("shards/*") if places.get(p) != p.stat().st_ino}
    assert changed == {"00002"}
    assert open_store(store).scores_are_current()
    assert verify_store(store) == []


def test_a_video_that_failed_in_the_encoder_is_tried_again(good: Path, whole: Path, tmp_path: Path) -> None:
    class Choosy(FakeBackbone):
        def encode_images(self, frames):  # type: ignore[no-untyped-def]
            if len(frames) == 4:
                raise ValueError("not this one")
            return super().encode_images(frames)

    extract_videos(good, tmp_path / "s", Choosy(), LABELS, SETTINGS, ids=IDS)
    assert statuses(tmp_path / "s") == {"v1": "failed", "v2": "no_audio"}
    retry_videos(good, tmp_path / "s", FakeBackbone())
    assert tree(tmp_path / "s") == tree(whole)


def test_the_rest_of_the_plan_is_done_too(good: Path, bad: Path, whole: Path, tmp_path: Path) -> None:
    calls = iter([False, True])
    with pytest.raises(Interrupted):
        extract_videos(bad, tmp_path / "s", FakeBackbone(), LABELS, SETTINGS, ids=IDS, stop=lambda: next(calls))
    assert len(open_store(tmp_path / "s").committed) == 2
    summary = retry_videos(good, tmp_path / "s", FakeBackbone(), LABELS)
    assert summary.new == 5
    assert tree(tmp_path / "s") == tree(whole)


def test_stopping_between_shards_and_going_on(good: Path, bad: Path, whole: Path, tmp_path: Path) -> None:
    extract_videos(bad, tmp_path / "s", FakeBackbone(), LABELS, SETTINGS, ids=IDS)
    with pytest.raises(Interrupted, match="run the same command again"):
        retry_videos(good, tmp_path / "s", FakeBackbone(), stop=lambda: True)
    assert set(statuses(tmp_path / "s")) == {"v2", "v3", "v4", "v5"}
    assert verify_store(tmp_path / "s") == []
    assert open_store(tmp_path / "s").bundle().num_videos == 4  # though the scores have not been written anew
    retry_videos(good, tmp_path / "s", FakeBackbone())
    assert tree(tmp_path / "s") == tree(whole)


@pytest.mark.parametrize("moment", ["written beside", "old one uncommitted", "old one removed"])
def test_an_exchange_cut_short_is_valid_and_is_finished(
    good: Path, bad: Path, whole: Path, tmp_path: Path, moment: str
) -> None:
    """The three states in which a kill can leave an exchange of shards."""
    extract_videos(bad, tmp_path / "s", FakeBackbone(), LABELS, SETTINGS, ids=IDS)
    shards = tmp_path / "s" / "shards"
    begin_writing(tmp_path / "s")
    shutil.copytree(whole / "shards/00001", shards / "00001.new")
    if moment == "old one uncommitted":
        (shards / "00001/zarr.json").unlink()
    if moment == "old one removed":
        shutil.rmtree(shards / "00001")
    store = open_store(tmp_path / "s")
    assert store.complete
    assert store.bundle().num_videos == (3 if moment == "written beside" else 4)
    assert verify_store(tmp_path / "s") == []
    retry_videos(good, tmp_path / "s", FakeBackbone())
    assert tree(tmp_path / "s") == tree(whole)


_CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from avreplay.extract.writing.retry import retry_videos
from fake_backbone import FakeBackbone
retry_videos(sys.argv[2], sys.argv[3], FakeBackbone(delay=0.2))
"""


@pytest.mark.parametrize("after", [0, 1, 2])
def test_kill_9_while_trying_again(good: Path, bad: Path, whole: Path, tmp_path: Path, after: int) -> None:
    extract_videos(bad, tmp_path / "s", FakeBackbone(), LABELS, SETTINGS, ids=IDS)
    lost = 4
    arguments = [str(Path(__file__).parent), str(good), str(tmp_path / "s")]
    child = subprocess.Popen([sys.executable, "-c", _CHILD, *arguments])

    def found() -> int:
        return lost - sum(not r.has_data for r in open_store(tmp_path / "s").videos)

    deadline = time.monotonic() + 60
    while found() < after and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait() in (0, -signal.SIGKILL)  # 0: it was faster
    store = open_store(tmp_path / "s")
    assert store.complete
    assert store.bundle().num_videos == 3 + found()
    assert [p for p in verify_store(tmp_path / "s") if not p.path.endswith(".partial")] == []
    retry_videos(good, tmp_path / "s", FakeBackbone())
    assert tree(tmp_path / "s") == tree(whole)


def test_in_parts(good: Path, bad: Path, whole: Path, tmp_path: Path) -> None:
    extract_videos(bad, tmp_path / "s", FakeBackbone(), LABELS, SETTINGS, ids=IDS)
    for i, tried in ((2, 1), (1, 3)):
        settings = ExtractSettings(shard_videos=2, part=(i, 2))
        assert retry_videos(good, tmp_path / "s", FakeBackbone(), settings=settings).new == tried
        assert verify_store(tmp_path / "s") == []
    assert tree(tmp_path / "s") == tree(whole)


def test_on_several_devices(good: Path, bad: Path, tmp_path: Path) -> None:
    extract_videos(good, tmp_path / "whole", "demo", LABELS, SETTINGS, ids=IDS)
    extract_videos(bad, tmp_path / "s", "demo", LABELS, SETTINGS, ids=IDS)
    job = Job((str(good),), str(tmp_path / "s"), "demo", {}, (), SETTINGS, retry=True)
    summary = run_on_devices(job, ["cpu", "cpu"])
    assert (summary.new, summary.processes) == (4, 2)
    assert tree(tmp_path / "s") == tree(tmp_path / "whole")


def test_on_another_filesystem(good: Path, bad: Path, whole: Path, tmp_path: Path) -> None:
    url = f"memory://{tmp_path.name}/s"
    extract_videos(bad, url, FakeBackbone(), LABELS, SETTINGS, ids=IDS)
    retry_videos(good, url, FakeBackbone())
    assert verify_store(url) == []
    assert open_store(url).shard_digest() == open_store(whole).shard_digest()


def test_settings_are_the_stores_own_and_others_are_refused(good: Path, bad: Path, tmp_path: Path) -> None:
    settings = ExtractSettings(windows="none", segment_seconds=0.5, dtype="float32", shard_videos=2)
    extract_videos(bad, tmp_path / "s", FakeBackbone(), LABELS, settings, ids=IDS)
    extract_videos(good, tmp_path / "whole", FakeBackbone(), LABELS, settings, ids=IDS)
    before = tree(tmp_path / "s")
    with pytest.raises(DataError, match=r"windows.*none.*auto"):
        retry_videos(good, tmp_path / "s", FakeBackbone(), settings=SETTINGS)
    with pytest.raises(DataError, match=r"weights.*a.*b"):
        retry_videos(good, tmp_path / "s", FakeBackbone(weights="b"))
    with pytest.raises(UsageError, match="no video 'v9' to try again"):
        retry_videos(good, tmp_path / "s", FakeBackbone(), ids=["v0", "v9"])
    with pytest.raises(DataError, match="no store"):
        retry_videos(good, tmp_path / "nothing", FakeBackbone())
    assert tree(tmp_path / "s") == before
    retry_videos(good, tmp_path / "s", FakeBackbone(), ids=["v0"])
    assert set(statuses(tmp_path / "s")) == {"v2", "v3", "v4", "v5"}
    retry_videos(good, tmp_path / "s", FakeBackbone())
    assert tree(tmp_path / "s") == tree(tmp_path / "whole")


def test_a_store_that_is_half_filled_is_refused_and_can_be_filled(good: Path, bad: Path, tmp_path: Path) -> None:
    none, every = (ExtractSettings(shard_videos=2, windows=w) for w in ("none", "all"))
    extract_videos(bad, tmp_path / "s", FakeBackbone(), LABELS, none, ids=IDS)
    with pytest.raises(Interrupted):
        fill_store(bad, tmp_path / "s", FakeBackbone(), settings=every, stop=lambda: True)
    before = tree(tmp_path / "s")
    with pytest.raises(DataError, match="begun to be filled"):
        retry_videos(good, tmp_path / "s", FakeBackbone())
    assert tree(tmp_path / "s") == before
    fill_store(bad, tmp_path / "s", FakeBackbone(), settings=every)
    retry_videos(good, tmp_path / "s", FakeBackbone())
    extract_videos(good, tmp_path / "whole", FakeBackbone(), LABELS, every, ids=IDS)
    assert tree(tmp_path / "s") == tree(tmp_path / "whole")


def test_the_command(good: Path, bad: Path, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("\n".join(IDS))
    (tmp_path / "labels.txt").write_text("\n".join(LABELS))
    end = ["--no-calibration", "--ids", str(tmp_path / "ids.txt")]
    run = CliRunner().invoke
    for folder, store in ((bad, "s"), (good, "whole")):
        command = ["extract", str(folder), "--store", str(tmp_path / store), "--labels", str(tmp_path / "labels.txt")]
        done = run(main, [*command, *end, "--windows", "multiscale", "--shard-videos", "2"])
        said = f"2 missing, unreadable or failed: `avreplay extract ... --store {tmp_path / store} --retry` tries again"
        assert (said in done.stdout) is (store == "s")
    again = ["extract", str(good), "--store", str(tmp_path / "s"), "--retry"]
    refused = run(main, [*again, "--fill"])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "two steps" in refused.stderr
    estimate = run(main, [*again, "--estimate", "--json"])
    assert json.loads(estimate.stdout)["videos"] == 4
    done = run(main, again)  # neither labels nor windows are named: the store's own are kept
    assert done.exit_code == 0  # v2 has no sound, which is no failure
    assert "estimate for 4 videos" in done.stderr
    assert "4 new" in done.stdout
    assert "--retry" not in done.stdout
    assert tree(tmp_path / "s") == tree(tmp_path / "whole")


def test_what_is_no_extraction_is_refused(good: Path, tmp_path: Path) -> None:
    from avreplay.cache import import_bundle

    write_store(str(tmp_path / "made"), 16)
    import_bundle(open_store(tmp_path / "made").bundle(), tmp_path / "scores")
    with pytest.raises(UsageError, match="imported scores"):
        retry_videos(good, tmp_path / "scores", FakeBackbone())
