"""What any command uses of a Ray cluster: nodes that come and go, bounded work, and clusters that are none."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from avreplay.cache.cluster import Cluster, Need, Node, Pool, check_paths, check_store, connect, connection
from avreplay.core.errors import DataError, UsageError
from made_store import write_store
from ray_nodes import Nodes, nodes_on_loopback

pytestmark = [pytest.mark.slow, pytest.mark.process]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with nodes_on_loopback(2) as found:
        yield found


@pytest.fixture(scope="module")
def cluster(nodes: Nodes) -> Iterator[Cluster]:
    with connect(nodes.address) as found:
        yield found


class Squares:
    """A worker; ``deadly`` is the unit at which its process ends."""

    def __init__(self, deadly: int = -1) -> None:
        self.facts = {"process": os.getpid()}
        self._deadly = deadly

    def __call__(self, unit: int) -> int:
        if unit == self._deadly:
            os._exit(1)
        if unit == 13:
            raise DataError("13 brings bad luck")
        return unit * unit

    def name(self) -> str:
        return "squares"

    def process(self) -> int:
        return os.getpid()

    def end(self) -> None:
        os._exit(1)


def one(node: Node) -> list[Need]:
    return [Need()] * int(node.cpus)


def test_results_come_in_order_and_no_more_are_in_hand_than_said(cluster: Cluster) -> None:
    taken = 0

    def units() -> Iterator[tuple[int, int]]:
        nonlocal taken
        for k in range(13):
            taken += 1
            yield k, k

    with Pool[int, int](cluster, Squares, (), one, ahead=2) as pool:
        pool.begin()
        assert pool.answer("name") == "squares"
        for place, (key, value) in enumerate(pool.results(units(), in_order=True)):
            assert (key, value) == (place, place * place)
            assert taken <= place + 1 + 2 * 2 * 2
        assert sorted(pool.results((k, k) for k in (5, 7))) == [(5, 25), (7, 49)]
        with pytest.raises(DataError, match=r"^node node\d \(.*\): 13 brings bad luck$"):
            list(pool.results([(13, 13)]))


def test_a_unit_that_ends_its_process_each_time_is_given_up(cluster: Cluster) -> None:
    with Pool[int, int](cluster, Squares, (3,), one) as pool:
        pool.begin()
        with pytest.raises(DataError, match=r"the work on 3 was lost 3 times .* what was committed is kept"):
            list(pool.results((k, k) for k in range(6)))


def test_what_a_lost_worker_was_asked_another_one_answers(cluster: Cluster) -> None:
    with Pool[int, int](cluster, Squares, (), one) as pool:
        first = pool.begin()
        os.kill(pool.answer("process"), signal.SIGKILL)
        assert pool.answer("name") == "squares"
        assert first not in pool.workers
        with pytest.raises(DataError, match=r"^3 workers were lost while they were asked, the last one with node "):
            pool.answer("end")
        assert pool.answer("name") == "squares"  # new ones were started


def test_a_node_that_joins_gets_work_and_one_that_leaves_costs_nothing(cluster: Cluster, nodes: Nodes) -> None:
    def units() -> Iterator[tuple[int, int]]:
        end, k = time.monotonic() + 240, 20
        while not any(worker.count for worker in pool.workers if worker.node.name == "late"):
            assert time.monotonic() < end, "the node got no work"
            yield k, k
            k += 1
        nodes.kill("late")
        yield from ((other, other) for other in range(k, k + 10))

    with Pool[int, int](cluster, Squares, (), one) as pool:
        pool.begin()
        nodes.add("late")
        found = list(pool.results(units()))
    assert sorted(found) == [(20 + k, (20 + k) ** 2) for k in range(len(found))]


def test_a_store_or_a_folder_that_only_this_process_sees(cluster: Cluster, tmp_path: Path) -> None:
    write_store(str(tmp_path / "s"), 8)
    before = sorted(tmp_path.rglob("*"))
    check_store(cluster.nodes(), str(tmp_path / "s"))
    assert sorted(tmp_path.rglob("*")) == before
    write_store("memory://cluster/s", 8)
    with pytest.raises(DataError, match=r"^node .* does not see the store memory://cluster/s that this machine sees"):
        check_store(cluster.nodes(), "memory://cluster/s")
    (tmp_path / "file").write_text("abc")
    check_paths(cluster.nodes(), [(str(tmp_path), None), (str(tmp_path / "file"), 3)])
    with pytest.raises(DataError, match=r"^node .* has another file at .*file, which this machine has"):
        check_paths(cluster.nodes(), [(str(tmp_path / "file"), 4)])


def test_a_node_with_another_version_is_named(nodes: Nodes, tmp_path: Path) -> None:
    package = tmp_path / "avreplay"
    package.mkdir()
    (package / "__init__.py").write_text("__version__ = '0.0.1'\n")
    nodes.add("old", env_vars={"PYTHONPATH": str(tmp_path)})
    try:
        with pytest.raises(DataError, match=r"^node old \(.*\) has avreplay 0\.0\.1, and this process has "):  # noqa: SIM117
            with connect(nodes.address):
                pass
    finally:
        nodes.leave("old")


def test_no_cluster_is_one_sentence_at_once(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 5.0)
    monkeypatch.setattr(connection, "_is_connected", lambda address: False)
    with socket.socket() as silent, socket.socket() as free:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        free.bind(("127.0.0.1", 0))
        for address, words in (
            (f"127.0.0.1:{free.getsockname()[1]}", "Connection refused"),
            (f"127.0.0.1:{silent.getsockname()[1]}", "gives no answer within 5 s"),
        ):
            with pytest.raises(DataError, match=f"^there is no Ray cluster at {address} .*{words}"), connect(address):
                pass
    for address in ("", "host", "host:0", "host:99999", "ray://host:10001", "a b:1"):
        with pytest.raises(UsageError, match="--ray"), connect(address):
            pass
    monkeypatch.setattr(connection, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"^--ray needs Ray, which is not installed: pip install .*\[ray\]"):
        connect("local").__enter__()
    assert capfd.readouterr() == ("", "")


def test_a_process_has_one_cluster(cluster: Cluster) -> None:
    with pytest.raises(DataError, match=r"^this process is connected to the cluster at .*; give that address"):
        connect("127.0.0.1:1").__enter__()


def test_what_ray_says_of_versions_and_of_machines_outside() -> None:
    words = (
        "Version mismatch: The cluster was started with:\n    Ray: 2.50.0\n    Python: 3.12.1\n"
        "This process on node 1.2.3.4 was started with:\n    Ray: 2.60.0\n    Python: 3.11.7\n"
    )
    found = str(connection._refusal("h:1", "RuntimeError", words))
    assert found.startswith("the head of the cluster at h:1 has Ray 2.50.0 and Python 3.12.1, and this process has Ray")
    outside = "No node info found matching attributes: '' when trying to resolve node to connect to."
    assert str(connection._refusal("h:1", "RuntimeError", outside)).startswith("this machine is no node of the cluster")
