"""Several processes write one store: parts of its shards, on several nodes or devices."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest
from avreplay.cache import StoreWriter, open_store, verify_store
from avreplay.cli import main
from avreplay.core.errors import DataError, UsageError
from avreplay.extract import ExtractSettings, extract_videos
from avreplay.extract.writing.devices import Job, run_on_devices
from click.testing import CliRunner
from fake_backbone import FakeBackbone
from made_store import CONFIG, names, vocabulary, write_store
from made_store import video as made_video
from media_maker import write_media
from store_files import tree

LABELS = ("Dog", "Speech")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    for k in range(7):
        write_media(folder / f"v{k}.mp4", seconds=2 + k % 3, channels=1)
    (folder / "v7_text.mp4").write_text("no video")
    return folder


def test_parts_one_after_the_other_make_the_whole_store(world: Path, tmp_path: Path) -> None:
    extract_videos(world, tmp_path / "whole", FakeBackbone(), LABELS, ExtractSettings(shard_videos=2))
    for i in (3, 1, 2):
        settings = ExtractSettings(shard_videos=2, part=(i, 3))
        summary = extract_videos(world, tmp_path / "parts", FakeBackbone(), LABELS, settings)
        assert summary.new == {1: 4, 2: 2, 3: 2}[i]
        store = open_store(tmp_path / "parts")
        assert len(store.videos) == sum(len(store.plan[k]) for k in store.committed)
        assert store.bundle().num_videos == sum(r.has_data for r in store.videos)  # opens at any time
    assert tree(tmp_path / "parts") == tree(tmp_path / "whole")


_CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from avreplay.extract import ExtractSettings, extract_videos
from fake_backbone import FakeBackbone
i, n = map(int, sys.argv[4].split("/"))
extract_videos(sys.argv[2], sys.argv[3], FakeBackbone(delay=0.05), ["Dog", "Speech"],
               ExtractSettings(shard_videos=1, part=(i, n)))
"""


def test_two_processes_at_once(world: Path, tmp_path: Path) -> None:
    extract_videos(world, tmp_path / "whole", FakeBackbone(), LABELS, ExtractSettings(shard_videos=1))
    for trial in range(3):
        store = tmp_path / f"s{trial}"
        arguments = [sys.executable, "-c", _CHILD, str(Path(__file__).parent), str(world), str(store)]
        children = [subprocess.Popen([*arguments, f"{i}/2"]) for i in (1, 2)]
        assert [child.wait(120) for child in children] == [0, 0]
        assert tree(store) == tree(tmp_path / "whole")
        assert verify_store(store) == []


def test_who_may_write_beside_whom(tmp_path: Path) -> None:
    url = str(tmp_path / "s")
    write_store(url, 24)

    def open_part(part: tuple[int, int] | None) -> StoreWriter:
        return StoreWriter.open(url, CONFIG, names(40), shard_videos=8, part=part)

    with open_part((1, 2)):
        with pytest.raises(DataError, match=r"part 1/2 of .*another part"):
            open_part((1, 2))
        with pytest.raises(DataError, match="in 2 parts"):
            open_part((3, 3))
        with pytest.raises(DataError, match="another process is writing"):
            open_part(None)
        with open_part((2, 2)) as other:
            assert [i for i, _ in other.pending()] == [3]
        assert verify_store(url) == []  # locks are no part of the store
    assert not (tmp_path / "s" / ".locks").exists()
    with open_part(None), pytest.raises(DataError, match="another process is writing"):
        open_part((1, 2))
    (tmp_path / "s" / ".locks").mkdir()
    (tmp_path / "s" / ".locks" / "1-of-3").touch()  # its process was killed
    open_part((2, 2)).close()
    open_part((1, 2)).close()


def test_the_last_part_writes_the_scores_and_equal_labels_are_kept(tmp_path: Path) -> None:
    url = str(tmp_path / "s")
    for part, current in (((1, 2), False), ((2, 2), True)):
        with StoreWriter.open(url, CONFIG, names(16), shard_videos=8, part=part) as writer:
            for i, ids in writer.pending():
                writer.write_shard(i, [made_video(v) for v in ids])
            writer.set_vocabulary(vocabulary(seed=part[0]))  # the same labels with other embeddings
            writer.finish()
        assert open_store(url).scores_are_current() is current
    assert len(open_store(url).vocabulary_ids) == 1


def test_shards_are_dealt_evenly_unless_their_size_is_given() -> None:
    assert ExtractSettings().shard_size(1000) == 256
    assert ExtractSettings(part=(1, 4)).shard_size(1200) == 150
    assert ExtractSettings(part=(1, 4)).shard_size(1000) == 250
    assert ExtractSettings(part=(1, 4)).shard_size(3) == 1
    assert ExtractSettings(part=(1, 4), shard_videos=7).shard_size(1000) == 7
    for part in ((0, 2), (3, 2)):
        with pytest.raises(UsageError, match="from 1 to n"):
            ExtractSettings(part=part)


@pytest.mark.parametrize("fill", [False, True])
def test_a_process_for_each_device(world: Path, tmp_path: Path, fill: bool) -> None:
    settings = ExtractSettings(shard_videos=2)
    extract_videos(world, tmp_path / "whole", "demo", LABELS, settings)
    if fill:
        none = ExtractSettings(shard_videos=2, windows="none")
        extract_videos(world, tmp_path / "s", "demo", LABELS, none)
    job = Job((str(world),), str(tmp_path / "s"), "demo", {}, LABELS, settings, fill=fill)
    summary = run_on_devices(job, ["cpu", "cpu"])
    assert tree(tmp_path / "s") == tree(tmp_path / "whole")
    assert (summary.new, summary.processes) == (7 if fill else 8, 2)
    assert 0 < summary.encoder_busy <= 1
    assert not multiprocessing.active_children()


def test_an_error_in_a_process_is_the_commands_error(world: Path, tmp_path: Path) -> None:
    extract_videos(world, tmp_path / "s", FakeBackbone(), LABELS)
    common = ["extract", str(world), "--store", str(tmp_path / "s"), "--no-calibration"]
    refused = CliRunner().invoke(main, [*common, "--devices", "cpu,cpu"])
    assert refused.exit_code == 1
    assert "was made with another configuration" in refused.stderr
    refused = CliRunner().invoke(main, [*common, "--devices", "cuda:0,cuda:1"])
    assert refused.exit_code == 2
    assert "the backbone demo computes on the CPU only" in refused.stderr
    refused = CliRunner().invoke(main, [*common, "--shard", "1-4"])
    assert refused.exit_code == 2
    assert "not of the form i/n" in refused.stderr


def test_the_command_on_nodes_with_devices(world: Path, tmp_path: Path) -> None:
    for node in ("1/2", "2/2"):
        command = ["extract", str(world), "--store", str(tmp_path / "s"), "--shard", node, "--devices", "cpu,cpu"]
        done = CliRunner().invoke(main, [*command, "--json"])
        assert done.exit_code in (0, 1), done.output
    found = json.loads(done.stdout)
    assert found["videos"] == 8
    assert found["processes"] == 2
    store = open_store(tmp_path / "s")
    assert store.complete
    assert store.scores_are_current()
    assert [len(ids) for ids in store.plan] == [2, 2, 2, 2]  # four parts share eight videos
