"""A replay into files, block by block: what is in memory is a block of scores and its events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from ..core.events import TRACKS
from .files.predictions_writer import prediction_writer
from .files.trace_writer import trace_writer
from .replay import ReplayBlocks, ReplayResult


@dataclass
class Counted:
    """How many events a replay gave, by track, and how many refinement windows were asked for and not cached."""

    events: dict[str, int]
    windows_asked: int = 0
    windows_pooled: int = 0

    def add(self, result: ReplayResult) -> None:
        for track, count in zip(TRACKS, result.replay.events.of_each_track(), strict=True):
            self.events[track] += count
        self.windows_asked += result.replay.windows_asked
        self.windows_pooled += result.replay.windows_pooled


def write_replay(
    blocks: ReplayBlocks, params: Mapping[str, Any], out: str | None, trace: str | None, *, overwrite: bool = False
) -> Counted:
    """Run a replay of one setting and write its predictions, with these params, and its trace where asked for.

    Of predictions that an interrupted call left in parts, only the others are replayed, and the windows are theirs; a
    trace is written anew. ``overwrite`` replaces the parts of another run.

    Raises: as the replay and the writers do.
    """
    counted, number = Counted(dict.fromkeys(TRACKS, 0)), blocks.inputs.num_videos
    with ExitStack() as opened:
        traced = None if trace is None else opened.enter_context(trace_writer(trace, blocks.trace_of_all()))
        writer, done = None, 0
        if out is not None:
            videos, run = blocks.inputs.scores, {"tracks": sorted(blocks.tracks)}
            writer = opened.enter_context(
                prediction_writer(
                    out,
                    videos.labels,
                    params,
                    videos.video_ids,
                    made_from=blocks.made_from_of(0),
                    run=run,
                    overwrite=overwrite,
                )
            )
            done = writer.done
            counted.events |= writer.events
        if traced is not None and done:
            for result in _apart(blocks.part(0, done)):
                traced.write(result.trace_arrays())
        for result in _apart(blocks.part(done, number)):
            counted.add(result)
            if writer is not None:
                writer.write(replace(result.predictions(), params=params))
            if traced is not None:
                traced.write(result.trace_arrays())
    return counted


def _apart(results: Iterable[ReplayResult]) -> Iterator[ReplayResult]:
    """Results whose replay fails by the system's error, say a library that memory does not hold, as another error: the
    writers take the system's errors for those of their files."""
    try:
        yield from results
    except OSError as error:
        raise RuntimeError(str(error)) from error
