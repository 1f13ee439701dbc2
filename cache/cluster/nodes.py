"""The nodes of a cluster: what they have, what they are called, and a function run on each of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

R = TypeVar("R")

ANSWER_SECONDS = 120.0
"""How long a node may take to answer a question; a process has to be started for it."""

LEAVE_SECONDS = 30.0
"""After how long a node that does not answer is still taken for alive."""


@dataclass(frozen=True)
class Node:
    """A node of a cluster.

    Attributes
    ----------
    id : Ray's, in hex
    name : what it was called when it was started, else its host name
    address : its IP address
    cpus, gpus : that it lends to Ray
    memory : in bytes, that it lends to Ray
    """

    id: str
    name: str
    address: str
    cpus: float
    gpus: float
    memory: int

    @property
    def words(self) -> str:
        """The node in a sentence: several of one machine differ in their ids."""
        return f"node {self.name} ({self.address}, {self.id[:8]})"


def loaded_ray() -> Any:
    """Ray, which declares types for only a part of what it takes."""
    return import_module("ray")


def alive_nodes() -> list[Node]:
    """The nodes that are alive, sorted by name and id."""
    ray = loaded_ray()
    found = []
    for n in ray.nodes():
        if not n["Alive"]:
            continue
        has, address = n["Resources"], n["NodeManagerAddress"]
        name = n.get("NodeName") or address
        if name == address:
            name = n["NodeManagerHostname"]
        found.append(
            Node(n["NodeID"], name, address, has.get("CPU", 0.0), has.get("GPU", 0.0), int(has.get("memory", 0)))
        )
    return sorted(found, key=lambda node: (node.name, node.id))


def on_node(node: Node) -> Any:
    """The strategy that runs a task or an actor on one node and no other."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node.id, soft=False)


def on_each(
    nodes: Sequence[Node], function: Callable[..., R], *arguments: Any, seconds: float = ANSWER_SECONDS
) -> list[tuple[Node, R | Exception]]:
    """What a function gives on each node, or the error that it ended with there; it takes no CPU from others.

    ``function`` : of an importable module, or one inside another function, which then goes along as it is. A node that
    does not answer in time gives a TimeoutError. A node that leaves the cluster meanwhile is left out.
    """
    ray = loaded_ray()
    task = ray.remote(function)
    asked = [
        (node, task.options(num_cpus=0, max_retries=0, scheduling_strategy=on_node(node)).remote(*arguments))
        for node in nodes
    ]
    ray.wait([ref for _, ref in asked], num_returns=len(asked), timeout=seconds)
    found: list[tuple[Node, R | Exception]] = []
    for node, ref in asked:
        try:
            found.append((node, ray.get(ref, timeout=0.1)))
        except ray.exceptions.RayTaskError as error:
            found.append((node, error.cause if isinstance(error.cause, Exception) else error))
        except ray.exceptions.GetTimeoutError:
            ray.cancel(ref, force=True)
            found.append((node, TimeoutError(f"it gives no answer within {seconds:.0f} s")))
        except ray.exceptions.RayError as error:
            if not _leaves(node):
                found.append((node, error))
    return found


def _leaves(node: Node) -> bool:
    """Whether a node that failed is found dead: the cluster notices after some seconds."""
    end = time.monotonic() + LEAVE_SECONDS
    while any(other.id == node.id for other in alive_nodes()):
        if time.monotonic() > end:
            return False
        time.sleep(0.5)
    return True
