"""Another backbone beside the first: a whole store inside the store, of the same videos and segments."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from avreplay.cache import import_bundle, open_store, verify_store
from avreplay.cli import main
from avreplay.core.errors import DataError, Interrupted, UsageError
from avreplay.extract import ExtractSettings, embed_labels, extract_videos
from avreplay.extract.writing.fill import fill_store
from avreplay.extract.writing.retry import retry_videos
from avreplay.extract.writing.second_backbone import add_backbone, plan_addition
from click.testing import CliRunner
from fake_backbone import FakeBackbone
from media_maker import write_media
from store_files import tree

LABELS = ("Dog", "Speech")
IDS = [*(f"v{k}" for k in range(5)), "gone"]
SMALL = {"shard_videos": 2}


class Other(FakeBackbone):
    """The second one: other rows, its own prompts."""

    name = "other"

    def __init__(self, weights: str = "a", delay: float = 0.0) -> None:
        super().__init__(8, weights, delay)

    def declaration(self) -> dict[str, Any]:
        return {"weights": self.weights, "options": {}}

    def prompts(self, labels, modality):  # type: ignore[no-untyped-def]
        return [f"other {modality}: {label}" for label in labels]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    for k, seconds in enumerate((3, 9, 2, 4)):
        write_media(folder / f"v{k}.mp4", seconds=seconds, fps=6, channels=0 if k == 2 else 1)
    (folder / "v4.mp4").write_text("no video")
    (folder / "extra.mp4").write_text("not asked for")
    return folder


def first(world: Path, store: Path | str, windows: str = "multiscale", **more: Any) -> None:
    settings = ExtractSettings(windows=windows, shard_videos=2, **more)
    extract_videos(world, store, FakeBackbone(), LABELS, settings, ids=IDS)


def alone(world: Path, store: Path, windows: str = "multiscale", **more: Any) -> dict[str, bytes]:
    """The bytes of an extraction with the second backbone into a store of its own."""
    settings = ExtractSettings(windows=windows, shard_videos=2, **more)
    extract_videos(world, store, Other(), LABELS, settings, ids=IDS)
    return tree(store)


def test_it_is_a_store_like_one_made_alone_and_the_first_stays_as_it_was(world: Path, tmp_path: Path) -> None:
    more = {"segment_seconds": 0.5, "frame_rule": "release", "dtype": "float32"}
    first(world, tmp_path / "s", **more)
    before = tree(tmp_path / "s")
    summary = add_backbone(world, tmp_path / "s", Other(), requested=SMALL)
    inside = tmp_path / "s/backbones/other"
    assert summary.store == str(inside)
    assert summary.counts == {"missing": 1, "no_audio": 1, "ok": 3, "unreadable": 1}
    assert tree(inside) == alone(world, tmp_path / "alone", **more)
    after = tree(tmp_path / "s")
    assert {name for name in before if after[name] != before[name]} == {"zarr.json"}  # it lists the inner store
    assert all(name.startswith("backbones/other/") for name in set(after) - set(before))
    store = open_store(tmp_path / "s")
    assert store.backbones == {"other": str(inside)}
    assert [r.id for r in open_store(inside).videos] == [r.id for r in store.videos]
    assert store.bundle().labels == open_store(inside).bundle().labels
    assert verify_store(tmp_path / "s") == []


def test_labels_are_the_first_ones_unless_others_are_given_or_there(world: Path, tmp_path: Path) -> None:
    first(world, tmp_path / "s")
    add_backbone(world, tmp_path / "s", Other(), requested=SMALL)
    inner = open_store(tmp_path / "s/backbones/other")
    assert inner.vocabulary is not None
    assert inner.vocabulary.visual_prompts == ("other visual: Dog", "other visual: Speech")
    add_backbone(world, tmp_path / "s", Other(), ("Rain",))
    assert open_store(inner.url).labels == ("Rain",)
    add_backbone(world, tmp_path / "s", Other())
    assert open_store(inner.url).labels == ("Rain",)
    assert open_store(tmp_path / "s").labels == LABELS


def test_the_same_command_goes_on_after_a_stop_and_changes_nothing_when_all_is_there(
    world: Path, tmp_path: Path
) -> None:
    first(world, tmp_path / "s")
    with pytest.raises(Interrupted, match=r"2 of 6 videos are in .*backbones/other"):
        add_backbone(world, tmp_path / "s", Other(), requested=SMALL, stop=lambda: True)
    assert verify_store(tmp_path / "s") == []
    assert json.loads(CliRunner().invoke(main, ["info", str(tmp_path / "s"), "--json"]).stdout)["complete"]
    assert add_backbone(world, tmp_path / "s", Other(), requested=SMALL).new == 4
    done = tree(tmp_path / "s/backbones/other")
    assert done == alone(world, tmp_path / "alone")
    idle = Other()
    assert add_backbone(world, tmp_path / "s", idle, requested=SMALL).new == 0
    assert idle.calls == []
    assert tree(tmp_path / "s/backbones/other") == done


def test_windows_are_as_asked_or_as_in_the_first_and_more_can_be_added(world: Path, tmp_path: Path) -> None:
    first(world, tmp_path / "s", "none")
    inside = tmp_path / "s/backbones/other"

    def add(**requested: Any) -> tuple[int, str]:
        new = add_backbone(world, tmp_path / "s", Other(), requested={**SMALL, **requested}).new
        return new, open_store(inside).config["windows"]

    assert add() == (6, "none")
    assert add(windows="multiscale") == (4, "multiscale")
    assert tree(inside) == alone(world, tmp_path / "multiscale")
    assert add() == (0, "multiscale")  # the first has fewer, which is not asked for
    with pytest.raises(UsageError, match="'none' are not more"):
        add(windows="none")
    fill_store(world, tmp_path / "s", FakeBackbone(), settings=ExtractSettings(windows="all"))
    assert add(windows="multiscale") == (0, "multiscale")
    assert add() == (2, "all")  # short videos have all windows before
    assert tree(inside) == alone(world, tmp_path / "all", "all")
    assert fill_store(world, inside, Other(), settings=ExtractSettings(windows="all")).new == 0


def test_windows_wait_until_all_videos_are_there(world: Path, tmp_path: Path) -> None:
    first(world, tmp_path / "s", "none")
    with pytest.raises(Interrupted):
        add_backbone(world, tmp_path / "s", Other(), requested=SMALL, stop=lambda: True)
    with pytest.raises(DataError, match="not finished and has the windows 'none'"):
        add_backbone(world, tmp_path / "s", Other(), requested={**SMALL, "windows": "all"})
    fill_store(world, tmp_path / "s", FakeBackbone(), settings=ExtractSettings(windows="all"))
    add_backbone(world, tmp_path / "s", Other(), requested=SMALL)  # finished as it was begun
    assert tree(tmp_path / "s/backbones/other") == alone(world, tmp_path / "alone", "none")


def test_videos_that_the_first_has_got_since_are_added(world: Path, tmp_path: Path) -> None:
    settings = ExtractSettings(shard_videos=2)
    extract_videos(world, tmp_path / "s", FakeBackbone(), LABELS, settings, ids=["v1", "v0"])
    add_backbone(world, tmp_path / "s", Other(), requested=SMALL)
    extract_videos(world, tmp_path / "s", FakeBackbone(), LABELS, settings, ids=["v3"])
    run = CliRunner().invoke
    assert not json.loads(run(main, ["info", str(tmp_path / "s"), "--json"]).stdout)["backbones"]["other"]["complete"]
    assert add_backbone(world, tmp_path / "s", Other(), requested=SMALL).new == 1
    assert [r.id for r in open_store(tmp_path / "s/backbones/other").videos] == ["v0", "v1", "v3"]
    assert json.loads(run(main, ["info", str(tmp_path / "s"), "--json"]).stdout)["backbones"]["other"]["complete"]


def test_what_cannot_be_is_refused_in_words(world: Path, tmp_path: Path) -> None:
    url = str(tmp_path / "s")
    first(world, url)
    with pytest.raises(UsageError, match="holds the embeddings of fake itself"):
        add_backbone(world, url, FakeBackbone())
    with pytest.raises(UsageError, match=r"segment_seconds is 2.0, and .* has 1.0"):
        add_backbone(world, url, Other(), requested={"segment_seconds": 2.0})
    with pytest.raises(UsageError, match="frame_rule is 'release'"):
        add_backbone(world, url, Other(), requested={"frame_rule": "release"})
    with pytest.raises(UsageError, match="leave the list of ids out"):
        plan_addition(url, "other", ids=IDS[1:])
    assert set(plan_addition(url, "other", ids=IDS).ids) == set(IDS)
    with pytest.raises(DataError, match="there is no store"):
        plan_addition(tmp_path / "nothing", "other")
    assert not (tmp_path / "s/backbones").exists()
    add_backbone(world, url, Other(), requested=SMALL)
    with pytest.raises(UsageError, match=r"lies inside the store .*/s; add third to that one"):
        plan_addition(f"{url}/backbones/other", "third")
    with pytest.raises(DataError, match=r"weights.*a.*b"):
        add_backbone(world, url, Other(weights="b"), requested=SMALL)
    import_bundle(open_store(url).bundle(), tmp_path / "scores")
    with pytest.raises(UsageError, match="imported scores"):
        plan_addition(tmp_path / "scores", "other")
    (tmp_path / "s/shards/00001/zarr.json").unlink()
    with pytest.raises(DataError, match="s is not finished; finish it first"):
        plan_addition(url, "other")


def test_something_else_in_its_place_is_not_touched(world: Path, tmp_path: Path) -> None:
    first(world, tmp_path / "s")
    inside = tmp_path / "s/backbones/other"
    extract_videos(world, inside, Other(), LABELS, ids=["v0", "stranger"])
    before = tree(inside)
    with pytest.raises(DataError, match="holds the video 'stranger', which the store around it does not have; move"):
        add_backbone(world, tmp_path / "s", Other())
    assert tree(inside) == before
    shutil.rmtree(inside)
    inside.mkdir()
    (inside / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="is not an avreplay store; move it elsewhere"):
        add_backbone(world, tmp_path / "s", Other())


def test_in_parts(world: Path, tmp_path: Path) -> None:
    first(world, tmp_path / "s", "none")
    inside = tmp_path / "s/backbones/other"
    for windows in ("none", "all"):
        for i in (3, 1, 2):
            add_backbone(world, tmp_path / "s", Other(), requested={**SMALL, "windows": windows, "part": (i, 3)})
            assert verify_store(tmp_path / "s") == []
        assert tree(inside) == alone(world, tmp_path / windows, windows)


_CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from avreplay.extract.writing.second_backbone import add_backbone
from test_second_backbone import Other, SMALL
add_backbone(sys.argv[2], sys.argv[3], Other(delay=0.2), requested=SMALL)
"""


@pytest.mark.parametrize("shards", [0, 1, 2])
def test_kill_9_while_adding(world: Path, tmp_path: Path, shards: int) -> None:
    first(world, tmp_path / "s")
    inside = tmp_path / "s/backbones/other"
    arguments = [str(Path(__file__).parent), str(world), str(tmp_path / "s")]
    child = subprocess.Popen([sys.executable, "-c", _CHILD, *arguments])
    seen = inside / f"shards/{shards - 1:05d}/zarr.json" if shards else inside
    deadline = time.monotonic() + 60
    while not seen.exists() and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait() in (0, -signal.SIGKILL)  # 0: it was faster
    assert [p for p in verify_store(tmp_path / "s") if not p.path.endswith(".partial")] == []
    assert open_store(tmp_path / "s").bundle().num_videos == 4
    add_backbone(world, tmp_path / "s", Other(), requested=SMALL)
    assert tree(inside) == alone(world, tmp_path / "alone")


def test_on_another_filesystem(world: Path, tmp_path: Path) -> None:
    url = f"memory://{tmp_path.name}/s"
    first(world, url)
    add_backbone(world, url, Other(), requested=SMALL)
    alone(world, tmp_path / "alone")
    inner = open_store(open_store(url).backbones["other"])
    assert inner.shard_digest() == open_store(tmp_path / "alone").shard_digest()
    assert verify_store(url) == []
    with pytest.raises(UsageError, match="lies inside the store memory://"):
        plan_addition(inner.url, "third")


def test_every_command_takes_the_inner_store(world: Path, tmp_path: Path) -> None:
    first(world, tmp_path / "s")
    add_backbone(world, tmp_path / "s", Other(), requested=SMALL)
    alone(world, tmp_path / "alone")
    inside = str(tmp_path / "s/backbones/other")
    truth = {
        "schema": "avreplay.annotations/1",
        "labels": list(LABELS),
        "split": "test",
        "videos": {
            f"v{k}": {"segments": n, "audio": [{"label": "Dog", "onset": 0, "offset": 1}], "visual": []}
            for k, n in enumerate((3, 9, 2, 4))
        },
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    run = CliRunner().invoke
    figures = []
    for store in (inside, str(tmp_path / "alone"), str(tmp_path / "s")):
        out = str(tmp_path / "p.json")
        assert run(main, ["replay", store, "--preset", "demo", "--set", "tau0=0.2", "--out", out]).exit_code == 0
        done = run(main, ["evaluate", out, "--dataset", "json", "--annotations", f"{tmp_path}/truth.json", "--json"])
        assert done.exit_code == 0, done.output
        figures.append((json.loads(done.stdout)["metrics"], json.loads(Path(out).read_text())["videos"]))
    assert figures[0] == figures[1]
    assert figures[0][1] != figures[2][1]
    assert open_store(inside).bundle().visual_clip.shape[1] == 8
    embed_labels(inside, ("Rain", "Dog"))
    assert open_store(inside).labels == ("Rain", "Dog")
    assert open_store(tmp_path / "s").labels == LABELS
    for command in ("info", "verify"):
        assert run(main, [command, inside]).exit_code == 0
    mended = tmp_path / "mended"
    shutil.copytree(world, mended)
    shutil.copy(world / "v0.mp4", mended / "v4.mp4")
    assert retry_videos(mended, inside, Other()).counts == {"missing": 1, "no_audio": 1, "ok": 4}
    assert verify_store(tmp_path / "s") == []


@pytest.mark.parametrize("devices", [[], ["--devices", "cpu,cpu"]])
def test_the_command(world: Path, tmp_path: Path, devices: list[str]) -> None:
    store = tmp_path / "s"
    first(world, store)
    common = ["extract", str(world), "--store", str(store), "--fill", "--backbone", "demo"]
    run = CliRunner().invoke
    estimate = run(main, [*common, "--estimate", "--json"])
    assert json.loads(estimate.stdout)["videos"] == 5  # one has no file
    assert json.loads(estimate.stdout)["windows"] == "multiscale"
    assert not (store / "backbones").exists()
    done = run(main, [*common, *devices, "--shard-videos", "2"])
    assert done.exit_code == 1, done.output  # one file is no video, one is missing
    assert f"{store}/backbones/demo: 6 videos (1 missing, 1 no_audio, 3 ok, 1 unreadable)" in done.stdout
    assert f"--store {store}/backbones/demo --retry" in done.stdout
    settings = ExtractSettings(windows="multiscale", shard_videos=2)
    extract_videos(world, tmp_path / "alone", "demo", LABELS, settings, ids=IDS)
    assert tree(store / "backbones/demo") == tree(tmp_path / "alone")
    shown = run(main, ["info", str(store)])
    assert f"backbone     demo: {store}/backbones/demo, 6 of 6 videos" in shown.stdout
    more = run(main, [*common, *devices, "--windows", "all"])
    assert "2 new" in more.stdout
    assert open_store(store / "backbones/demo").config["windows"] == "all"
    assert open_store(store).config["windows"] == "multiscale"
    again = ["extract", str(world), "--store", f"{store}/backbones/demo", "--backbone", "demo", "--fill"]
    assert "0 new" in run(main, [*again, "--windows", "all", "--no-calibration"]).stdout
    for wrong, words in (
        (["--backbone", "nonsense"], "no backbone 'nonsense'"),
        (["--backbone", "demo", "--segment-seconds", "2"], "segment_seconds is 2.0"),
        (["--backbone", "demo", "--retry"], "two steps"),
    ):
        refused = run(main, ["extract", str(world), "--store", str(store), "--fill", *wrong])
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert words in refused.stderr
    np.testing.assert_array_equal(
        open_store(store / "backbones/demo").embeddings()["segments_per_video"],
        open_store(store).embeddings()["segments_per_video"],
    )


def test_a_store_of_imported_scores_is_refused_by_the_command(world: Path, tmp_path: Path) -> None:
    first(world, tmp_path / "s")
    import_bundle(open_store(tmp_path / "s").bundle(), tmp_path / "scores", {"backbone": "someone's"})
    refused = CliRunner().invoke(main, ["extract", str(world), "--store", str(tmp_path / "scores"), "--fill"])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "holds imported scores; only the store of an extraction takes another backbone" in refused.stderr
