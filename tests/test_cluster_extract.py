"""Extraction on a Ray cluster of three nodes on loopback: the bytes of one machine, whatever is lost on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import fsspec
import pytest
from avreplay.cache import open_store, verify_store
from avreplay.cache.cluster import connect
from avreplay.cache.computed_rows import ComputedRows
from avreplay.cli import main
from avreplay.core.errors import DataError, UsageError
from avreplay.extract import ExtractSettings, embed_labels, extract_videos
from avreplay.extract.cluster import scores
from avreplay.extract.cluster.command import job_encoders
from avreplay.extract.media.find_videos import find_videos
from avreplay.extract.writing.devices import Job
from click.testing import CliRunner, Result
from fake_backbone import FakeBackbone
from media_maker import write_media
from ray_nodes import Nodes, nodes_on_loopback
from s3_server import BUCKET, S3Server
from store_files import tree

pytestmark = pytest.mark.slow

TESTS = str(Path(__file__).parent)
SECONDS = 240
"""Long enough for a machine with much else to do."""


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with nodes_on_loopback(3) as found, connect(found.address):  # commands in this process use the connection
        yield found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    for k in range(7):
        write_media(folder / f"v{k}.mp4", seconds=2 + k % 3, channels=1)
    (folder / "v7_text.mp4").write_text("no video")
    (folder / "labels.txt").write_text("Dog\nSpeech\n")
    return folder


@pytest.fixture(scope="module")
def whole(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store that one machine makes."""
    store = tmp_path_factory.mktemp("whole") / "s"
    extract_videos(world, store, "demo", ("Dog", "Speech"), ExtractSettings(shard_videos=2))
    return store


def arguments(nodes: Nodes, world: Path, store: object, *more: str, shard: int = 2) -> list[str]:
    how = ["--ray", nodes.address, "--shard-videos", str(shard), "--labels", str(world / "labels.txt")]
    return ["extract", str(world), "-o", str(store), *how, *more]


def run(nodes: Nodes, world: Path, store: object, *more: str) -> Result:
    return CliRunner().invoke(main, arguments(nodes, world, store, *more))


def test_the_bytes_of_one_machine_and_the_share_of_time_of_each_encoder(
    nodes: Nodes, world: Path, whole: Path, tmp_path: Path
) -> None:
    done = run(nodes, world, tmp_path / "s", "--json")
    assert done.exit_code == 1, done.output  # a video without data, as on one machine
    found = json.loads(done.stdout)
    assert tree(tmp_path / "s") == tree(whole)
    assert sum(one["shards"] for one in found["encoders"]) == 4
    assert all(0 <= one["busy"] <= 1 and one["node"].startswith("node ") for one in found["encoders"])
    assert (found["new"], found["processes"]) == (8, len(found["encoders"]))
    assert 0 < found["encoder_busy"] <= 1
    again = run(nodes, world, tmp_path / "s", "--check")
    assert "0 new" in again.stdout
    assert "8 from earlier runs" in again.stdout
    assert "zero-shot check" in again.stderr


def test_videos_are_decoded_on_the_free_processors_of_other_nodes(nodes: Nodes, world: Path, tmp_path: Path) -> None:
    labels = ("Dog", "Speech")
    extract_videos(world, tmp_path / "one", "demo", labels, ExtractSettings(shard_videos=8))
    job = Job((str(world),), str(tmp_path / "s"), "demo", {}, labels, ExtractSettings(shard_videos=8))
    with job_encoders(nodes.address, (), job, find_videos(world)) as encoders:
        (share,) = job.run(encoders).encoders  # one shard, one encoder: two of the three nodes are free
    assert share.decoded_elsewhere >= 1
    assert tree(tmp_path / "s") == tree(tmp_path / "one")


def test_what_a_killed_node_had_in_hand_is_done_again_elsewhere(nodes: Nodes, world: Path, tmp_path: Path) -> None:
    settings, labels = ExtractSettings(shard_videos=1), ("Dog", "Speech")
    extract_videos(world, tmp_path / "one", FakeBackbone(), labels, settings)
    slow = {"delay": 0.1}
    job = Job((str(world),), str(tmp_path / "s"), "fake_backbone:FakeBackbone", slow, labels, settings)
    lost: list[str] = []

    with job_encoders(nodes.address, (), job, find_videos(world)) as encoders:

        def between_shards() -> bool:
            working = [worker for worker in encoders._pool.workers if worker.hand]
            if working and not lost:
                lost.append(working[-1].node.name)
                nodes.kill(lost[0])
            return False

        summary = job.run(encoders, stop=between_shards)
    assert lost
    assert (summary.new, summary.videos) == (8, 8)
    assert tree(tmp_path / "s") == tree(tmp_path / "one")
    assert verify_store(tmp_path / "s") == []
    nodes.keep(3)


def test_a_killed_driver_loses_nothing_committed_and_sigterm_ends_after_a_shard(
    nodes: Nodes, world: Path, tmp_path: Path
) -> None:
    extract_videos(world, tmp_path / "one", FakeBackbone(), ("Dog", "Speech"), ExtractSettings(shard_videos=1))
    slow = ["--backbone", "fake_backbone:FakeBackbone", "--backbone-option", "delay=1"]
    command = [sys.executable, "-m", "avreplay", *arguments(nodes, world, tmp_path / "s", *slow, shard=1)]
    environment = {**os.environ, "PYTHONPATH": TESTS}

    def until_stopped(number: signal.Signals, shards: int) -> tuple[int, str]:
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        wait_for(lambda: len(list((tmp_path / "s").glob("shards/*/zarr.json"))) >= shards, process)
        process.send_signal(number)
        said = process.communicate(timeout=SECONDS)
        return process.returncode, said[1]

    assert until_stopped(signal.SIGKILL, 1)[0] == -signal.SIGKILL
    kept = len(open_store(tmp_path / "s").committed)
    assert kept >= 1
    code, said = until_stopped(signal.SIGTERM, kept + 1)
    assert code == 130, said
    assert "run the same command again to do the rest" in said
    assert "Traceback" not in said
    assert "raylet" not in said
    last = run(nodes, world, tmp_path / "s", *slow[:2], "--json")
    assert json.loads(last.stdout)["resumed"] >= kept + 1
    assert tree(tmp_path / "s") == tree(tmp_path / "one")


def wait_for(found: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + SECONDS
    while not found():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "nothing was committed"
        time.sleep(0.05)


def test_a_store_on_an_object_store(nodes: Nodes, world: Path, whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = S3Server()
    try:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        done = run(nodes, world, f"s3://{BUCKET}/s")  # only this process speaks to the server
        assert done.exit_code == 1, done.output
        assert server.objects("s") == tree(whole)
    finally:
        server.stop()


def test_windows_are_filled_videos_tried_again_and_labels_changed(
    nodes: Nodes, world: Path, whole: Path, tmp_path: Path
) -> None:
    run(nodes, world, tmp_path / "s", "--windows", "none")
    filled = run(nodes, world, tmp_path / "s", "--fill", "--windows", "auto")
    assert filled.exit_code == 1, filled.output
    assert tree(tmp_path / "s") == tree(whole)
    tried = run(nodes, world, tmp_path / "s", "--retry")
    assert tried.exit_code == 1, tried.output
    assert tree(tmp_path / "s") == tree(whole)
    (tmp_path / "new.txt").write_text("Rain\nWind\n")
    embed = ["embed-text", str(tmp_path / "s"), "--labels", str(tmp_path / "new.txt"), "--ray", nodes.address]
    assert CliRunner().invoke(main, embed).exit_code == 0
    extract_videos(world, tmp_path / "one", "demo", ("Dog", "Speech"), ExtractSettings(shard_videos=2))
    embed_labels(tmp_path / "one", ["Rain", "Wind"])
    assert tree(tmp_path / "s") == tree(tmp_path / "one")


@pytest.mark.parametrize("seen", [True, False])
def test_scores_of_new_labels_are_computed_by_the_nodes_that_see_the_store(
    nodes: Nodes, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: bool
) -> None:
    for name in ("one", "nodes"):
        shutil.copytree(whole, tmp_path / name)
    embed_labels(tmp_path / "one", ["Rain", "Wind", "Bell"])
    (tmp_path / "new.txt").write_text("Rain\nWind\nBell\n")
    read: list[Sequence[str] | None] = []
    real = ComputedRows.read

    def here(rows: ComputedRows, runs: Any, names: Sequence[str] | None = None) -> Any:
        read.append(names)
        return real(rows, runs, names)

    monkeypatch.setattr(ComputedRows, "read", here)
    if not seen:

        def refuse(*_: Any) -> None:
            raise DataError("node0 does not see it")

        monkeypatch.setattr(scores, "check_store", refuse)
    embed = ["embed-text", str(tmp_path / "nodes"), "--labels", str(tmp_path / "new.txt"), "--ray", nodes.address]
    done = CliRunner().invoke(main, embed)
    assert done.exit_code == 0, done.output
    assert ("computed on this machine alone: node0 does not see it" in done.output) == (not seen)
    assert any(names != () for names in read) == (not seen)
    assert tree(tmp_path / "nodes") == tree(tmp_path / "one")
    assert verify_store(tmp_path / "nodes") == []


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (("--ray-encoder", "gpus=1"), 1, "no node of the cluster has 1 GPUs, 1 CPUs for an encoder: node"),
        (("--ray-encoder", "memory=900TB"), 1, "no node of the cluster has"),
        (("--ray-encoder", "gpus=many"), 2, "gpus=many is no amount"),
        (("--ray-encoder", "discs=1"), 2, "an encoder has no need 'discs'"),
        (("--backbone-option", "colour=red"), 2, "backbone 'demo' has no option 'colour'"),
        (("--estimate",), 2, "leave --ray out"),
        (("--video-reader", "auto"), 2, "name the reader"),
        (("--devices", "cpu,cpu"), 2, "name one device"),
    ],
)
def test_what_cannot_work_is_one_sentence(
    nodes: Nodes, world: Path, tmp_path: Path, more: tuple[str, ...], code: int, words: str
) -> None:
    done = run(nodes, world, tmp_path / "s", *more)
    assert (done.exit_code, done.stdout) == (code, "")
    assert words in done.stderr
    assert done.stderr.count("Error: ") == 1
    assert not (tmp_path / "s").exists()


def test_a_node_without_the_backbone_or_the_videos_is_named(
    nodes: Nodes, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    source = tmp_path / "only_here.py"
    source.write_text("from fake_backbone import FakeBackbone\n\n\nclass Here(FakeBackbone):\n    pass\n")
    __import__("only_here")
    source.unlink()  # now this process alone knows the class
    lacking = run(nodes, world, tmp_path / "s", "--backbone", "only_here:Here")
    assert lacking.exit_code == 2, lacking.output
    assert "node node" in lacking.stderr
    assert "only_here" in lacking.stderr
    own = f"/proc/self/task/{os.getpid()}"  # a folder that every process has for itself
    unseen = Job((own,), str(tmp_path / "s"), "demo", {}, ("Dog",), ExtractSettings())
    with (
        pytest.raises(DataError, match=r"node node.* does not see the folder /proc/self/task/\d+, which this"),
        job_encoders(nodes.address, (), unseen, find_videos(world)),
    ):
        pass
    assert not (tmp_path / "s").exists()


def test_needs_of_an_encoder_follow_the_device() -> None:
    from avreplay.cache.cluster import Need, Node
    from avreplay.extract.cluster.needs import EncoderNeeds

    gpu, cpu = (Node("a" * 8, "big", "10.0.0.1", 32, 4, 10**11), Node("b" * 8, "small", "10.0.0.2", 8, 0, 10**10))

    def of(*pairs: str, node: Node = gpu, **options: Any) -> list[Need]:
        return EncoderNeeds.parse(pairs).with_device(options, True, [gpu, cpu]).of(node)

    assert of() == [Need(8, 1)] * 4
    assert of(node=cpu) == []  # where there are GPUs, processors help to decode
    assert of(device="cpu") == [Need(32, 0)]
    assert of(device="cpu", node=cpu) == [Need(8, 0)]
    assert of("gpus=0.5") == [Need(4, 0.5)] * 8
    assert of("gpus=1", "cpus=16") == [Need(16, 1)] * 2
    assert of("gpus=1", "memory=40GB") == [Need(16, 1, 40 * 10**9)] * 2
    with pytest.raises(UsageError, match="write cuda instead of cuda:1"):
        of(device="cuda:1")
