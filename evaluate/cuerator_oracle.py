"""CueRator's search for weights as its authors publish it: the best point of one Sobol sequence for each video (the
oracle, which looks at the annotations of the very video) and for all of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..core.arguments import typed_arguments
from ..core.decoders.base import Inputs, Reads
from ..core.decoders.cuerator import CueratorDecoder, cuerator_votes
from ..core.decoders.input_blocks import parts_of
from ..core.decoders.segment_events import label_events
from ..core.errors import UsageError, shown
from ..core.events import Events
from ..core.metrics.ovavel import OvavelMetric
from ..core.params.cuerator import CUERATOR_BOX, CueratorParams
from ..core.target import Target
from ..core.threads import Pool
from .command_options import ORACLE_SCORES
from .datasets.annotations import Annotations
from .inputs import Source, input_blocks
from .shared_options import check_seed
from .tuning.problem import make_problem
from .tuning.sobol import Sobol

_Scored = tuple[NDArray[np.float32], NDArray[np.float64]]

MOST_POINTS = 1 << 24
"""Weights of one search: a gigabyte of them; the authors try 2^17."""

_VOTES = 1 << 22
"""Of all settings and segments that are looked at together."""


@dataclass(frozen=True, eq=False)
class CueratorOracle:
    """What the search found on N videos with P points.

    Shapes
    ------
    video_ids : N strings
    index : (N,) int64, the first point with the highest score of the video
    weights : (N, 10) float32, that point
    score : (N,) float32, 0 to 1
    mean_accuracy : (P,) float64, frame accuracy of each point, mean over videos
    events : of each video under its own point
    figures : what these score, percent, by name: a bound that no setting reaches which does not know the annotations
    """

    video_ids: tuple[str, ...]
    index: NDArray[np.int64]
    weights: NDArray[np.float32]
    score: NDArray[np.float32]
    mean_accuracy: NDArray[np.float64]
    points: NDArray[np.float32] = field(repr=False)
    events: Events = field(repr=False)
    figures: Mapping[str, float] = field(repr=False)

    @property
    def best(self) -> int:
        """The first point with the highest mean accuracy: the one setting for all videos."""
        return int(np.argmax(self.mean_accuracy))

    def params(self, video: int | None = None) -> CueratorParams:
        """The weights of one video by its position, or those for all."""
        row = self.points[self.best] if video is None else self.weights[video]
        return CueratorParams(*map(float, row))


@typed_arguments
def cuerator_oracle(
    source: Source,
    annotations: Annotations,
    *,
    score: str = "frame_acc",
    points: int = 1 << 17,
    seed: int = 42,
    scores: str | None = None,
    threads: int | None = None,
) -> CueratorOracle:
    """The best weights of CueRator's rule for each annotated video, and for all, among points of the published box.

    The default is what the authors run: frame accuracy, 2^17 points of SciPy's scrambled Sobol sequence of seed 42.
    The same points score every video; the first of equally good ones is taken.

    Parameters
    ----------
    source : a store or a score bundle
    annotations : of a split
    score : what is highest for each video: ``frame_acc``, the share of segments with the right class; ``fa_seg``, its
        mean with the segment F; ``avg``, the mean of both and the event F
    points : how many, a power of two as the sequence is best at
    scores : a score set of the store
    threads : default: the number of cores; results do not depend on it

    Raises
    ------
    UsageError
        an unknown score, fewer than one point or thread, a seed out of range
    DataError
        as a replay does; no video in common
    """
    if score not in ORACLE_SCORES:
        raise UsageError(f"score is {shown(score)}; it must be one of {', '.join(ORACLE_SCORES)}")
    if points < 1 or (threads is not None and threads < 1):
        raise UsageError("points and threads must be at least 1")
    if points > MOST_POINTS:
        raise UsageError(f"points is {points}; at most {MOST_POINTS} weights are tried")
    check_seed(seed)
    inputs = input_blocks(source, Reads("cosine"), scores)
    problem = make_problem(inputs, annotations, decoder=CueratorDecoder(), metrics=OvavelMetric())
    low, high = np.array(list(CUERATOR_BOX.values())).T
    grid = (Sobol(len(low), seed).points(0, points) * (high - low) + low).astype(np.float32)
    index, best, total = [], [], np.zeros(points)
    tables = []
    with Pool(threads or os.cpu_count() or 1) as pool:
        for videos, part in parts_of(problem.inputs):
            target = problem.target.select(np.arange(videos.start, videos.stop))
            at, value, sums = _search(part, target, grid, score, pool)
            index.append(at)
            best.append(value)
            total += sums
            tables.append(_own_events(part, grid[at]))
    found, events = np.concatenate(index), Events.of_videos(tables)
    values = problem.target.score(events).values[0].tolist()
    return CueratorOracle(
        problem.videos.video_ids, found, grid[found], np.concatenate(best), total / problem.num_videos, grid, events,
        dict(zip(problem.target.names, values, strict=True)),
    )  # fmt: skip


def _search(
    part: Inputs, target: Target, grid: NDArray[np.float32], score: str, pool: Pool
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float64]]:
    """Of some videos: index of the best point, its score, and the sum of the accuracies of each point."""
    videos, segments = part.scores.num_videos, int(part.scores.segments_per_video.sum())
    size = max(1, _VOTES // max(1, segments))
    begins = range(0, len(grid), size)

    def run(begin: int) -> _Scored:
        return _scored(part, target, grid[begin : begin + size], score)

    at, best = np.zeros(videos, np.int64), np.full(videos, -1, np.float32)
    sums = []
    for begin, (values, of_points) in zip(begins, _ahead(run, begins, pool), strict=True):
        first = values.argmax(axis=0)
        highest = values[first, np.arange(videos)]
        better = highest > best
        at, best = np.where(better, begin + first, at), np.where(better, highest, best)
        sums.append(of_points)
    return at, best, np.concatenate(sums)


def _ahead(run: Callable[[int], _Scored], begins: range, pool: Pool) -> Iterator[_Scored]:
    yield run(begins[0])  # kernels are compiled or loaded before any thread starts
    yield from pool.map(run, begins[1:])


def _scored(part: Inputs, target: Target, points: NDArray[np.float32], score: str) -> _Scored:
    """Scores (P, N) of some points, and the sums of the accuracies (P,) over the videos; in float32 as released."""
    votes = cuerator_votes(part.scores, points)[:, 2:]
    events = label_events(votes, part.scores.segments_per_video, ("audio_visual",))
    found = target.score(events).per_video
    assert found is not None
    accuracy = (found[..., 0] / 100).astype(np.float32)
    if score == "frame_acc":
        values = accuracy
    elif score == "fa_seg":
        values = (accuracy + (found[..., 1] / 100).astype(np.float32)) / np.float32(2)
    else:
        values = (found[..., 3] / 100).astype(np.float32)
    return values, accuracy.astype(np.float64).sum(axis=1)


def _own_events(part: Inputs, weights: NDArray[np.float32]) -> Events:
    """The events of each video under its own weights (N, 10)."""
    decoder, settings = CueratorDecoder(), [CueratorParams(*map(float, row)) for row in weights]
    parts = [decoder.decode(part.select([v]), params) for v, params in enumerate(settings)]
    return Events.of_videos(parts)
