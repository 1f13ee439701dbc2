"""Figures over one parameter as functions that are constant between breakpoints: exact, without a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..bundle import ScoreBundle
from ..decoders.av2a import prepare_inputs
from ..decoders.base import Decoder, Inputs
from ..decoders.input_blocks import InputBlocks, parts_of
from ..errors import DataError
from ..events import TRACKS
from ..params.av2a import Params
from ..params.records import to_records
from ..params.table import ParamTable
from ..reference import fuse
from ..target import Target
from .axes import require_exact
from .regions import JointRegions
from .threads import Step, in_threads

Changes = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]
"""Where figures of videos change: (U,) positions, (U,) videos, (U, K) by how much."""


@dataclass(frozen=True, eq=False)
class StepCurves:
    """K figures of N videos over one parameter in [0, 1], constant between their breakpoints.

    Attributes
    ----------
    name : the parameter
    names : the K figures
    base : (N, K) float64, percent, below the first breakpoint
    weights : (N,) float64, of the videos in the means
    position : (U,) float64, rising: from each on (inclusive) a video has other figures
    owner : (U,) int64, which video
    change : (U, K) float64, by how much
    single : whether a value is rounded to float32 before it is compared
    """

    name: str
    names: tuple[str, ...]
    base: NDArray[np.float64]
    weights: NDArray[np.float64]
    position: NDArray[np.float64]
    owner: NDArray[np.int64]
    change: NDArray[np.float64]
    single: bool

    @classmethod
    def of(
        cls,
        name: str,
        names: tuple[str, ...],
        base: NDArray[np.float64],
        weights: NDArray[np.float64],
        changes: Sequence[Changes],
        single: bool,
    ) -> StepCurves:
        """Curves of the sum of several functions of each video."""
        position, owner, change = (np.concatenate([c[i] for c in changes]) for i in range(3))
        kept = (change != 0).any(axis=1)
        order = np.argsort(position[kept], kind="stable")
        return cls(name, names, base, weights, position[kept][order], owner[kept][order], change[kept][order], single)

    def breakpoints(self) -> NDArray[np.float64]:
        """(B,) where a curve may change, rising, from 0 on."""
        return np.unique(np.concatenate([np.zeros(1), self.position]))

    def at(self, values: ArrayLike, times: ArrayLike | None = None) -> NDArray[np.float64]:
        """(G, K) the figures at some values of the parameter (G,); ``times`` (N,) says how often each video counts,
        once by default (a bootstrap gives the counts of a resample)."""
        counts = self.weights * (1 if times is None else np.asarray(times, np.int64))
        asked = np.asarray(values, np.float32 if self.single else np.float64).astype(np.float64)
        sums = np.zeros((len(self.position) + 1, len(self.names)))
        np.cumsum(self.change * counts[self.owner, None], axis=0, out=sums[1:])
        start = (counts[:, None] * self.base).sum(axis=0)
        found: NDArray[np.float64] = start + sums[np.searchsorted(self.position, asked, "right")]
        found /= counts.sum()
        return found

    def of_each(self, values: ArrayLike) -> NDArray[np.float64]:
        """(N, G, K) each video's part in the figures at some rising values of the parameter (G,)."""
        asked = np.asarray(values, np.float32 if self.single else np.float64).astype(np.float64)
        found = np.zeros((len(self.base), len(asked) + 1, len(self.names)))
        np.add.at(found, (self.owner, np.searchsorted(asked, self.position, "left")), self.change)
        return np.cumsum(found, axis=1)[:, :-1] + self.base[:, None]

    def curve(self, times: ArrayLike | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(B,) breakpoints and (B, K) the figures from each to the next; ``times`` as in :meth:`at`."""
        edges = self.breakpoints()
        return edges, replace(self, single=False).at(edges, times)


def cell_changes(regions: JointRegions, values: NDArray[np.float64], tau_r: float) -> Changes:
    """Changes over tau0 at one tau_r, of values (M, K) of the combinations."""
    within = np.add.reduceat((regions.piece_start <= tau_r).astype(np.int64), regions.piece_first[:-1])
    of_cell = values[regions.piece_combination[regions.piece_first[:-1] + within - 1]]
    return _differences(regions.cell_start, of_cell, regions.cell_first)


def piece_changes(regions: JointRegions, values: NDArray[np.float64], tau0: float) -> Changes:
    """Changes over tau_r at one tau0, of values (M, K) of the combinations."""
    within = np.add.reduceat((regions.cell_start <= tau0).astype(np.int64), regions.cell_first[:-1])
    cell = regions.cell_first[:-1] + within - 1
    first, size = regions.piece_first[cell], regions.piece_first[cell + 1] - regions.piece_first[cell]
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(size)])
    rows = np.arange(starts[-1]) + np.repeat(first - starts[:-1], size)
    return _differences(regions.piece_start[rows], values[regions.piece_combination[rows]], starts)


def _differences(position: NDArray[np.float64], values: NDArray[np.float64], first: NDArray[np.int64]) -> Changes:
    """Changes of functions given by their values (B, K) from each position on; video v has rows first[v] to
    first[v + 1]."""
    change = np.diff(values, axis=0, prepend=np.zeros((1, values.shape[1])))
    change[first[:-1]] = values[first[:-1]]
    return position, np.repeat(np.arange(len(first) - 1), np.diff(first)), change


def tau_f_curves(
    decoder: Decoder[Any],
    inputs: Inputs | InputBlocks,
    params: Params,
    target: Target,
    *,
    threads: int | None = None,
    step: Step = lambda *_: None,
) -> StepCurves:
    """All figures over tau_f in [0, 1], with the other options as in ``params``.

    The labels' clip scores are the breakpoints: each video is replayed once for every set of labels that it can have.

    Parameters
    ----------
    decoder : AV²A
    inputs : scores of N videos
    params : the other options
    target : what the events are scored against, of the same N videos in the same order
    threads : default: the number of cores; results do not depend on it
    step : called with the number of videos that are done, and of all

    Raises: as :func:`avreplay.core.exact.response.exact_response`.
    """
    params = require_exact(decoder, params, target.metric, ("tau_f",))
    if inputs.scores.num_videos == 0:
        raise DataError("there is no video to score; check the split and the ids")
    single = params.precision == "float32"
    starts: list[NDArray[np.float64]] = []
    found: list[tuple[NDArray[np.float64], float]] = []
    for videos, block in parts_of(inputs):
        decoder.require(block.scores, params)
        of_block = label_scores(block.scores, params)

        def run(v: int, block: Inputs = block, of: Any = of_block, first: int = videos.start) -> Any:
            return _of_video(decoder, block.select([v]), params, target.select([first + v]), _inside(of[v], single))

        report = partial(_overall, step, videos.start, inputs.scores.num_videos)
        found += in_threads(run, range(len(of_block)), threads, report)
        starts += of_block
    first = np.concatenate([np.zeros(1, np.int64), np.cumsum([len(s) for s in starts])])
    changes = _differences(np.concatenate(starts), np.concatenate([values for values, _ in found]), first)
    base, weights = np.zeros((len(starts), len(target.names))), np.array([weight for _, weight in found])
    return StepCurves.of("tau_f", target.names, base, weights, [changes], single)


def _overall(step: Step, before: int, of: int, done: int, _: int) -> None:
    step(before + done, of)


def _of_video(
    decoder: Decoder[Any], one: Inputs, params: Params, target: Target, values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """The figures of one video (P, K) at P values of tau_f, and its weight in the means."""
    table = ParamTable(params, {"tau_f": values})
    scores = target.score(decoder.sweeper(one, table)(0, len(table)))
    assert scores.per_video is not None
    weight = 1.0 if scores.weights is None else float(scores.weights[0])
    if weight == 0:
        return np.zeros((len(values), len(target.names))), weight
    if np.isnan(scores.per_video).any():
        raise DataError(
            f"a figure of {target.metric.name} is undefined for video {one.scores.video_ids[0]!r} at some settings; "
            "leave the video or the figure out"
        )
    return scores.per_video[:, 0], weight


def label_scores(bundle: ScoreBundle, params: Params) -> list[NDArray[np.float64]]:
    """For each video, where in [0, 1] the selected labels of any track change, from 0 on."""
    if not params.select_classes:
        return [np.zeros(1)] * bundle.num_videos
    records, norms = to_records([params], bundle.kind)
    audio, visual = np.moveaxis(prepare_inputs(bundle, records, norms, TRACKS).clip[0], 1, 0)
    found = []
    for v in range(bundle.num_videos):
        both = fuse(audio[v], visual[v], params)
        scores = np.unique(np.concatenate([audio[v], visual[v], both]))
        found.append(np.concatenate([np.zeros(1), scores[(scores > 0) & (scores <= 1)]]))
    return found


def _inside(starts: NDArray[np.float64], single: bool) -> NDArray[np.float64]:
    """A value in every piece [start, next start), the middle if float32 can hold it."""
    ends = np.append(starts[1:], 1.0)
    middle = (starts + ends) / 2
    if single:
        middle = middle.astype(np.float32).astype(np.float64)
    return np.where((middle >= starts) & (middle < ends), middle, starts)
