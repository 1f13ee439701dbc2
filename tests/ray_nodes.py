"""A Ray cluster of a few nodes on loopback, of whose nodes tests may end some."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

SMALL: dict[str, Any] = {"object_store_memory": 80 << 20}


class Nodes:
    """A cluster whose head does no work; ``address`` is what commands are given."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(True, head_node_args={"num_cpus": 0, "include_dashboard": False, **SMALL})
        self.address = str(self._cluster.address)
        self._nodes: dict[str, Any] = {}

    def add(self, name: str, cpus: int = 1, **more: Any) -> None:
        self._nodes[name] = self._cluster.add_node(num_cpus=cpus, node_name=name, **SMALL, **more)

    @property
    def names(self) -> list[str]:
        return list(self._nodes)

    def kill(self, name: str) -> None:
        """End a node's processes at once."""
        self._cluster.remove_node(self._nodes.pop(name), allow_graceful=False)

    def leave(self, name: str) -> None:
        self._cluster.remove_node(self._nodes.pop(name), allow_graceful=True)

    def keep(self, count: int) -> None:
        """See to it that there are as many nodes again."""
        while len(self._nodes) < count:
            self.add(f"node-{os.urandom(3).hex()}")

    def close(self) -> None:
        self._cluster.shutdown()


@contextmanager
def nodes_on_loopback(count: int) -> Iterator[Nodes]:
    found = Nodes()
    try:
        for k in range(count):
            found.add(f"node{k}")
        yield found
    finally:
        found.close()
