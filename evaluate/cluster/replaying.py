"""A replay on a cluster: nodes replay blocks of consecutive videos, and the command writes them in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.cluster import Pool, connect
from ...core.decoders.base import Replay
from ...core.decoders.replayed import replayed
from ..inputs import reads_of
from ..replay import ReplayBlocks, ReplayResult
from .inputs import Found, NodeSource, code_of, threads_here, workers_on

BLOCK_VIDEOS = 1024
"""Videos of a block at most: what a lost node costs, and what the command holds of each result."""

BLOCKS_OF_A_WORKER = 4
"""Of few videos, blocks are so small that each worker gets so many."""


@dataclass(frozen=True)
class ReplayRequestOnNode:
    """What all blocks of a replay have in common; options by name."""

    source: NodeSource
    settings: tuple[Mapping[str, Any], ...]
    tracks: Sequence[str]
    threads: int | None
    trace: bool


class BlockReplayer:
    """The worker on a node: replays videos of the store, given their indices there."""

    def __init__(self, request: ReplayRequestOnNode) -> None:
        self._request = request
        self._decoder = request.source.find_decoder()
        self._settings = [self._decoder.params(**values) for values in request.settings]
        self._inputs, videos = request.source.open()
        self._threads = threads_here(request.threads)
        self.facts: Found = Found(videos, code_of(self._decoder))

    def __call__(self, videos: NDArray[np.int64]) -> Replay:
        r = self._request
        done = replayed(
            self._decoder, self._inputs.read(videos), self._settings, tracks=r.tracks, threads=self._threads,
            trace=r.trace,
        )  # fmt: skip
        return done if done.trace is None else replace(done, trace=done.trace.without_inputs())


@dataclass(frozen=True, eq=False)
class ClusterReplay(ReplayBlocks):
    """A replay whose blocks the workers of a pool do; iterating gives their results in order."""

    pool: Pool[NDArray[np.int64], Replay] | None = None

    def __iter__(self) -> Iterator[ReplayResult]:
        if self.pool is None or self.inputs.num_videos == 0:
            yield from super().__iter__()
            return
        found = self._slices(len(self.pool.workers))
        units = ((f"videos {s.start} to {s.stop}", self.inputs.videos[s]) for s in found)
        for videos, (_, done) in zip(found, self.pool.results(units, in_order=True), strict=True):
            scores = self.inputs.scores.select_videos(np.arange(videos.start, videos.stop))
            yield ReplayResult(scores, self.params, done, self.decoder, self.made_from)

    def _slices(self, workers: int) -> list[slice]:
        share = -(-self.inputs.num_videos // (BLOCKS_OF_A_WORKER * max(1, workers)))
        size = min(BLOCK_VIDEOS, share)
        return [
            slice(first, min(first + size, block.stop))
            for block in self.inputs.slices
            for first in range(block.start, block.stop, size)
        ]


@contextmanager
def replay_on(
    address: str, blocks: ReplayBlocks, stores: Any, decoder: str, scores: str | None
) -> Iterator[ReplayBlocks]:
    """The same replay on a cluster, for as long as the context lasts.

    Parameters
    ----------
    stores, scores : that the blocks were made of
    decoder : name of their decoder

    Raises: as :func:`.connect`; DataError or UsageError naming a node that lacks the stores or the decoder.
    """
    inputs = blocks.inputs
    source = NodeSource.of(stores, scores, reads_of(blocks.decoder, blocks.params), decoder, inputs.memory)
    request = ReplayRequestOnNode(
        source, tuple(p.as_dict() for p in blocks.params), tuple(blocks.tracks), blocks.threads, blocks.trace
    )
    with connect(address) as cluster:
        expected = Found(source.open()[1], code_of(blocks.decoder))
        with workers_on(
            cluster, BlockReplayer, (request,), source.urls, expected, blocks.threads, max(1, inputs.num_videos)
        ) as pool:
            given = {f: getattr(blocks, f) for f in ("inputs", "params", "decoder", "made_from", "tracks", "threads")}
            yield ClusterReplay(**given, trace=blocks.trace, pool=pool)
