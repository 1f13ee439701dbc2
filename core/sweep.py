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
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .bundle import ScoreBundle
from .errors import DataError, UsageError
from .events import TRACKS, Events
from .metrics import METRIC_NAMES, ave_accuracy, llp_f_scores, named_columns
from .ovavel_metrics import OVAVEL_METRIC_NAMES, ovavel_metrics
from .param_table import ParamTable
from .replay import prepare_inputs, replay_records, require_arrays

_PAIRS_PER_PART = 4096
"""(setting, video) pairs of a part: about 40 ms of work, far above what handing it to a thread costs."""


class Target(Protocol):
    """What settings are scored against, on N videos."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the M figures."""

    def score(self, events: Events) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Figures (P, M) and each video's part in them (P, N, M), percent."""


@dataclass(frozen=True, eq=False)
class LlpTarget:
    """The ten LLP figures, :data:`avreplay.core.metrics.METRIC_NAMES`.

    truth : annotated events of N videos; segments : (N,) scored; num_labels : of the annotations
    to_label : (C,) the annotations' index of each label that replay knows
    cut : drop what is predicted beyond the annotated end (only where lengths differ)
    """

    truth: Events
    segments: NDArray[np.int64]
    num_labels: int
    to_label: NDArray[np.int32]
    cut: bool = False
    iou: float = 0.5

    @property
    def names(self) -> tuple[str, ...]:
        return METRIC_NAMES

    def score(self, events: Events) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        fitted = fit_events(events, self.to_label, self.segments if self.cut else None)
        f = llp_f_scores(fitted, self.truth, self.segments, self.num_labels, iou=self.iou)
        return named_columns(100.0 * f.mean(axis=1)), 100.0 * named_columns(f)


@dataclass(frozen=True, eq=False)
class AveTarget:
    """AVE accuracy: one figure, the share of segments whose label is right. Fields as :class:`LlpTarget`."""

    truth: Events
    segments: NDArray[np.int64]
    num_labels: int
    to_label: NDArray[np.int32]
    cut: bool = False
    first_only: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        return ("accuracy",)

    def score(self, events: Events) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        fitted = fit_events(events, self.to_label, self.segments if self.cut else None)
        correct = ave_accuracy(fitted, self.truth, self.segments, self.num_labels, first_only=self.first_only)
        figures = 100.0 * correct.sum(axis=1, keepdims=True) / self.segments.sum()
        return figures, (100.0 * correct / self.segments)[:, :, None]


@dataclass(frozen=True, eq=False)
class OvavelTarget:
    """OV-AVEL's figures over all videos. Fields as :class:`LlpTarget`, and as :func:`ovavel_metrics`."""

    truth: Events
    segments: NDArray[np.int64]
    num_labels: int
    to_label: NDArray[np.int32]
    cut: bool = False
    other: int = -1
    other_is_background: bool = False
    iou: float = 0.5

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"total_{name}" for name in OVAVEL_METRIC_NAMES)

    def score(self, events: Events) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        fitted = fit_events(events, self.to_label, self.segments if self.cut else None)
        m = ovavel_metrics(
            fitted, self.truth, self.segments, self.num_labels,
            other=self.other, other_is_background=self.other_is_background, iou=self.iou,
        )  # fmt: skip
        return m.table(), m.per_video


def fit_events(events: Events, to_label: NDArray[np.int32], limits: NDArray[np.int64] | None) -> Events:
    """Events with other label indices, cut at ``limits`` (N,) segments where given."""
    label = to_label[events.label]
    if limits is None:
        return Events(
            events.num_settings, events.num_videos, events.starts, label, events.onset, events.offset, events.score
        )
    per_row = np.tile(np.repeat(limits, 3), events.num_settings)
    limit = np.repeat(per_row, np.diff(events.starts)).astype(np.int32)
    kept = events.onset < limit
    before = np.concatenate([[0], np.cumsum(kept)])
    return Events(
        events.num_settings, events.num_videos, before[events.starts], label[kept], events.onset[kept],
        np.minimum(events.offset, limit)[kept], events.score[kept],
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class SweepPart:
    """Settings ``begin`` to ``begin + b``: figures (b, M) percent, the objective (b,), and each video's (b, N)."""

    begin: int
    figures: NDArray[np.float64]
    objective: NDArray[np.float64]
    per_video: NDArray[np.float64]


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
