"""The stores of a leaderboard: opened once, their videos of both splits, and the scores of these, read once for each
form that decoders read them in."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...cache.inner_stores import backbone_name
from ...cache.joined import open_stores
from ...cache.several import LIST_SUFFIX
from ...cache.store import Store
from ...core.decoders.base import Inputs, Reads
from ...core.decoders.input_blocks import InputBlocks
from ...core.errors import AvreplayError, DataError, UsageError
from ...core.metrics.base import Metric
from ..datasets.annotations import Annotations
from ..datasets.registry import load_annotations
from ..inputs import input_blocks, memory_of
from ..leaderboard_options import LeaderboardSettings
from ..tuning.problem import Problem, make_problem


@dataclass(frozen=True, eq=False)
class Split:
    """One split as all stores have it.

    Attributes
    ----------
    annotations : of the videos that every store scores
    expected : videos of the split
    left_out : by store, its videos of the split that another store does not score
    """

    annotations: Annotations
    expected: int
    left_out: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class StoreScores:
    """A store of a leaderboard, or two, of which the second one has the videos of the report split.

    The scores that were read last are kept, so that decoders that read the same share them.
    """

    name: str
    given: str
    store: Store
    report_given: str
    report_store: Store
    scores: str | None
    memory: int
    _problem: dict[Reads, Problem] = field(default_factory=dict)
    _report: dict[Reads, Inputs | InputBlocks] = field(default_factory=dict)

    @property
    def backbone(self) -> str | None:
        """The encoder; None of imported scores."""
        return backbone_name(self.store.config)

    def problem(self, reads: Reads, split: Split, metric: Metric, s: LeaderboardSettings) -> Problem:
        """The videos that are searched on, under AV²A's decoder. Raises: as :func:`input_blocks` and
        :func:`make_problem`."""
        if reads not in self._problem:
            self._problem.clear()
            inputs = input_blocks(self.store, reads, self.scores, memory=self.memory)
            self._problem[reads] = make_problem(
                inputs, split.annotations, s.videos, s.seed, profile=s.profile or "release", metrics=metric
            )
        return self._problem[reads]

    def report_inputs(self, reads: Reads, split: Split) -> Inputs | InputBlocks:
        """The scores of the videos that are reported on. Raises: as :func:`input_blocks`."""
        if reads not in self._report:
            self._report.clear()
            blocks = input_blocks(self.report_store, reads, self.scores, memory=self.memory)
            annotated = np.flatnonzero(_rows(split.annotations, blocks) >= 0)
            self._report[reads] = blocks.select(annotated).held()
        return self._report[reads]

    def forget(self) -> None:
        """Let go of the scores."""
        self._problem.clear()
        self._report.clear()


def opened_stores(stores: Sequence[str], s: LeaderboardSettings) -> list[StoreScores]:
    """The stores by the names that rows have them under. Raises: as :func:`open_stores`; UsageError for a store that is
    named twice."""
    reported = s.report_stores(stores)
    pairs = [tuple(map(_place, pair)) for pair in zip(stores, reported, strict=True)]
    for i, pair in enumerate(pairs):
        if pair in pairs[:i]:
            raise UsageError(f"the store {stores[i]} is named twice; name it once")
    memory = max(memory_of(s.memory) // 2, 1)  # one half for each split
    opened: dict[str, Store] = {}
    for given in (*stores, *reported):
        if given not in opened:
            opened[given] = open_stores(given)
    return [
        StoreScores(name, given, opened[given], report, opened[report], s.scores, memory)
        for name, given, report in zip(store_names(stores), stores, reported, strict=True)
    ]


def store_names(stores: Sequence[str]) -> list[str]:
    """A name for each store that can be a folder: its own, with that of the folder above where two are alike."""
    paths = [store.rstrip("/").removesuffix(LIST_SUFFIX).removesuffix(".store").split("/") for store in stores]
    for parts in (1, 2):
        found = [re.sub(r"[^\w.-]+", "-", "-".join(path[-parts:])).strip(".-") for path in paths]
        if all(found) and len({name.casefold() for name in found}) == len(found):
            return found
    return [f"store-{i + 1}" for i in range(len(stores))]


def both_splits(stores: Sequence[StoreScores], s: LeaderboardSettings) -> tuple[Split, Split]:
    """The videos of the split that is tuned on, and of the one that is reported on, that all stores score.

    Raises: DataError for a store without a video of one, or stores without one in common; as :func:`load_annotations`.
    """
    tune = _loaded(s.dataset, s.annotations, s.tune_split, "--tune-split")
    report = _loaded(s.dataset, s.report_annotations or s.annotations, s.report_split, "--report-split")
    return (
        _split(tune, {one.name: (one.given, one.store) for one in stores}, s, "--tune-split"),
        _split(report, {one.name: (one.report_given, one.report_store) for one in stores}, s, "--report-split"),
    )


def refuse_one_split(stores: Sequence[str], s: LeaderboardSettings) -> None:
    """Raises: UsageError where every decoder would be reported on the videos that it was tuned on."""
    apart = s.report_store is not None and list(map(_place, s.report_stores(stores))) != list(map(_place, stores))
    files = s.report_annotations is not None and _place(s.report_annotations) != _place(s.annotations)
    if s.tune_split == s.report_split and not (apart or files):
        raise UsageError(
            f"--tune-split and --report-split are both {s.tune_split}: every figure would be of videos that were tuned "
            "on; name two splits"
        )


def _loaded(dataset: str, path: str, split: str, option: str) -> Annotations:
    """The annotations of a split. Raises: as their reader does, with the option by which the split was given."""
    try:
        return load_annotations(dataset, path, split)
    except AvreplayError as error:
        raise type(error)(f"{option} {split}: {error}") from error


def _split(truth: Annotations, stores: Mapping[str, tuple[str, Store]], s: LeaderboardSettings, option: str) -> Split:
    rows: dict[str, NDArray[np.int64]] = {}
    for name, (given, store) in stores.items():
        found = _rows(truth, input_blocks(store, Reads(), s.scores))
        rows[name] = np.unique(found[found >= 0])
        if not len(rows[name]):
            raise DataError(
                f"{given} has no video of the split {truth.split} of {truth.source}; extract them, or name another "
                f"split by {option}"
            )
    common = np.arange(len(truth.video_ids))
    for some in rows.values():
        common = np.intersect1d(common, some)
    if not len(common):
        raise DataError(f"the stores have no video of the split {truth.split} in common; extract the same videos")
    left_out = {name: len(some) - len(common) for name, some in rows.items() if len(some) > len(common)}
    kept = truth if len(common) == len(truth.video_ids) else truth.select(common.tolist())
    return Split(kept, len(truth.video_ids), left_out)


def _rows(truth: Annotations, blocks: InputBlocks) -> NDArray[np.int64]:
    return np.array(truth.match(blocks.scores.video_ids), np.int64)


def _place(path: str) -> str:
    return path if "://" in path else os.path.realpath(path)
