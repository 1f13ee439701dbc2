"""Events from decisions of segments, for decoders that decide segment by segment."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle import ScoreBundle
from ..errors import DataError
from ..events import TRACKS, Events
from ..kernels.segment_runs import find_label_runs, find_mask_runs
from ..threads import Pool
from .shares import shares

Masks = NDArray[np.uint8]
"""(P, 3, S, C), 1 where a segment has the label."""

_BACKGROUND_TEXTS = ("other", "background")
_MASK_BYTES = 1 << 24
"""Of the decisions that are made before they become events."""


def competing_labels(labels: Sequence[str], decoder: str = "", least: int = 1) -> NDArray[np.int64]:
    """Columns (K,) of the labels that are no text of the background.

    ``decoder`` : the name of one that compares each label with the others, where ``least`` is more than one

    Raises: DataError where fewer than ``least`` are left.
    """
    columns = [i for i, name in enumerate(labels) if name.casefold() not in _BACKGROUND_TEXTS]
    if not columns:
        raise DataError("the scores hold no label besides background texts; give some")
    if len(columns) < least:
        left = f"{len(columns)} label" + ("" if len(columns) == 1 else "s")
        raise DataError(
            f"the scores hold {left} besides background texts, and the {decoder} decoder compares each label with the "
            f"others; give {least} at least"
        )
    return np.array(columns, np.int64)


def label_events(
    timelines: NDArray[np.int32], segments_per_video: NDArray[np.int64], tracks: Sequence[str] = TRACKS
) -> Events:
    """Maximal runs of one label as events without a score; timelines (P, K, S) int32 of K tracks, -1 for background."""
    settings, videos = len(timelines), len(segments_per_video)
    counts = np.zeros((settings * videos, len(TRACKS)), np.int64)
    label, onset, offset = (np.empty(timelines.size, np.int32) for _ in range(3))
    first = np.concatenate([np.zeros(1, np.int64), np.cumsum(segments_per_video)])
    which = np.array([TRACKS.index(track) for track in tracks], np.int64)
    found = find_label_runs(frozen(timelines), frozen(which), frozen(first), counts, label, onset, offset)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts.reshape(-1))]).astype(np.int64)
    return Events(
        settings, videos, starts, label[:found].copy(), onset[:found].copy(), offset[:found].copy(),
        np.full(found, np.nan),
    )  # fmt: skip


def mask_events(masks: Masks, segments_per_video: NDArray[np.int64]) -> Events:
    """Maximal runs of decisions, as events without a score; by label in the order of first decisions."""
    settings, videos = len(masks), len(segments_per_video)
    first = np.concatenate([np.zeros(1, np.int64), np.cumsum(segments_per_video)])
    counts = np.zeros((settings * videos, len(TRACKS)), np.int64)
    nothing = np.empty(0, np.int32)
    found = find_mask_runs(frozen(masks), frozen(first), False, counts, nothing, nothing, nothing)
    label, onset, offset = (np.empty(found, np.int32) for _ in range(3))
    find_mask_runs(frozen(masks), frozen(first), True, counts, label, onset, offset)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts.reshape(-1))]).astype(np.int64)
    return Events(settings, videos, starts, label, onset, offset, np.full(found, np.nan))


def decided_events(
    decide: Callable[[slice, slice], Masks],
    settings: int,
    bundle: ScoreBundle,
    tracks: Sequence[str],
    threads: int | None,
) -> Events:
    """Events of what is decided in some settings and videos at a time, so that decisions take little memory.

    Parameters
    ----------
    decide : of some settings and videos, both as slices, the decisions
    settings : how many
    bundle : the videos
    tracks : those that are wanted; the others stay empty
    threads : default: the number of cores; results do not depend on it
    """
    videos, starts = bundle.num_videos, bundle.segment_starts
    each = len(TRACKS) * bundle.num_labels * max(1, int(starts[-1]))
    workers = max(1, min(threads or os.cpu_count() or 1, settings * videos // 64))
    rows = min(max(1, videos), max(-(-each // _MASK_BYTES), 4 * workers if workers > 1 else 1))
    columns = max(1, -(-settings * each // rows // _MASK_BYTES))
    across, down = shares(settings, min(columns, settings)), shares(videos, rows)
    unwanted = [k for k, track in enumerate(TRACKS) if track not in tracks]

    def run(tile: tuple[slice, slice]) -> Events:
        masks = decide(*tile)
        masks[:, unwanted] = 0
        return mask_events(masks, bundle.segments_per_video[tile[1]])

    tiles = [(s, v) for s in across for v in down]
    if workers == 1:
        done = [run(tile) for tile in tiles]
    else:
        first = run(tiles[0])  # kernels are compiled or loaded before any thread starts
        with Pool(workers) as pool:
            done = [first, *pool.map(run, tiles[1:])]
    return Events.joined([Events.of_videos(done[i : i + rows]) for i in range(0, len(done), rows)])


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """A contiguous view that cannot be written to: kernels are compiled once for such arrays, whoever made them."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def both_streams(bundle: ScoreBundle) -> NDArray[np.bool_]:
    """(N,) bool, which videos have sound and pictures."""
    found: NDArray[np.bool_] = bundle.has_audio & bundle.has_visual
    return found
