"""The worker of a search on a node: it replays settings on the videos of the search, and scores them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.decoders.base import Inputs
from ...core.decoders.input_blocks import InputBlocks
from ...core.events import Events
from ...core.metrics.base import Truth
from ...core.metrics.registry import METRICS
from ...core.params.table import ParamTable
from ...core.sweep import SweepPart, events_of_block, ranked, sweep
from ...core.target import Target
from ..tuning.objective import Objective
from ..tuning.swept import target_on
from .inputs import Found, NodeSource, code_of, here, threads_here

KEPT_SELECTIONS = 8
"""Parts of the videos whose scores a worker keeps: those of the folds of a search, and the whole."""


@dataclass(frozen=True, eq=False)
class SearchSource:
    """What a search is on: how a node comes by its scores, which of their videos it has, and what they are scored by.

    Attributes
    ----------
    video_ids : the N videos of the search, in order
    metric, profile : name of the metric, and how it is configured
    truth, to_label, cut : as :class:`avreplay.core.target.Target` has them
    """

    source: NodeSource
    video_ids: tuple[str, ...]
    metric: str
    profile: str
    truth: Truth
    to_label: NDArray[np.int32]
    cut: bool


@dataclass(frozen=True, eq=False)
class TableWork:
    """Settings in plain form: the options of a base, and columns of those that vary."""

    base: Mapping[str, Any]
    columns: Mapping[str, NDArray[Any]]

    @classmethod
    def of(cls, table: ParamTable[Any]) -> TableWork:
        return cls(table.base.as_dict(), table.columns)


@dataclass(frozen=True, eq=False)
class ScoreWork:
    """Settings to score on videos of a search, given their places in it (None: all), or on subsets of these."""

    search: int
    settings: TableWork
    videos: NDArray[np.int64] | None
    objective: Objective
    subsets: Sequence[NDArray[np.int64]] | None


@dataclass(frozen=True, eq=False)
class EventsWork:
    """Settings to replay on a block of the videos of a search; the command scores them with those of other blocks."""

    search: int
    settings: TableWork
    videos: NDArray[np.int64]
    ranges: Sequence[range]


class SettingsScorer:
    """The worker. ``facts`` : what it found of each search."""

    def __init__(self, searches: Sequence[SearchSource], threads: int | None) -> None:
        self._threads = threads_here(threads)
        opened = [_Search(search) for search in searches]
        self._searches = opened
        self.facts: tuple[Found, ...] = tuple(one.found for one in opened)

    def __call__(self, work: ScoreWork | EventsWork) -> list[SweepPart] | list[Events]:
        search = self._searches[work.search]
        table = ParamTable(search.decoder.params(**work.settings.base), work.settings.columns)
        if isinstance(work, EventsWork):
            block = search.inputs.read(work.videos)
            confidence = ranked(search.metric)
            return list(
                events_of_block(search.decoder, block, table, work.ranges, threads=self._threads, confidence=confidence)
            )
        inputs, target = search.on(work.videos)
        target, weights = target_on(target, work.objective, work.subsets)
        return list(sweep(search.decoder, inputs, table, target, weights, threads=self._threads))


class _Search:
    """One of the searches of a worker."""

    def __init__(self, search: SearchSource) -> None:
        self._search = search
        self.decoder = search.source.find_decoder()
        self.metric = metric = here(METRICS, search.metric).configured(search.profile)
        self._every, videos = search.source.open()
        self.found = Found(videos, code_of(self.decoder), code_of(metric))
        self._target = Target(metric, search.truth, search.to_label, search.cut)
        self._inputs: InputBlocks | None = None
        self._kept: dict[str, tuple[Inputs | InputBlocks, Target]] = {}

    @property
    def inputs(self) -> InputBlocks:
        """Those of the videos of the search; they are looked for once what was found is what the command has."""
        if self._inputs is None:
            at = {id: i for i, id in enumerate(self._every.scores.video_ids)}
            self._inputs = self._every.select([at[id] for id in self._search.video_ids])
        return self._inputs

    def on(self, videos: NDArray[np.int64] | None) -> tuple[Inputs | InputBlocks, Target]:
        """The scores of some of the videos, in memory where it holds them, and what is annotated of them."""
        key = "" if videos is None else hashlib.sha256(videos.tobytes()).hexdigest()
        if key not in self._kept:
            if len(self._kept) >= KEPT_SELECTIONS:
                del self._kept[next(iter(self._kept))]
            if videos is None:
                self._kept[key] = self.inputs.held(), self._target
            else:
                self._kept[key] = self.inputs.select(videos).held(), self._target.select(videos)
        return self._kept[key]
