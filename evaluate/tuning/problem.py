"""The videos that a search scores: a subset of a split, with the scores of a store beside the annotations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...cache.score_blocks import BLOCK_MEMORY
from ...core.bundle import ScoreBundle
from ...core.decoders.base import Decoder, Inputs
from ...core.decoders.input_blocks import SHARES, InputBlocks, blocks_in_memory, bytes_per_video
from ...core.decoders.registry import DECODERS
from ...core.errors import DataError, UsageError
from ...core.labels import LabelIndex, folded
from ...core.metrics.base import Metric
from ...core.params.table import ParamTable
from ...core.sweep import SweepPart
from ...core.target import Target
from ..datasets.annotations import Annotations
from ..datasets.in_seconds import in_segments_of
from ..datasets.registry import metric_of
from .objective import Objective


class Searched(Protocol):
    """What a journal must know of what is searched: the decoder, the figures of a setting, and the videos whose own
    best settings are kept."""

    @property
    def decoder(self) -> Decoder[Any]: ...

    @property
    def figures(self) -> Sequence[str]: ...

    @property
    def num_videos(self) -> int: ...


class Elsewhere(Protocol):
    """Machines that replay and score the settings of a problem in place of this one."""

    def select(self, videos: NDArray[np.int64]) -> Elsewhere:
        """The same for some of the videos, in the order given."""

    def sweeps(self, jobs: Sequence[SweepJob]) -> Iterator[tuple[int, SweepPart]]:
        """What :func:`.swept.swept` gives of each job, one job after the other, with its number."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A decoder, its inputs, and annotations of the same N videos in the same order.

    Where memory does not hold the scores, the inputs are read in blocks, and nothing that is found depends on it.
    ``expected`` is how many videos the split has, ``available`` how many of them the store scores. ``elsewhere`` are
    the machines that sweep settings, None for this one.
    """

    decoder: Decoder[Any]
    inputs: Inputs | InputBlocks
    target: Target
    annotations: Annotations
    expected: int
    available: int
    elsewhere: Elsewhere | None = None
    memory: int = BLOCK_MEMORY
    """Bytes that scores may take in memory, with what is copied of them to work on parts of the videos."""

    @property
    def videos(self) -> ScoreBundle:
        """The videos, their segments and the labels; without the arrays where memory does not hold the scores."""
        return self.inputs.scores

    @property
    def bundle(self) -> ScoreBundle:
        """The scores, in memory: those that are read in blocks are all read."""
        return self.inputs.whole().scores if isinstance(self.inputs, InputBlocks) else self.inputs.scores

    @property
    def figures(self) -> Sequence[str]:
        """Names of the figures of a setting."""
        return self.target.names

    @property
    def num_videos(self) -> int:
        return self.videos.num_videos

    def select(self, videos: Sequence[int] | NDArray[np.int64]) -> Problem:
        """The same on some of the videos, in the order given."""
        chosen = np.asarray(videos, np.int64)
        return replace(
            self,
            inputs=self.inputs.select(chosen),
            target=self.target.select(chosen),
            annotations=self.annotations.select(chosen.tolist()),
            elsewhere=None if self.elsewhere is None else self.elsewhere.select(chosen),
        )

    def select_each(self, parts: Sequence[NDArray[np.int64]]) -> list[Problem]:
        """The same on each of some parts of the videos. Where memory does not hold a copy of all of these beside the
        whole, they are copied block by block when they are replayed; nothing that is found depends on it."""
        whole = self
        if isinstance(self.inputs, Inputs):
            sizes = bytes_per_video(self.inputs)
            left = self.memory - int(sizes.sum())
            if sum(int(sizes[part].sum()) for part in parts) > left:
                whole = replace(self, inputs=blocks_in_memory(self.inputs, max(left, self.memory // SHARES)))
        return [whole.select(part) for part in parts]


@dataclass(frozen=True, eq=False)
class SweepJob:
    """Settings of a table, from ``begin`` on, to be scored on the videos of a problem, or on subsets of them."""

    problem: Problem
    table: ParamTable[Any]
    objective: Objective
    subsets: Sequence[NDArray[np.int64]] | None = None
    begin: int = 0


def class_stratified(annotations: Annotations, count: int, seed: int) -> list[int]:
    """``count`` videos in which each class is about as frequent as among all, in the order of the annotations.

    Drawn at random; then, as long as that brings the numbers of videos of the classes nearer to their share
    (chi-square distance), the video whose loss costs least is exchanged for the one whose gain helps most.
    """
    total = len(annotations.video_ids)
    if count >= total:
        return list(range(total))
    events = annotations.events
    owner = np.repeat(np.arange(total), np.diff(events.starts[::3]))
    has = np.zeros((total, len(annotations.labels)))
    has[owner, events.label] = 1
    owed = has.sum(axis=0) * (count / total)
    has, owed = has[:, owed > 0], owed[owed > 0]
    shuffled = np.random.default_rng(seed).permutation(total)
    # rows of `has` in the order drawn, so that which of equally good videos comes first is random too
    has = has[shuffled]
    inside = np.arange(total) < count
    over = has[inside].sum(axis=0) - owed
    while True:
        out = _nearest(over, -has, inside, owed)
        without = over - has[out]
        new = _nearest(without, has, ~inside, owed)
        changed = without + has[new]
        if (changed**2 / owed).sum() >= (over**2 / owed).sum() - 1e-9:
            return sorted(shuffled[inside].tolist())
        inside[[out, new]] = False, True
        over = changed


def _nearest(over: NDArray[Any], change: NDArray[Any], allowed: NDArray[np.bool_], owed: NDArray[Any]) -> int:
    """The allowed row of ``change`` (N, C) that brings ``over`` (C,) nearest to zero, the first of equals."""
    rows = np.flatnonzero(allowed)
    # rounded, so that rows that are equal but for the order of summation count as equal
    return int(rows[np.argmin(np.round(((over + change[rows]) ** 2 / owed).sum(axis=1), 9))])


def make_problem(
    inputs: Inputs | InputBlocks | ScoreBundle,
    annotations: Annotations,
    videos: int | None = None,
    seed: int = 0,
    *,
    decoder: Decoder[Any] | None = None,
    profile: str = "release",
    metrics: str | Metric = "auto",
) -> Problem:
    """Bring a store's scores and a split together, all of it or ``videos`` class-stratified ones.

    Of blocks only these videos are read: at once where memory holds them.

    ``decoder`` is AV²A's by default; ``metrics`` is what scores its events: ``auto`` for the dataset's own.

    Raises
    ------
    DataError
        no video in common, a label of the store that the annotations do not have, other segment lengths than those of
        what is annotated by the segment
    UsageError
        fewer than one video asked for, an unknown metric
    """
    given = Inputs(inputs) if isinstance(inputs, ScoreBundle) else inputs
    bundle = given.scores
    if videos is not None and videos < 1:
        raise UsageError(f"a search needs at least one video; got {videos}")
    at = np.array(annotations.match(bundle.video_ids), np.int64)
    annotated = np.flatnonzero(at >= 0)
    expected = len(annotations.video_ids)
    if len(annotated) == 0:
        raise DataError(
            f"none of the {bundle.num_videos} videos of the store is annotated in {annotations.source} "
            f"({annotations.split}); check the dataset and the split"
        )
    order = annotated[np.argsort(at[annotated], kind="stable")]
    common = annotations.select(at[order].tolist())
    scores = given.select(order)
    if videos is not None and videos < len(order):
        chosen = class_stratified(common, videos, seed)
        common, scores = common.select(chosen), scores.select(chosen)
    seconds, segment_seconds = common.seconds, scores.scores.segment_seconds
    other = np.flatnonzero(~np.isclose(seconds, segment_seconds, rtol=1e-6, atol=0))
    if len(other) and common.durations is not None:
        common = in_segments_of(common, segment_seconds)
    elif len(other):
        raise DataError(
            f"the store has segments of {segment_seconds:g} s, and video {common.video_ids[other[0]]!r} is "
            f"annotated in segments of {seconds[other[0]]:g} s; extract it in segments of that length"
        )
    if isinstance(scores, InputBlocks):
        scores = scores.held()
    cut = bool((scores.scores.segments_per_video != common.segments_per_video).any())
    metric = metrics if isinstance(metrics, Metric) else metric_of(common, metrics)
    target = Target(metric.configured(profile), common.truth(), _label_map(bundle, common), cut)
    memory = given.memory if isinstance(given, InputBlocks) else BLOCK_MEMORY
    return Problem(decoder or DECODERS.get("av2a"), scores, target, common, expected, len(order), memory=memory)


def _label_map(bundle: ScoreBundle, annotations: Annotations) -> NDArray[np.int32]:
    index = LabelIndex(annotations.labels, annotations.aliases)
    found = np.array(index.mapping(bundle.labels), np.int32)
    # a name of the background is no label: its events do not count
    unknown = [name for name, i in zip(bundle.labels, found.tolist(), strict=True)
               if i < 0 and folded(name) not in annotations.background]  # fmt: skip
    if unknown:
        name = unknown[0]
        raise DataError(
            f"the store scores a label {name!r} that {annotations.dataset} does not have; give it the dataset's "
            "labels with `avreplay embed-text`"
        )
    return found
