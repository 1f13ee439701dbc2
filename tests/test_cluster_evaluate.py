"""Replay and search on a Ray cluster of nodes on loopback: the bytes of one machine, whatever is lost on the way."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import pytest
from avreplay.cache.cluster import Node, Pool, connect, connection
from avreplay.cli import main
from avreplay.evaluate import replay_files
from avreplay.evaluate.cluster import replaying, searching
from avreplay.evaluate.cluster.inputs import NodeSource, worker_needs
from avreplay.evaluate.cluster.scorer import EventsWork
from avreplay.evaluate.files.predictions_writer import prediction_writer
from avreplay.evaluate.replay import ReplayResult
from avreplay.evaluate.tuning.study_log import STUDY_LOG, STUDY_STATE
from click.testing import CliRunner, Result
from killed_tune import killed_tune
from made_store import write_store
from ray_nodes import Nodes, nodes_on_loopback
from s3_server import BUCKET, S3Server
from store_files import tree
from tuning_data import write_made

pytestmark = pytest.mark.slow
# one node until tests ask for three, so that workers of three are started for a few tests only

SETTINGS = ("--set", "score_norm=sigmoid", "--set", "tau0=0.4")
BLOCKS = ("--memory", "14kB")
"""So little that the store below is read a few videos at a time."""


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    found = S3Server()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in found.environment.items():
            patch.setenv(name, value)
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        yield found
    found.stop()


@pytest.fixture(scope="module")
def nodes(server: S3Server) -> Iterator[Nodes]:
    """Nodes that reach the object store, too, as their environment is that of this process."""
    with nodes_on_loopback(1) as found, connect(found.address):  # commands in this process use the connection
        yield found


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("store") / "made.store"
    write_store(str(place), 120)
    return place


def run(*given: object, code: int = 0) -> Result:
    done = CliRunner().invoke(main, [str(a) for a in given])
    assert done.exit_code == code, done.output
    return done


SEARCHES = {
    "sobol-local": ("--trials", 48, "--search", "tau0=0.3:0.7", "--search", "tau_f=0.1:0.6", "--folds", 3),
    "grid": ("--points", 4, "--search", "tau0=0.3:0.7", "--search", "alpha=0,0.5,1", "--folds", 2),
    "random": ("--trials", 12, "--batch", 6, "--search", "tau0=0.3:0.7", "--folds", 2),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Imported scores and annotations of two splits."""
    folder = tmp_path_factory.mktemp("files")
    write_made(folder, 0, 24, "val")
    write_made(folder, 1, 15, "test")
    return folder


def search_of(made: Path, out: Path, *more: object) -> tuple[object, ...]:
    about = ("--dataset", "json", "--annotations", made / "val.json", "--set", "audio_scores=segment")
    report = ("--report-store", made / "test.store", "--report-annotations", made / "test.json", "--resamples", 20)
    return made / "val.store", *about, *report, "--out", out, *more


def tuned(made: Path, out: Path, *more: object) -> dict[str, bytes]:
    """What a search leaves that does not say how long it took."""
    run("tune", *search_of(made, out, *more))
    return left_by_search(out)


def left_by_search(out: Path) -> dict[str, bytes]:
    of_time = {"timing.json", STUDY_LOG, STUDY_STATE}
    found = {name: data for name, data in tree(out).items() if Path(name).name not in of_time}
    return {name: data.replace(str(out).encode(), b"") for name, data in found.items()}


def kill_in_the_middle(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    """End a node when it is about to get work, after others have got some."""
    free, left = Pool._free, iter(range(6))

    def killing(pool: Pool[Any, Any], waiting: int) -> Any:
        worker = free(pool, waiting)
        if worker is not None and next(left, None) == 5:
            nodes.kill(worker.node.name)
        return worker

    monkeypatch.setattr(Pool, "_free", killing)


def test_a_node_that_lacks_something_is_named(
    nodes: Nodes, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    source = tmp_path / "decoder_only_here.py"
    source.write_text(PLUGIN)
    decoder = ("--decoder", "decoder_only_here:OnlyHere", "--ray", nodes.address)
    run("replay", store, *decoder)  # workers look where the command does

    def refused(*given: object, code: int) -> str:
        said = run("replay", *given, code=code).stderr
        assert len(re.findall("^Error: ", said, re.MULTILINE)) == 1
        return said.partition("Error: ")[2]

    with monkeypatch.context() as patch:
        patch.setattr(replaying, "code_of", lambda item: "of another version")
        said = refused(store, *decoder, code=1)
    assert re.match(r"node \S+ \(.*\) has another version of the plug-in of the decoder than this machine; ", said)
    source.unlink()  # from now on this process alone knows the class
    said = refused(store, *decoder, code=2)
    assert re.match(
        r"node \S+ \(.*\): the decoder 'decoder_only_here:OnlyHere' cannot be used .*; every node needs the", said
    )
    write_store("memory://cluster/only-here", 8)
    said = refused("memory://cluster/only-here", *SETTINGS, "--ray", nodes.address, code=1)
    assert re.match(r"node \S+ \(.*\) does not see the store memory://cluster/only-here that this machine sees", said)
    with monkeypatch.context() as patch:
        other = tmp_path / "other.store"
        write_store(str(other), 9)
        opened = NodeSource.open
        patch.setattr(NodeSource, "open", lambda source: opened(replace(source, urls=(str(other),))))
        said = refused(store, *SETTINGS, "--ray", nodes.address, code=1)
    assert re.match(rf"node \S+ \(.*\) finds another store at {store} than this machine", said)


PLUGIN = """
from avreplay.core.decoders.base import Decoder
from avreplay.core.events import Events
from avreplay.core.params.options import OptionSet, option, option_set

@option_set
class Options(OptionSet):
    odds: float = option(0.5, "Odds.")

class OnlyHere(Decoder):
    name = "decoder_only_here"
    params = Options

    def decode(self, inputs, params):
        return Events.from_tracks([[[], [], []]] * inputs.scores.num_videos)
"""


def test_stores_on_an_object_store(nodes: Nodes, store: Path, made: Path, tmp_path: Path) -> None:
    for folder, name in ((store, "scores"), (made / "val.store", "val.store")):
        fsspec.filesystem("s3").put(f"{folder}/", f"{BUCKET}/{name}", recursive=True)
    run("replay", store, *SETTINGS, "--out", tmp_path / "here.json")
    remote = ("replay", f"s3://{BUCKET}/scores", *SETTINGS, *BLOCKS, "--ray", nodes.address)
    run(*remote, "--out", tmp_path / "there.json")
    here, there = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("here", "there"))
    assert here["videos"] == there["videos"]
    few = ("--trials", 8, "--search", "tau0=0.3:0.7", "--folds", 0, "--dataset", "json")
    files = ("--annotations", made / "val.json", "--report-split", "", "--set", "audio_scores=segment")
    run("tune", made / "val.store", *files, *few, "--out", tmp_path / "one")
    run("tune", f"s3://{BUCKET}/val.store", *files, *few, "--out", tmp_path / "many", "--ray", nodes.address)
    assert (tmp_path / "many/trials.csv").read_bytes() == (tmp_path / "one/trials.csv").read_bytes()


def test_no_cluster_leaves_nothing(made: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_is_connected", lambda address: False)
    tune = ("tune", made / "val.store", "--dataset", "json", "--annotations", made / "val.json")
    tune += ("--search", "tau0=0.3:0.7")
    other = ("--report-annotations", made / "test.json", "--report-store", made / "test.store")
    board = ("leaderboard", *tune[1:-2], *other)
    for given in (tune, board, ("replay", store, *SETTINGS)):
        said = run(*given, "--out", tmp_path / "out", "--ray", "127.0.0.1:1", code=1).stderr
        assert "Error: there is no Ray cluster at 127.0.0.1:1 (Connection refused)" in said
        assert not (tmp_path / "out").exists()


def test_one_setting_for_several_stores(nodes: Nodes, made: Path, tmp_path: Path) -> None:
    about = ("--dataset", "json", "--annotations", made / "val.json", "--annotations", made / "test.json")
    about += ("--split", "val", "--split", "test", "--set", "audio_scores=segment", "--search", "tau0=0.3:0.7")
    about += ("--report-split", "", "--trials", 16, "--folds", 2, "--resamples", 20)
    for name, more in (("here", ()), ("nodes", ("--ray", nodes.address))):
        run("tune", made / "val.store", made / "test.store", *about, "--out", tmp_path / name, *more)
    assert left_by_search(tmp_path / "nodes") == left_by_search(tmp_path / "here")


BOARD_PLUGIN = """
from avreplay.core.decoders.base import Decoder
from avreplay.core.events import Events
from avreplay.core.params.options import OptionSet, option, option_set

@option_set
class Level(OptionSet):
    level: float = option(0.5, "Level.", low=0.0, high=1.0)

class OnlyHalf(Decoder):
    name = "only_half"
    params = Level

    def search_space(self):
        return ("level=0.2:0.8:0.1",)

    def decode(self, inputs, params):
        if params.level != 0.5:
            raise ValueError("only half")
        return Events.from_tracks([[[], [], []]] * inputs.scores.num_videos)
"""


def test_a_leaderboard_has_the_bytes_of_one_machine(
    nodes: Nodes, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a decoder that fails while it is searched, too."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "board_plugin.py").write_text(BOARD_PLUGIN)
    monkeypatch.setattr(searching, "FEWEST_PAIRS", 1)
    about = ("--dataset", "json", "--annotations", made / "val.json", "--report-annotations", made / "test.json")
    about += ("--report-store", made / "test.store", "--budget", 24, "--bootstrap", 20)
    about += ("--decoders", "av2a,threshold,av2a:naive_demo,board_plugin:OnlyHalf")
    left = []
    for name, more in (("here", ()), ("nodes", ("--ray", nodes.address))):
        run("leaderboard", made / "val.store", *about, "--out", tmp_path / name, *more)
        left.append({k: v for k, v in left_by_search(tmp_path / name).items() if k != "timing.html"})
    assert left[0] == left[1]
    rows = json.loads(left[0]["leaderboard.json"])["rows"]
    assert [row["tuned"] for row in rows] == [True, True, False, False]
    assert "not tuned, its start is reported: the decoder" in " ".join(rows[3]["notes"])


def test_parquet_parts_of_an_interrupted_replay_are_kept(
    nodes: Nodes, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_files, "prediction_writer", partial(prediction_writer, part_videos=20))
    given, on_nodes = ("replay", store, *SETTINGS, "--json", "--out"), ("--ray", nodes.address, *BLOCKS)
    wanted = json.loads(run(*given, f"{tmp_path}/here.parquet/").stdout)["events"]
    out = tmp_path / "nodes.parquet"
    with monkeypatch.context() as patch:
        left = iter(range(50))
        add = replay_files.Counted.add

        def interrupted(counted: replay_files.Counted, result: ReplayResult) -> None:
            if next(left) == 15:
                raise KeyboardInterrupt
            add(counted, result)

        patch.setattr(replay_files.Counted, "add", interrupted)
        run(*given, f"{out}/", *on_nodes, code=130)
    kept = {part.name: part.stat().st_mtime_ns for part in out.iterdir()}
    assert 1 <= len(kept) < len(list((tmp_path / "here.parquet").iterdir()))
    assert json.loads(run(*given, f"{out}/", *on_nodes).stdout)["events"] == wanted
    assert tree(out) == tree(tmp_path / "here.parquet")
    assert {name: (out / name).stat().st_mtime_ns for name in kept} == kept


@pytest.mark.parametrize("sampler", ["random", "grid", "sobol-local"])
def test_a_search_finds_what_it_finds_on_one_machine(
    nodes: Nodes, made: Path, tmp_path: Path, sampler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--sampler", sampler, *SEARCHES[sampler])
    wanted = tuned(made, tmp_path / "here", *options)
    assert {"best.toml", "trials.csv", "summary.json"} <= set(wanted)
    if sampler == "sobol-local":
        nodes.keep(3)
    monkeypatch.setattr(searching, "FEWEST_PAIRS", 1)
    assert tuned(made, tmp_path / "nodes", *options, "--ray", nodes.address) == wanted


def test_a_search_whose_command_is_killed_goes_on_to_the_same_bytes(nodes: Nodes, made: Path, tmp_path: Path) -> None:
    options = SEARCHES["sobol-local"]
    wanted = tuned(made, tmp_path / "here", *options)
    out = tmp_path / "nodes"
    on_nodes = (*options, "--ray", nodes.address)
    killed_tune("part", *search_of(made, out, *on_nodes), passes=2)
    assert 0 < json.loads((out / "search.json").read_text())["done"] < 48
    killed_tune("folds", *search_of(made, out, *on_nodes))
    assert json.loads((out / "search.json").read_text())["done"] == 48
    assert tuned(made, out, *on_nodes) == wanted


def test_a_search_goes_on_elsewhere_and_reads_stores_that_memory_does_not_hold(
    nodes: Nodes, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--search", "tau0=0.3:0.7", "--folds", 2, "--memory", "12kB")
    wanted = tuned(made, tmp_path / "here", *options, "--trials", 40)
    tuned(made, tmp_path / "nodes", *options, "--trials", 20)
    nodes.keep(3)
    kill_in_the_middle(nodes, monkeypatch)
    sent = []

    def work(*given: Any) -> EventsWork:
        sent.append(EventsWork(*given))
        return sent[-1]

    monkeypatch.setattr(searching, "EventsWork", work)
    before = set(nodes.names)
    assert tuned(made, tmp_path / "nodes", *options, "--trials", 40, "--ray", nodes.address) == wanted
    assert len(sent) > 20
    assert len(before - set(nodes.names)) == 1
    nodes.keep(3)


def test_replay_has_the_bytes_of_one_machine_also_where_a_node_is_lost(
    nodes: Nodes, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replayed(name: str, *more: object) -> tuple[str, bytes, bytes]:
        monkeypatch.chdir(tmp_path)
        Path(name).mkdir()
        out, trace = f"{name}/p.json", f"{name}/t.npz"
        said = run("replay", os.path.relpath(store), *SETTINGS, "--out", out, "--trace", trace, "--json", *more).stdout
        return said.replace(f'"{name}/', '"'), Path(out).read_bytes(), Path(trace).read_bytes()

    wanted = replayed("here")
    assert replayed("one-node", "--ray", nodes.address, "--threads", "2") == wanted
    nodes.keep(3)
    kill_in_the_middle(nodes, monkeypatch)
    before = set(nodes.names)
    assert replayed("three-nodes", "--ray", nodes.address, *BLOCKS) == wanted
    assert len(before - set(nodes.names)) == 1
    nodes.keep(3)


def test_workers_of_a_node_share_its_processors() -> None:
    small, large = (Node(name * 8, name, "10.0.0.1", cpus, 0, 10**10) for name, cpus in (("a", 3.0), ("b", 16.0)))
    assert [n.cpus for n in worker_needs(None)(large)] == [16]
    assert [n.cpus for n in worker_needs(4)(large)] == [4] * 4
    assert [n.cpus for n in worker_needs(4)(small)] == [3]
    assert worker_needs(None)(Node("c" * 8, "c", "10.0.0.3", 0, 0, 10**10)) == []
