"""A sweep: thousands of settings replayed and scored, streamed in parts of bounded size.

A part is replayed and counted by one thread; parts are given out in order, so that neither threads nor part size
change a bit of the result.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bundle import ScoreBundle
from .decoders.av2a import prepare_inputs, replay_records, require_arrays
from .errors import DataError, UsageError
from .events import TRACKS
from .params.table import ParamTable
from .sweep_targets import Target

_PAIRS_PER_PART = 4096
"""(setting, video) pairs of a part: about 40 ms of work, far above what handing it to a thread costs."""


@dataclass(frozen=True, eq=False)
class SweepPart:
    """Settings ``begin`` to ``begin + b``: figures (b, M) percent, the objective (b,), and each video's (b, N)."""

    begin: int
    figures: NDArray[np.float64]
    objective: NDArray[np.float64]
    per_video: NDArray[np.float64]

    def better_of_each_video(
        self, best: NDArray[np.float64], setting: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The best objective of each video so far (N,) and the setting behind it, with this part; the first of equals
        stays."""
        rows = np.argmax(self.per_video, axis=0)
        values = self.per_video[rows, np.arange(len(rows))]
        gain = values > best
        return np.where(gain, values, best), np.where(gain, self.begin + rows, setting)


def sweep(
    bundle: ScoreBundle,
    table: ParamTable,
    target: Target,
    weights: Sequence[float],
    *,
    begin: int = 0,
    tracks: Sequence[str] = TRACKS,
    threads: int | None = None,
    part: int | None = None,
) -> Iterator[SweepPart]:
    """Replay and score every setting of a table; memory is that of a few parts, however many settings there are.

    Parameters
    ----------
    bundle : scores of N videos
    table : P settings
    target : what they are scored against, of the same N videos in the same order
    weights : (M,) of the target's figures in the objective
    begin : first setting (to go on where an earlier sweep stopped)
    threads : default: the number of cores; results do not depend on it
    part : settings a part; results do not depend on it

    Raises
    ------
    DataError
        no video, or an array that the settings need is not in the bundle
    UsageError
        weights that do not fit the figures, threads or part below 1
    """
    if bundle.num_videos == 0:
        raise DataError("there is no video to search on; check the split and the ids")
    if len(weights) != len(target.names):
        raise UsageError(f"{len(weights)} weights were given for {len(target.names)} figures")
    if (threads is not None and threads < 1) or (part is not None and part < 1):
        raise UsageError("threads and part must be at least 1")
    workers = threads or os.cpu_count() or 1
    size = part or max(1, _PAIRS_PER_PART // bundle.num_videos)
    used = [(w, i) for i, w in enumerate(weights) if w]

    def run(first: int) -> SweepPart:
        last = min(first + size, len(table))
        records, norms = table.records(first, last, bundle.kind)
        inputs = prepare_inputs(bundle, records, norms, tracks)
        figures, values = target.score(replay_records(inputs, records))
        return SweepPart(first, figures, _weighted(figures, used), _weighted(values, used))

    for i in _one_of_each(table):
        require_arrays(bundle, table.params(i), tracks)
    starts = iter(range(begin, len(table), size))
    first = next(starts, None)
    if first is None:
        return
    yield run(first)  # alone, so that kernels are compiled or loaded before any thread starts
    if workers == 1:
        for s in starts:
            yield run(s)
        return
    pool = ThreadPoolExecutor(workers)
    waiting: deque[Future[SweepPart]] = deque()
    try:
        for s in starts:
            waiting.append(pool.submit(run, s))
            if len(waiting) > 3 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _weighted(values: NDArray[np.float64], used: list[tuple[float, int]]) -> NDArray[np.float64]:
    """Sum over the last axis, term by term: a matrix product may round differently for other part sizes."""
    total = np.zeros(values.shape[:-1])
    for weight, i in used:
        total += weight * values[..., i]
    return total


def _one_of_each(table: ParamTable) -> list[int]:
    """A setting for each combination of options that decides which arrays are needed."""
    deciding = ("method", "fusion", "select_classes", "refine", "audio_scores", "av_scores", "cosine_audio")
    code = np.zeros(len(table), np.int64)
    for name in deciding:
        if name in table.columns:
            distinct, inverse = np.unique(table.columns[name], return_inverse=True)
            code = code * len(distinct) + inverse
    return sorted(np.unique(code, return_index=True)[1].tolist())
