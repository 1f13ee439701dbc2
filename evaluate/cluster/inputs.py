"""What every node opens by itself: the stores at their URLs, and decoders and metrics by name. Nothing of them is sent.

Each worker says what it found (:class:`Found`), which must be what the command has found.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from ...cache.cluster import Cluster, Need, Node, Pool, check_store
from ...cache.cluster.nodes import loaded_ray
from ...cache.cluster.pool import Worker
from ...cache.joined import open_stores
from ...cache.layout.location import Location
from ...cache.several import store_urls
from ...core.bundle import ScoreBundle
from ...core.decoders.base import Decoder, Reads
from ...core.decoders.input_blocks import InputBlocks
from ...core.decoders.registry import DECODERS
from ...core.errors import DataError, UsageError
from ...core.registry import Registry
from ..inputs import input_blocks

T = TypeVar("T")
U = TypeVar("U")
R = TypeVar("R")

UNITS_AHEAD = 2
"""Units in hand of each worker: one that it works on, one that waits there."""


@dataclass(frozen=True)
class Found:
    """What the command or a worker has of what both open; hashes, but for the names.

    videos : the content of the stores, their videos and labels; decoder : the code of a plug-in, as metric
    """

    videos: str
    decoder: str = ""
    metric: str = ""


@dataclass(frozen=True)
class NodeSource:
    """How a node comes by the inputs of a decoder.

    Attributes
    ----------
    urls : of the stores; paths are absolute
    scores : a score set of them, or None
    reads : what the decoder reads
    decoder : its name, as ``--decoder`` takes it
    memory : bytes that scores may take in each worker
    """

    urls: tuple[str, ...]
    scores: str | None
    reads: Reads
    decoder: str
    memory: int

    @classmethod
    def of(cls, stores: Any, scores: str | None, reads: Reads, decoder: str, memory: int) -> NodeSource:
        """From what a command was given as its stores (:func:`open_stores`)."""
        return cls(tuple(_absolute(url) for url in store_urls(stores)), scores, reads, decoder, memory)

    def open(self) -> tuple[InputBlocks, str]:
        """The inputs of all videos with data, and a hash of what is there. Raises: as :func:`input_blocks`."""
        store = open_stores(list(self.urls))
        blocks = input_blocks(store, self.reads, self.scores, memory=self.memory)
        content = store.content_hash if store.schema_version > 1 else None
        return blocks, _digest(content, *_listed(blocks.scores))

    def find_decoder(self) -> Decoder[Any]:
        """Raises: UsageError where this machine does not have it."""
        return here(DECODERS, self.decoder)


def _absolute(url: str) -> str:
    place = Location(url)
    return os.path.abspath(place.path) if place.is_local else url


def _listed(scores: ScoreBundle) -> list[Any]:
    return [scores.labels, scores.kind, scores.segment_seconds, scores.video_ids, scores.segments_per_video.tolist()]


def _digest(*values: Any) -> str:
    digest = hashlib.sha256()
    for value in values:
        digest.update(repr(value).encode() + b"\0")
    return digest.hexdigest()


def here(registry: Registry[T], name: str) -> T:
    """What a name stands for on this node. Raises: UsageError where it does not have it."""
    try:
        return registry.get(name)
    except UsageError as error:
        raise UsageError(f"{error}; every node needs the plug-ins of the machine that the command runs on") from error


def code_of(item: object) -> str:
    """A hash of the file in which a plug-in is defined; empty for what this package has itself."""
    module = type(item).__module__
    if module.partition(".")[0] == __package__.partition(".")[0]:
        return ""
    file = getattr(sys.modules.get(module), "__file__", None)
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else module
    except OSError:
        return module


def threads_here(threads: int | None) -> int:
    """Threads of the worker that asks: as many as it has processors of the node, unless they are given."""
    assigned = loaded_ray().get_runtime_context().get_assigned_resources().get("CPU", 1)
    return threads or max(1, int(assigned))


def worker_needs(threads: int | None) -> Callable[[Node], list[Need]]:
    """One worker for a node with all its processors; where threads are given, as many as it has room for with so many
    processors each, one at least."""

    def needs(node: Node) -> list[Need]:
        if node.cpus < 1:
            return []
        each = node.cpus if threads is None else min(float(threads), node.cpus)
        return [Need(each)] * int(node.cpus // each)

    return needs


@contextmanager
def workers_on(
    cluster: Cluster,
    make: Callable[..., Any],
    arguments: tuple[Any, ...],
    urls: Sequence[str],
    expected: Found | tuple[Found, ...],
    threads: int | None,
    most: int,
) -> Iterator[Pool[Any, Any]]:
    """Workers on the nodes that have processors, for as long as the context lasts; each node sees all stores, and has
    the code of the plug-ins that is here.

    most : workers at most

    Raises: DataError or UsageError naming a node that lacks something.
    """
    needs = worker_needs(threads)
    seen: set[str] = set()

    def check(nodes: Sequence[Node]) -> None:
        new = [node for node in nodes if node.id not in seen and needs(node)]
        for url in urls if new else ():
            check_store(new, url)
        seen.update(node.id for node in new)

    def accept(worker: Worker[Any]) -> None:
        wanted = expected if isinstance(expected, tuple) else (expected,)
        there = worker.facts if isinstance(worker.facts, tuple) else (worker.facts,)
        for one, other in zip(wanted, there, strict=True):
            _refuse_other(worker.node, one, other, urls)

    check(cluster.nodes())
    pool = Pool[Any, Any](cluster, make, arguments, needs, ahead=UNITS_AHEAD, check=check, accept=accept)
    with pool:
        pool.begin(most)
        yield pool


def _refuse_other(node: Node, here: Found, there: Found, urls: Sequence[str]) -> None:
    for name in (f.name for f in fields(Found) if getattr(here, f.name) != getattr(there, f.name)):
        if name == "videos":
            raise DataError(
                f"{node.words} finds another store at {', '.join(urls[:3])} than this machine; put it on a folder that "
                "all nodes share at the same path, or on an object store"
            )
        raise DataError(
            f"{node.words} has another version of the plug-in of the {name} than this machine; install the same on all "
            "nodes"
        )
