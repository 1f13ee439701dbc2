"""The settings of a search replayed and scored on a cluster. What a search knows stays with the command: its plan, the
objectives, the journal; so that the same command resumes, and what it finds does not depend on who did what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.cluster import Cluster, Pool
from ...core.decoders.base import Reads
from ...core.decoders.input_blocks import InputBlocks
from ...core.decoders.registry import decoder_name
from ...core.events import Events
from ...core.metrics.registry import METRICS
from ...core.sweep import SweepPart, sweep_blocks
from ..tuning.problem import Problem, SweepJob
from ..tuning.swept import target_on
from .inputs import Found, NodeSource, code_of, workers_on
from .scorer import EventsWork, ScoreWork, SearchSource, SettingsScorer, TableWork

PARTS_OF_A_WORKER = 4
"""Parts of a table of settings that each worker gets about: what a lost node costs, and how long the last one works."""

FEWEST_PAIRS = 4096
MOST_PAIRS = 1 << 18
"""(setting, video) pairs of a part, from which it is worth the way, and up to which its result is small."""


@dataclass(frozen=True)
class Searched:
    """A search that is to be swept elsewhere.

    Attributes
    ----------
    stores, scores, reads, memory : where its inputs come from, as :func:`.inputs.input_blocks` was given them
    decoder, metrics, profile : as they were asked for; None, ``auto``: what the problem has
    """

    problem: Problem
    stores: Any
    scores: str | None
    reads: Reads
    memory: int
    decoder: str | None
    metrics: str
    profile: str

    def source(self) -> SearchSource:
        """How a node comes by all of it."""
        p, t = self.problem, self.problem.target
        metric = METRICS.name_of(t.metric, t.metric.name) if self.metrics == "auto" else self.metrics
        source = NodeSource.of(
            self.stores, self.scores, self.reads, self.decoder or decoder_name(p.decoder), self.memory
        )
        return SearchSource(source, p.videos.video_ids, metric, self.profile, t.truth, t.to_label, t.cut)


@contextmanager
def searched_on(cluster: Cluster, searches: Sequence[Searched], threads: int | None) -> Iterator[list[Problem]]:
    """The problems of some searches, each swept by the same workers on a cluster, for as long as the context lasts.

    threads : of each worker; None: the processors of its node

    Raises: DataError or UsageError naming a node that does not see a store, or lacks a plug-in.
    """
    sources = tuple(search.source() for search in searches)
    expected = tuple(
        Found(one.source.open()[1], code_of(search.problem.decoder), code_of(search.problem.target.metric))
        for one, search in zip(sources, searches, strict=True)
    )
    urls = tuple(dict.fromkeys(url for one in sources for url in one.source.urls))
    most = sum(len(one.video_ids) for one in sources)
    with workers_on(cluster, SettingsScorer, (sources, threads), urls, expected, threads, most) as pool:
        yield [
            replace(search.problem, elsewhere=ClusterSweeps(pool, number, None, threads))
            for number, search in enumerate(searches)
        ]


@dataclass(frozen=True, eq=False)
class ClusterSweeps:
    """Sweeps by the workers of a pool (:class:`.tuning.problem.Elsewhere`).

    search : which of the workers' searches; videos : places of the videos in it, None: all
    """

    pool: Pool[ScoreWork | EventsWork, list[Any]]
    search: int
    videos: NDArray[np.int64] | None
    threads: int | None

    def select(self, videos: NDArray[np.int64]) -> ClusterSweeps:
        """The same for some of the videos, in the order given."""
        return replace(self, videos=videos if self.videos is None else self.videos[videos])

    def sweeps(self, jobs: Sequence[SweepJob]) -> Iterator[tuple[int, SweepPart]]:
        """The parts of each job, one job after the other, with its number. Raises: as `Pool.results`."""
        if any(isinstance(job.problem.inputs, InputBlocks) for job in jobs):
            for number, job in enumerate(jobs):
                for part in _of(job)._blocks(job):
                    yield number, part
            return
        units: list[tuple[tuple[int, int], ScoreWork]] = []
        for number, job in enumerate(jobs):
            units += [((number, first), work) for first, work in _of(job)._parts(job)]
        keyed = ((f"settings from {first} of search {number}", work) for (number, first), work in units)
        for ((number, first), _), (_, parts) in zip(units, self.pool.results(keyed, in_order=True), strict=True):
            for part in parts:
                yield number, replace(part, begin=first + part.begin)

    def _parts(self, job: SweepJob) -> Iterator[tuple[int, ScoreWork]]:
        """Settings on all videos: where the scores of these are in memory, on the nodes as well."""
        settings, videos = len(job.table) - job.begin, job.problem.num_videos
        share = -(-settings // (PARTS_OF_A_WORKER * max(1, len(self.pool.workers))))
        size = max(1, min(max(share, FEWEST_PAIRS // videos), MOST_PAIRS // videos))
        for first in range(job.begin, len(job.table), size):
            table = TableWork.of(job.table.part(first, first + size))
            yield first, ScoreWork(self.search, table, self.videos, job.objective, job.subsets)

    def _blocks(self, job: SweepJob) -> Iterator[SweepPart]:
        """Blocks of videos that memory does not hold, whose events are scored together here."""
        inputs = job.problem.inputs
        assert isinstance(inputs, InputBlocks)
        target, weights = target_on(job.problem.target, job.objective, job.subsets)
        places = np.arange(inputs.num_videos) if self.videos is None else self.videos

        def blocks_of(ranges: Sequence[range]) -> Iterator[Sequence[Events]]:
            table = TableWork.of(job.table.part(ranges[0].start, ranges[-1].stop))
            shifted = [range(r.start - ranges[0].start, r.stop - ranges[0].start) for r in ranges]
            units = (
                (f"videos {s.start} to {s.stop}", EventsWork(self.search, table, places[s], shifted))
                for s in inputs.slices
            )
            for _, events in self.pool.results(units, in_order=True):
                yield events

        yield from sweep_blocks(
            blocks_of, job.table, target, weights, inputs.memory, begin=job.begin, threads=self.threads
        )  # fmt: skip


def _of(job: SweepJob) -> ClusterSweeps:
    found = job.problem.elsewhere
    assert isinstance(found, ClusterSweeps)
    return found
