"""The scores of a store under other labels on a cluster: nodes that see the store compute them, a block of videos at a
time, and the command writes them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ...cache import Store, open_store
from ...cache.cluster import Cluster, Need, Node, Pool, check_store
from ...cache.cluster.pool import Worker
from ...cache.layout.fingerprint import vocabulary_id
from ...cache.layout.location import Location
from ...cache.write_rows import ReadEach
from ...core.bundle import ScoreBundle
from ...core.errors import DataError

Unit = tuple[slice, tuple[str, ...]]
"""Consecutive videos, and the names of their arrays."""


class BlockScorer:
    """The worker on a node: computes scores of the active labels of a store; ``facts`` says of what."""

    def __init__(self, url: str) -> None:
        store = open_store(url)
        self._rows = store.computed_rows()
        self.facts: str = _content(store)

    def __call__(self, unit: Unit) -> ScoreBundle:
        videos, names = unit
        return self._rows.read([(videos.start, videos.stop)], names)


def _content(store: Store) -> str:
    vocabulary = store.vocabulary
    return f"{store.shard_digest()} {'' if vocabulary is None else vocabulary_id(vocabulary)}"


@contextmanager
def scorers_on(
    cluster: Cluster, url: str | os.PathLike[str], report: Callable[[str], None] = print
) -> Iterator[ReadEach | None]:
    """What computes the scores of a store on the nodes, for as long as the context lasts; None, and a line to
    ``report``, where a node does not see the store, as the encoder of the labels need not.

    Raises where it is used: DataError naming a node that finds other videos or labels there.
    """
    place = Location(url)
    where = os.path.abspath(place.path) if place.is_local else place.url
    try:
        check_store([node for node in cluster.nodes() if node.cpus >= 1], where)
    except DataError as error:
        report(f"the scores are computed on this machine alone: {error}")
        yield None
        return
    here = ""

    def accept(worker: Worker[Unit]) -> None:
        if worker.facts != here:
            raise DataError(
                f"{worker.node.words} finds other videos or labels at {where} than this machine; put it on a folder "
                "that all nodes share at the same path, or on an object store"
            )

    def needs(node: Node) -> list[Need]:
        return [Need(node.cpus)] if node.cpus >= 1 else []

    with Pool[Unit, ScoreBundle](
        cluster, BlockScorer, (where,), needs, check=lambda nodes: check_store(nodes, where), accept=accept
    ) as pool:

        def read_each(parts: Sequence[slice], names: Sequence[str]) -> Iterator[ScoreBundle]:
            nonlocal here
            if not pool.known:  # now the labels are those of the store
                here = _content(open_store(where))
                pool.begin(len(parts))
            units = ((f"videos {part.start} to {part.stop}", (part, tuple(names))) for part in parts)
            for _, bundle in pool.results(units, in_order=True):
                yield bundle

        yield read_each
