"""The workers of a pool: started on the nodes that have room, and looked after while there is work."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

from ...core.errors import DataError, NodesLost
from .connection import Cluster
from .nodes import Node, loaded_ray, on_node
from .worker import Answer, WorkerActor

U = TypeVar("U")

LOOK_SECONDS = 2.0
"""Between two looks at which nodes there are."""

PATIENCE_SECONDS = 600.0
"""How long to wait for a node, or for what others use of it, while no worker is left."""

TRIES = 3
"""How many workers may be lost with a unit in hand, or while they are asked, before it is given up."""

_log = logging.getLogger("avreplay")


@dataclass(frozen=True)
class Need:
    """What one worker declares to Ray that it uses: processors, GPUs (parts of one as well), bytes of memory."""

    cpus: float = 1.0
    gpus: float = 0.0
    memory: int = 0

    def fits(self, node: Node) -> int:
        """How many of such workers a node has room for."""
        rooms = [node.cpus // self.cpus if self.cpus else None, node.gpus // self.gpus if self.gpus else None]
        rooms.append(node.memory // self.memory if self.memory else None)
        return int(min((room for room in rooms if room is not None), default=1))


@dataclass(eq=False)
class Worker(Generic[U]):
    """A worker of a pool, from the side of the command.

    Attributes
    ----------
    node, need : where it is, and what it declared
    facts : what it says of itself, once it is ready
    began, ended : when it was ready, and when it was lost (None: it is not), as `time.monotonic` has it
    count : units that it did
    hand : units that it has in hand, by key
    last : what it last gave to `Pool.watch`
    """

    node: Node
    need: Need
    actor: Any
    initial: bool
    ready: bool = False
    ended: float | None = None
    count: int = 0
    facts: Any = None
    last: Any = None
    began: float = 0.0
    hand: dict[Hashable, U] = field(default_factory=dict)


class Workers(Generic[U]):
    """Workers on the nodes of a cluster. Use it as a context manager, which ends them.

    Parameters
    ----------
    cluster : a connection
    make, arguments : what makes a worker there: an importable function or class, and what it is given, which pickle
        takes. The worker is called with a unit; its attribute ``facts`` is told to the command
    need : what each of the workers of a node declares, one entry a worker; a node may get none
    ahead : units in hand of each worker
    threads : how many of them a worker does at once; what else it is asked meanwhile has a thread of its own
    check, accept : called with nodes before they get workers, and with each worker that is ready before it gets work.
        Raise: DataError naming a node that lacks something. A node that was there from the beginning ends the run with
        that; one that joined gets no work
    """

    def __init__(
        self,
        cluster: Cluster,
        make: Callable[..., Any],
        arguments: tuple[Any, ...],
        need: Callable[[Node], Sequence[Need]],
        *,
        ahead: int = 2,
        threads: int = 1,
        check: Callable[[Sequence[Node]], None] | None = None,
        accept: Callable[[Worker[U]], None] | None = None,
    ) -> None:
        self.cluster = cluster
        self._make = make
        self._arguments = arguments
        self._need = need
        self._ahead = ahead
        self._threads = threads
        self._check = check
        self._accept = accept
        self.workers: list[Worker[U]] = []
        """The workers that were not lost."""
        self.known: list[Worker[U]] = []
        """All workers there ever were."""
        self._starting: dict[Any, Worker[U]] = {}
        self._left_out: dict[str, str] = {}
        self._looked = 0.0
        self._idle_since: float | None = None
        self._most: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all workers; what they have in hand is lost."""
        ray = loaded_ray()
        for worker in self.workers:
            ray.kill(worker.actor)
        self.workers, self._starting = [], {}

    def begin(self, most: int | None = None) -> Worker[U]:
        """Start the workers, and wait for the first one that is ready.

        ``most`` : workers at most, as where there are few units

        Raises
        ------
        DataError
            no node has room for a worker, or none becomes ready; what a worker says that cannot be made, with its node
        """
        self._most = most
        nodes = self.cluster.nodes()
        if not any(self._need(node) for node in nodes):
            raise DataError(f"no node of the cluster has room for a worker: {_listed(nodes)}")
        self._look(nodes, initial=True)
        return self._ready()

    def ask(self, worker: Worker[U], name: str, *arguments: Any) -> Any:
        """A reference to what a method of a worker gives, beside its work; for `answer`."""
        return worker.actor.ask.options(concurrency_group="ask").remote(name, *arguments)

    def answer(self, name: str, *arguments: Any) -> Any:
        """What a method of a worker gives, whichever worker that is; where it is lost meanwhile, another one is asked.

        Raises: as `Pool.results`.
        """
        for _ in range(TRIES):
            worker = self._ready()
            found = self._answer(self.ask(worker, name, *arguments), worker)
            if found is None:
                self._lose(worker)
                continue
            if found.kind != "done":
                raise found.as_error(worker.node.words)
            return found.value
        raise NodesLost(
            f"{TRIES} workers were lost while they were asked, the last one with {worker.node.words}; see why its "
            "processes end (memory?), then run the same command again: what was committed is kept"
        )

    def _ready(self) -> Worker[U]:
        """The worker that has been ready longest; waited for where there is none. Raises: as `begin`."""
        while True:
            for worker in self.workers:
                if worker.ready:
                    return worker
            self._wait([])

    def _wait(self, refs: list[Any]) -> list[Any]:
        """Those of the references that have something, within a second or so; looks after workers meanwhile."""
        ray = loaded_ray()
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._look(self.cluster.nodes())
        waited = [*refs, *self._starting]
        if not waited:
            time.sleep(0.2)
            return []
        done, _ = ray.wait(waited, num_returns=len(waited), timeout=0)
        if not done:
            done, _ = ray.wait(waited, num_returns=1, timeout=0.5)
        for ref in [ref for ref in done if ref in self._starting]:
            self._started(ref)
        known = set(refs)
        return [ref for ref in done if ref in known]

    def _look(self, nodes: Sequence[Node], initial: bool = False) -> None:
        """Give workers to nodes that have room for more."""
        self._looked = time.monotonic()
        alive = {node.id for node in nodes}
        for worker in [w for w in self.workers if not w.hand and w.node.id not in alive]:
            self._lose(worker)
        for node in nodes:
            if node.id in self._left_out:
                continue
            needs = list(self._need(node))[sum(worker.node.id == node.id for worker in self.workers) :]
            if self._most is not None:
                needs = needs[: max(0, self._most - len(self.workers))]
            if not needs:
                continue
            try:
                self.cluster.check_versions([node])
                if self._check is not None:
                    self._check([node])
            except DataError as error:
                if initial:
                    raise
                self._leave_out(node, str(error))
                continue
            for need in needs:
                self._start(node, need, initial)
        if self.workers:
            self._idle_since = None
            return
        self._idle_since = self._idle_since or time.monotonic()
        if time.monotonic() - self._idle_since > PATIENCE_SECONDS:
            raise NodesLost(
                f"no node with room for a worker is left in the cluster ({_listed(nodes)}); add nodes, and run the "
                "same command again: what was committed is kept"
            )

    def _start(self, node: Node, need: Need, initial: bool) -> None:
        ray = loaded_ray()
        actor = (
            ray.remote(max_restarts=0, max_concurrency=self._threads, concurrency_groups={"ask": 1})(WorkerActor)
            .options(
                num_cpus=need.cpus,
                num_gpus=need.gpus,
                memory=need.memory or None,
                scheduling_strategy=on_node(node),
            )
            .remote(list(sys.path))
        )
        worker: Worker[U] = Worker(node, need, actor, initial)
        self.workers.append(worker)
        self.known.append(worker)
        self._starting[actor.start.remote(ray.cloudpickle.dumps((self._make, self._arguments)))] = worker

    def _started(self, ref: Any) -> None:
        worker = self._starting.pop(ref)
        answer = self._answer(ref, worker)
        if answer is None:
            self._lose(worker)
            return
        try:
            if answer.kind != "done":
                raise answer.as_error(worker.node.words)
            worker.facts = answer.value
            if self._accept is not None:
                self._accept(worker)
        except Exception as error:
            if worker.initial:
                raise
            self._lose(worker)
            self._leave_out(worker.node, str(error))
        else:
            worker.ready, worker.began = True, time.monotonic()

    def _leave_out(self, node: Node, why: str) -> None:
        self._left_out[node.id] = why
        _log.warning("%s; it gets no work", why)

    def _lose(self, worker: Worker[U]) -> None:
        """Look at a worker no more, and see to it that it ends if it is still there."""
        ray = loaded_ray()
        if worker in self.workers:
            self.workers.remove(worker)
            worker.ended = time.monotonic()
            self._starting = {ref: w for ref, w in self._starting.items() if w is not worker}
            ray.kill(worker.actor)

    def _answer(self, ref: Any, worker: Worker[U]) -> Answer | None:
        """What a call gave; None where its worker, or the result, is lost."""
        ray = loaded_ray()
        try:
            found = ray.get(ref)
        except ray.exceptions.RayTaskError as error:  # raised outside of what the worker catches
            return Answer("broken", None, "RayTaskError", " ".join(str(error).split())[-500:], str(error))
        except ray.exceptions.RayError as error:
            if worker.ready:
                _log.warning(
                    "%s was lost: %s; what it had in hand is done again elsewhere",
                    worker.node.words,
                    _first_line(error),
                )
            return None
        assert isinstance(found, Answer)
        return found


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]


def _listed(nodes: Sequence[Node]) -> str:
    few = [f"{n.words} has {n.cpus:g} CPUs, {n.gpus:g} GPUs and {n.memory / 1e9:.1f} GB" for n in nodes[:4]]
    return "; ".join(few) + (f"; and {len(nodes) - 4} more" if len(nodes) > 4 else "")
