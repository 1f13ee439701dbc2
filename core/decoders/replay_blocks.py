"""Replay in blocks of settings and videos, and their events put in order: setting by setting, video by video."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..events import Events
from ..kernels.by_reference import ByReference
from ..kernels.replay import ReplayInputs, ReplayOutput, TraceArrays, replay_block
from ..kernels.scratch import new_every_scratch, new_filter_scratch, new_scratch
from ..kernels.word_ratio import MOST, SEGMENTS
from ..params.records import NUMBERS
from .shares import shares

_FREE = {*NUMBERS, "beta"}
"""Fields of a record in which settings of one kind may differ."""


@dataclass(frozen=True, eq=False)
class Block:
    """What a kernel call, or several, made of some settings and videos: events, and where those of each pair are."""

    settings: slice
    videos: slice
    parts: list[ReplayOutput]
    counts: NDArray[np.int32]  # (videos, settings, 3)
    first: NDArray[np.int64]  # (videos, settings, 3), from the first of the parts on
    window_counts: NDArray[np.int64]


SETTINGS_A_BLOCK = 512
"""Settings of one kernel call: more share no more, and take memory."""

EVENTS_A_PAIR = 12
"""Room made for the events of a setting and video; where it does not do, the rest is replayed with more."""


def tiles_of(settings: int, videos: int, workers: int) -> list[tuple[slice, slice]]:
    """Blocks of settings and videos, some for each worker; one video and many settings are shared out too."""
    wanted = workers * (4 if workers > 1 else 1)
    rows = min(max(wanted, 1), max(videos, 1))
    columns = min(settings, max(-(-settings // SETTINGS_A_BLOCK), -(-wanted // rows)))
    return [(s, v) for s in shares(settings, columns) for v in shares(videos, rows)]


def _kinds(records: np.ndarray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Settings in the order of their kind, and where each kind begins: those of a kind differ in numbers alone."""
    code = np.zeros(len(records), np.int64)
    for name in (records.dtype.names or ()) if len(records) > 1 else ():
        column = records[name]
        if name not in _FREE and (column != column[0]).any():
            _, code = np.unique(code * len(records) + np.unique(column, return_inverse=True)[1], return_inverse=True)
    order = np.argsort(code, kind="stable").astype(np.int64)
    edges = np.flatnonzero(np.diff(code[order], prepend=-1, append=-1))
    return order, edges.astype(np.int64)


class Parts(NamedTuple):
    """Which parts of the kernel the settings and videos of a run can need: each pair is compiled at its first use, so
    the same for all blocks of a run."""

    every_label: bool
    inverse: bool
    filters: bool


def parts_of(inputs: ReplayInputs, records: np.ndarray) -> Parts:
    """What :mod:`avreplay.core.kernels.firing_words` has no room for follows every label."""
    moving, shifting = records["moving"] != 0, records["label_shift"] != 0
    longest = int(np.diff(inputs.first).max(initial=0))
    every = (moving & ~shifting).any() or (moving.any() and (len(inputs.rank) > MOST or longest > SEGMENTS))
    filters = (records["median"] > 1) | (records["hysteresis_drop"] > 0)
    return Parts(bool(every), bool(records["pinv"].any()), bool(filters.any()))


def run_block(
    inputs: ReplayInputs, records: np.ndarray, parts: Parts, settings: slice, videos: slice, traces: TraceArrays | None
) -> Block:
    """Replay some settings on some videos.

    inputs : the scores of all videos; records : all settings; parts : as :func:`parts_of` gives for these
    settings, videos : the block; traces : takes what happened inside, or None
    """
    records = records[settings]
    order, kinds = _kinds(records)
    shape = (videos.stop - videos.start, len(records), 3)
    counts, first, window_counts = np.zeros(shape, np.int32), np.zeros(shape, np.int64), np.zeros(2, np.int64)
    at, room, made = videos.start, EVENTS_A_PAIR * shape[0] * shape[1] + 64, 0
    labels = len(inputs.rank)
    longest = int(np.diff(inputs.first[videos.start : videos.stop + 1]).max(initial=1))
    scratch = new_scratch(longest, labels, inputs.window_visual.shape[1], len(records))
    every = ByReference(new_every_scratch(longest, labels)) if parts.every_label else None
    pinv_work = np.empty((2, min(longest, labels) + 1, labels)) if parts.inverse else None
    filters = None
    if parts.filters:
        filters = ByReference(new_filter_scratch(longest, labels, int(records["median"].max(initial=1))))
    inputs_at, scratch_at = ByReference(inputs), ByReference(scratch)
    traces_at = None if traces is None else ByReference(traces)
    outputs: list[ReplayOutput] = []
    while True:
        done = at - videos.start
        scratch.memo_key[:] = -1
        out = ReplayOutput(
            np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room),
            counts[done:], first[done:], window_counts,
        )  # fmt: skip
        stop, used = replay_block(
            inputs_at, records, order, kinds, at, videos.stop, ByReference(out), scratch_at, every, pinv_work, filters,
            traces_at,
        )  # fmt: skip
        first[done : stop - videos.start] += made
        made += used
        label, onset, offset, score = (x[:used] for x in out[:4])
        outputs.append(ReplayOutput(label, onset, offset, score, out.counts, out.first, out.window_counts))
        if stop == videos.stop:
            return Block(settings, videos, outputs, counts, first, window_counts)
        at, room = stop, 2 * room


def joined(done: list[Block], settings: int, videos: int) -> Events:
    counts = np.zeros((settings, videos, 3), np.int64)
    first = np.zeros((settings, videos, 3), np.int64)
    before = 0
    for block in done:
        place = block.settings, block.videos
        counts[place] = block.counts.transpose(1, 0, 2)
        first[place] = block.first.transpose(1, 0, 2)
        first[place] += before
        before += sum(len(p.label) for p in block.parts)
    starts = np.zeros(counts.size + 1, np.int64)
    np.cumsum(counts.reshape(-1), out=starts[1:])
    moved = first.reshape(-1) - starts[:-1]
    rows = None
    if before != starts[-1] or moved[counts.reshape(-1) > 0].any():
        rows = np.arange(starts[-1]) + np.repeat(moved, counts.reshape(-1))

    def column(field: str) -> NDArray[Any]:
        arrays = [getattr(p, field) for block in done for p in block.parts]
        array = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
        return array if rows is None else array[rows]

    return Events(settings, videos, starts, *(column(name) for name in ("label", "onset", "offset", "score")))
