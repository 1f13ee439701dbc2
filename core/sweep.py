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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .decoders.base import Decoder, Inputs
from .errors import DataError, UsageError
from .events import TRACKS, Events
from .params.table import ParamTable
from .registry import failures_of
from .target import Target, weighted_sum

_PAIRS_PER_PART = 65536
"""(setting, video) pairs of a part: some tenths of a second of work. Settings of a part share scores where they select
the same labels, so that many settings of few videos are better than few of many."""
_PARTS_OF_A_THREAD = 8
_PAIRS_OF_FEW = 4096


@dataclass(frozen=True, eq=False)
class SweepPart:
    """Settings ``begin`` to ``begin + b``: figures (b, M) percent, the objective (b,), and each video's part in it
    (b, N), None for a metric that is no mean over videos."""

    begin: int
    figures: NDArray[np.float64]
    objective: NDArray[np.float64]
    per_video: NDArray[np.float64] | None

    def better_of_each_video(
        self, best: NDArray[np.float64], setting: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The best objective of each video so far (N,) and the setting behind it, with this part; the first of equals
        stays. Unchanged for a metric without parts."""
        if self.per_video is None:
            return best, setting
        rows = np.argmax(self.per_video, axis=0)
        values = self.per_video[rows, np.arange(len(rows))]
        gain = values > best
        return np.where(gain, values, best), np.where(gain, self.begin + rows, setting)


def sweep(
    decoder: Decoder[Any],
    inputs: Inputs,
    table: ParamTable[Any],
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
    decoder : what replays them
    inputs : scores of N videos, and what else the decoder reads
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
    videos = inputs.scores.num_videos
    if videos == 0:
        raise DataError("there is no video to search on; check the split and the ids")
    names = target.names
    if len(weights) != len(names):
        raise UsageError(f"{len(weights)} weights were given for {len(names)} figures")
    if (threads is not None and threads < 1) or (part is not None and part < 1):
        raise UsageError("threads and part must be at least 1")
    workers = threads or os.cpu_count() or 1
    size = part or _settings_in_part(len(table) - begin, videos, workers)
    with failures_of("decoder", decoder, decoder.name):
        events_of = decoder.sweeper(inputs, table, tracks)

    def run(first: int) -> SweepPart:
        last = min(first + size, len(table))
        with failures_of("decoder", decoder, decoder.name):
            events = events_of(first, last)
            if not isinstance(events, Events):
                raise TypeError(f"its sweeper gave {type(events).__name__}, not Events")
            if (events.num_settings, events.num_videos) != (last - first, videos):
                raise ValueError(
                    f"its sweeper gave events of {events.num_settings} settings and {events.num_videos} videos; "
                    f"expected {last - first} and {videos}"
                )
        scores = target.score(events)
        figures = np.ascontiguousarray(scores.values[:, : len(names)])
        per_video = None if scores.per_video is None else weighted_sum(scores.per_video, weights)
        return SweepPart(first, figures, weighted_sum(figures, weights), per_video)

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


def _settings_in_part(settings: int, videos: int, workers: int) -> int:
    """Fewer where there are few settings, so that each thread gets some."""
    share = -(-settings // (_PARTS_OF_A_THREAD * workers))
    return share if 0 < share * videos < _PAIRS_OF_FEW else max(1, _PAIRS_PER_PART // videos)
