"""A bounded pool of work on the nodes of a cluster: what is lost with a node is done again on another one.

A unit of work goes to one worker at a time. Where that worker is lost, with its node or alone, only the units that it
has in hand are given to others, :data:`TRIES` times at most. Nothing that a lost worker gives afterwards is looked at.
Nodes may join: they get workers while there is work. A few units a worker are in hand at once, so that memory does not
grow with their number.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from ...core.errors import NodesLost
from .nodes import loaded_ray
from .workers import TRIES, Need, Worker, Workers

__all__ = ["TRIES", "Need", "Pool", "Worker"]

U = TypeVar("U")
R = TypeVar("R")


class Pool(Workers[U], Generic[U, R]):
    """`Workers` that are given units of work; its parameters are theirs. Use it as a context manager."""

    def results(
        self,
        units: Iterable[tuple[Hashable, U]],
        *,
        in_order: bool = False,
        stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[tuple[Hashable, R]]:
        """What the workers give for each unit, with its key; as it comes, or in the order of the units.

        ``units`` : each with a key of its own; they are taken as workers have room. ``stop`` : asked now and then; from
        then on no further unit is given out, and what is in hand is still waited for

        Raises
        ------
        NodesLost
            a unit was lost too often; no node is left
        Exception
            what a worker raises; an error of this package with the node in its words
        """
        for key, _, value in self.results_by(units, in_order=in_order, stop=stop):
            yield key, value

    def results_by(
        self,
        units: Iterable[tuple[Hashable, U]],
        *,
        in_order: bool = False,
        stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[tuple[Hashable, Worker[U], R]]:
        """As `results`, with the worker that did it in the middle."""
        coming = iter(units)
        again: deque[tuple[Hashable, U]] = deque()
        lost: dict[Hashable, int] = {}
        pending: dict[Any, tuple[Worker[U], Hashable]] = {}
        order: deque[Hashable] = deque()
        waiting: dict[Hashable, tuple[Worker[U], R]] = {}
        ended = False
        while True:
            while again or not ended:
                free = self._free(0 if again or not in_order else len(order))
                if free is None:
                    break
                if again:
                    key, unit = again.popleft()
                else:
                    found = None if stop() else next(coming, None)
                    if found is None:
                        ended = True
                        break
                    key, unit = found
                    order.append(key)
                free.hand[key] = unit
                pending[free.actor.work.remote(unit)] = (free, key)
            if ended and not pending and not again:
                return
            for ref in self._wait(list(pending)):
                worker, key = pending.pop(ref)
                answer = self._answer(ref, worker)
                if answer is None:
                    self._lose(worker)
                    for other, _ in list(pending.items()):
                        if pending[other][0] is worker:
                            del pending[other]
                    for key, unit in worker.hand.items():
                        lost[key] = lost.get(key, 0) + 1
                        if lost[key] >= TRIES:
                            raise NodesLost(
                                f"the work on {key} was lost {TRIES} times with the node that did it, the last one "
                                f"{worker.node.words}; see why its processes end (memory?), then run the same command "
                                "again: what was committed is kept"
                            )
                        again.append((key, unit))
                    worker.hand = {}
                    break  # others of these may be of the lost worker
                del worker.hand[key]
                worker.count += 1
                if answer.kind != "done":
                    raise answer.as_error(worker.node.words)
                if not in_order:
                    order.remove(key)
                    yield key, worker, answer.value
                    continue
                waiting[key] = (worker, answer.value)
            while in_order and order and order[0] in waiting:
                key = order.popleft()
                yield key, *waiting.pop(key)

    def watch(self, name: str, seconds: float = 1.0) -> Iterator[None]:
        """Ask every worker for a method's value now and then: each turn of this iterator keeps what has come in
        `Worker.last`, and asks again where ``seconds`` have passed."""
        ray = loaded_ray()
        asked: dict[Worker[U], tuple[Any, float]] = {}
        while True:
            for worker in self.workers:
                if not worker.ready:
                    continue
                ref, since = asked.get(worker, (None, 0.0))
                if ref is None or (since and time.monotonic() - since >= seconds):
                    if ref is not None:
                        done, _ = ray.wait([ref], timeout=0)
                        if not done:
                            continue
                        answer = self._answer(ref, worker)
                        worker.last = answer.value if answer is not None and answer.kind == "done" else worker.last
                    asked[worker] = (self.ask(worker, name), time.monotonic())
            yield

    def _free(self, waiting: int) -> Worker[U] | None:
        """The worker with the fewest units in hand, if it has room; where results are given in order, no more units
        wait than all workers have room for twice."""
        ready = [worker for worker in self.workers if worker.ready and len(worker.hand) < self._ahead]
        if not ready or waiting >= 2 * self._ahead * max(1, len(self.workers)):
            return None
        return min(ready, key=lambda worker: len(worker.hand))
