"""A sweep: thousands of settings replayed and scored, streamed in parts of bounded size.

A part is replayed and counted by one thread; parts are given out in order, so that neither threads nor part size
change a bit of the result. Of videos that memory does not hold, the scores are read once for some settings; their
events, which are small, are put together and scored like those of all videos at once.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .confidence import with_confidence
from .decoders.base import Decoder, Inputs
from .decoders.input_blocks import SHARES, InputBlocks
from .errors import DataError, UsageError
from .events import COLUMNS, TRACKS, Events
from .metrics.base import Metric
from .params.table import ParamTable
from .registry import failures_of
from .target import Target, weighted_sum
from .threads import Pool, Task

_PAIRS_PER_PART = 65536
"""(setting, video) pairs of a part: some tenths of a second of work. Settings of a part share scores where they select
the same labels, so that many settings of few videos are better than few of many."""
_PARTS_OF_A_THREAD = 8
_PAIRS_OF_FEW = 4096
_BYTES_A_PAIR = 256
"""Of the events of a setting and video, before any were counted."""

Item = TypeVar("Item")
Result = TypeVar("Result")
EventsOf = Callable[[int, int], Events]
"""The events of the settings from one to another of a table."""
BlocksOf = Callable[[Sequence[range]], Iterator[Sequence[Events]]]
"""For settings in some ranges: of each block of consecutive videos in order, their events, one table a range."""


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
    inputs: Inputs | InputBlocks,
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
    inputs : scores of N videos, and what else the decoder reads; results do not depend on how they come in blocks
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
    if isinstance(inputs, InputBlocks):
        of_blocks = partial(_of_blocks, decoder, inputs, table, tracks, threads, ranked(target.metric))
        yield from sweep_blocks(
            of_blocks, table, target, weights, inputs.memory, begin=begin, threads=threads, part=part
        )
        return
    workers = threads or os.cpu_count() or 1
    size = part or _settings_in_part(len(table) - begin, videos, workers)
    events_of = _sweeper(decoder, inputs, table, tracks, ranked(target.metric))

    def run(first: int) -> SweepPart:
        return _scored(target, weights, len(names), first, events_of(first, min(first + size, len(table))))

    yield from _in_order(run, range(begin, len(table), size), workers, alone=True)


def sweep_blocks(
    blocks_of: BlocksOf,
    table: ParamTable[Any],
    target: Target,
    weights: Sequence[float],
    memory: int,
    *,
    begin: int = 0,
    threads: int | None = None,
    part: int | None = None,
) -> Iterator[SweepPart]:
    """A sweep over videos that memory does not hold: as many settings at a time as it holds events of on all videos.

    Parameters
    ----------
    blocks_of : replays the settings on each block of videos
    memory : in bytes, of which a share is for events
    table, target, weights, begin, threads, part : as :func:`sweep` has them
    """
    workers = threads or os.cpu_count() or 1
    score = partial(_scored, target, weights, len(target.names))
    videos, each, alone = len(target.truth.segments), float(_BYTES_A_PAIR), True
    while begin < len(table):
        pairs = max(_PAIRS_PER_PART, memory / SHARES / each)  # as many as a part in memory at least
        end = min(begin + max(1, int(pairs / videos)), len(table))
        size = part or max(1, -(-(end - begin) // (2 * workers)))
        ranges = [range(first, min(first + size, end)) for first in range(begin, end, size)]
        found: dict[int, list[Events]] = {r.start: [] for r in ranges}
        for block in blocks_of(ranges):
            for r, events in zip(ranges, block, strict=True):
                found[r.start].append(events)
        each = max(1.0, sum(map(_bytes_of, chain.from_iterable(found.values()))) / (end - begin) / videos)
        join = partial(_joined_and_scored, found, score)
        yield from _in_order(join, [r.start for r in ranges], workers, alone=alone)
        begin, alone = end, False


def events_of_block(
    decoder: Decoder[Any],
    inputs: Inputs,
    table: ParamTable[Any],
    ranges: Sequence[range],
    *,
    tracks: Sequence[str] = TRACKS,
    threads: int | None = None,
    alone: bool = True,
    confidence: bool = False,
) -> Iterator[Events]:
    """The events of settings in some ranges of a table on videos in memory, a table for each range, in order.

    ``alone`` : the first range before any thread starts; ``confidence`` : each event with one
    """
    events_of = _sweeper(decoder, inputs, table, tracks, confidence)

    def run(settings: range) -> Events:
        return events_of(settings.start, settings.stop)

    yield from _in_order(run, ranges, threads or os.cpu_count() or 1, alone=alone)


def _of_blocks(
    decoder: Decoder[Any],
    inputs: InputBlocks,
    table: ParamTable[Any],
    tracks: Sequence[str],
    threads: int | None,
    confidence: bool,
    ranges: Sequence[range],
) -> Iterator[list[Events]]:
    for number, block in enumerate(inputs):
        alone = number == 0
        yield list(
            events_of_block(
                decoder, block, table, ranges, tracks=tracks, threads=threads, alone=alone, confidence=confidence
            )
        )


def _joined_and_scored(
    found: dict[int, list[Events]], score: Callable[[int, Events], SweepPart], first: int
) -> SweepPart:
    return score(first, Events.of_videos(found.pop(first)))


def ranked(metric: Metric) -> bool:
    """Whether a metric reads how sure a decoder is of each event, so that a sweep has to say it."""
    return "scores" in metric.reads


def _sweeper(
    decoder: Decoder[Any], inputs: Inputs, table: ParamTable[Any], tracks: Sequence[str], confidence: bool
) -> EventsOf:
    """The decoder's sweeper, of which the events are checked and, where that is asked for, get a confidence."""
    with failures_of("decoder", decoder, decoder.name):
        events_of = decoder.sweeper(inputs, table, tracks)
    videos = inputs.scores.num_videos

    def run(first: int, last: int) -> Events:
        with failures_of("decoder", decoder, decoder.name):
            events = events_of(first, last)
            if not isinstance(events, Events):
                raise TypeError(f"its sweeper gave {type(events).__name__}, not Events")
            if (events.num_settings, events.num_videos) != (last - first, videos):
                raise ValueError(
                    f"its sweeper gave events of {events.num_settings} settings and {events.num_videos} videos; "
                    f"expected {last - first} and {videos}"
                )
        return with_confidence(events, inputs.scores) if confidence else events

    return run


def _scored(target: Target, weights: Sequence[float], names: int, first: int, events: Events) -> SweepPart:
    scores = target.score(events)
    figures = np.ascontiguousarray(scores.values[:, :names])
    per_video = None if scores.per_video is None else weighted_sum(scores.per_video, weights)
    return SweepPart(first, figures, weighted_sum(figures, weights), per_video)


def _in_order(
    run: Callable[[Item], Result], items: Sequence[Item], workers: int, *, alone: bool = False
) -> Iterator[Result]:
    """``run`` of every item, in order, a few ahead of what is taken; ``alone``: the first before any thread starts, so
    that kernels are compiled or loaded then."""
    if workers == 1:
        yield from map(run, items)
        return
    if alone:
        yield from map(run, items[:1])
        items = items[1:]
    pool = Pool(workers)
    waiting: deque[Task[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(run, item))
            if len(waiting) > 3 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(drop=True)


def _bytes_of(events: Events) -> int:
    columns = [getattr(events, name) for name in ("starts", *COLUMNS)]
    return sum(column.nbytes for column in columns if column is not None)


def _settings_in_part(settings: int, videos: int, workers: int) -> int:
    """Fewer where there are few settings, so that each thread gets some."""
    share = -(-settings // (_PARTS_OF_A_THREAD * workers))
    return share if 0 < share * videos < _PAIRS_OF_FEW else max(1, _PAIRS_PER_PART // videos)
