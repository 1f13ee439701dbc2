"""Running the kernel of thresholds and change-point boxes: settings as columns, videos in shares of the threads."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..bundle import ScoreBundle
from ..errors import DataError, did_you_mean, shown
from ..events import TRACKS, Events
from ..kernels.by_reference import ByReference
from ..kernels.steps import NONE, ORDERED, StepEvents, StepInputs, StepSettings, StepTraces, StepWork, decode_steps
from ..params.needs import needed_arrays, refuse_one_label
from ..params.steps import EDGES, ScoredParams, ThresholdParams, check_median
from ..params.table import ParamTable
from ..threads import Pool
from .base import Replay, Trace
from .segment_events import competing_labels, frozen
from .shares import shares

_NORMS = ("zscore", "sigmoid", "none")
_FUSIONS = ("score", "min", "late", "given")
_VIDEOS_A_THREAD = 16
"""Shares of fewer videos are not worth a thread."""

_EVENTS_A_PAIR = 8
"""Room made for the events of a setting and video; where it does not do, the rest is decoded with more."""

Column = Callable[[str], NDArray[Any]]
"""The values (P,) of an option in some settings."""


class _Found(NamedTuple):
    """What a kernel call, or several, found in some videos: events, and where those of each are."""

    events: list[StepEvents]
    first: NDArray[np.int64]
    counts: NDArray[np.int64]


def thresholds_of(params: ScoredParams, labels: Sequence[str]) -> NDArray[np.float64] | None:
    """The thresholds (C,) of single labels, NaN for a label without one; None where a setting gives none.

    Raises: DataError for a name that is no label, or a list of another length.
    """
    if not params.label_thresholds:
        return None
    given: Any = json.loads(params.label_thresholds)
    if isinstance(given, list):
        if len(given) != len(labels):
            raise DataError(
                f"label_thresholds holds {len(given)} numbers and the scores {len(labels)} labels; give one for each "
                "label, or name the labels"
            )
        return np.array(given, np.float64)
    unknown = next((name for name in given if name not in labels), None)
    if unknown is not None:
        raise DataError(
            f"label_thresholds names {shown(unknown)}, which none of the {len(labels)} labels is"
            f"{did_you_mean(unknown, labels)}"
        )
    return np.array([given.get(name, np.nan) for name in labels], np.float64)


def require_steps(scores: ScoreBundle, params: ScoredParams) -> None:
    """Refuse scores that a setting cannot be used on.

    Raises: DataError: no label, one label under ``score_norm=zscore``, thresholds of other labels; UsageError: a median
        of too many segments.
    """
    labels = competing_labels(scores.labels)
    thresholds_of(params, scores.labels)
    if isinstance(params, ThresholdParams):
        check_median(params.median)
    refuse_one_label([scores.labels[c] for c in labels.tolist()], scores.kind, params.score_norm)


def settings_of(params: Sequence[ScoredParams], scores: ScoreBundle) -> StepSettings:
    """Settings as the kernel reads them."""

    def column(name: str) -> NDArray[Any]:
        return np.array([getattr(p, name) for p in params])

    return _columns(column, {f.name for f in fields(params[0])}, len(params), params[0], scores)


def settings_of_table(table: ParamTable[Any], begin: int, end: int, scores: ScoreBundle) -> StepSettings:
    """Settings ``begin`` to ``end`` of a table as the kernel reads them."""

    def column(name: str) -> NDArray[Any]:
        if name in table.columns:
            return table.columns[name][begin:end]
        return np.full(end - begin, getattr(table.base, name))

    return _columns(column, {f.name for f in fields(table.base)}, end - begin, table.base, scores)


def _columns(column: Column, names: set[str], count: int, base: ScoredParams, scores: ScoreBundle) -> StepSettings:
    def numbers(name: str, default: float = 0.0) -> NDArray[np.float64]:
        return np.array(column(name), np.float64) if name in names else np.full(count, default)

    def whole(name: str, default: int = 0) -> NDArray[np.int64]:
        return np.array(column(name), np.int64) if name in names else np.full(count, default, np.int64)

    def words(name: str, choices: Sequence[str]) -> NDArray[np.int64]:
        if name not in names:
            return np.zeros(count, np.int64)
        distinct, at = np.unique(column(name).astype(str), return_inverse=True)
        return np.array([choices.index(word) for word in distinct.tolist()], np.int64)[at.reshape(-1)]

    probabilities = scores.kind == "probability"
    norm = np.full(count, NONE, np.int64) if probabilities else words("score_norm", _NORMS)
    scale, bias = numbers("sigmoid_scale"), numbers("sigmoid_bias")
    same = np.unique(np.stack([norm, scale, bias], axis=1), axis=0, return_inverse=True)[1].reshape(-1)
    thresholds = np.repeat(numbers("threshold")[:, None], scores.num_labels, axis=1)
    distinct, of_setting = np.unique(column("label_thresholds").astype(str), return_inverse=True)
    for i, text in enumerate(distinct.tolist()):
        own = thresholds_of(base.override({"label_thresholds": text}), scores.labels)
        if own is not None:
            rows = of_setting.reshape(-1) == i
            thresholds[rows] = np.where(np.isnan(own), thresholds[rows], own)
    boxes, low = "filter_seconds" in names, numbers("hysteresis_low")
    if not boxes:  # compared with scores that are taken as they are: 0.6 is not above 0.6
        raw = norm == NONE
        thresholds[raw], low[raw] = thresholds[raw].astype(np.float32), low[raw].astype(np.float32)
    return StepSettings(
        order=np.argsort(same, kind="stable").astype(np.int64), scores=same.astype(np.int64), thresholds=thresholds,
        norm=norm, scale=scale, bias=bias, fusion=words("fusion", _FUSIONS), alpha=numbers("alpha"),
        select=whole("select_classes"), tau_f=numbers("tau_f"), hysteresis=whole("hysteresis"),
        low=low, median=whole("median", 1), edge=words("median_edge", EDGES),
        min_length=whole("min_length", 1), max_gap=whole("max_gap"),
        boxes=np.full(count, boxes, np.int64), filter_seconds=numbers("filter_seconds", 1.0),
        merge_abs=numbers("merge_abs"), merge_rel=numbers("merge_rel"),
    )  # fmt: skip


def read_arrays(params: Sequence[ScoredParams], tracks: Sequence[str]) -> set[str]:
    """The arrays of a bundle that settings read."""
    return {name for p in params for names, _ in needed_arrays(p, tracks) for name in names}


def inputs_of(scores: ScoreBundle, read: set[str], tracks: Sequence[str]) -> StepInputs:
    """The scores as the kernel reads them."""
    c = scores.num_labels

    def array(name: str, *empty: int) -> NDArray[Any]:
        held = getattr(scores, name) if name in read else None
        return frozen(np.zeros(empty, np.float32) if held is None else held)

    return StepInputs(
        np.ascontiguousarray(scores.segment_starts), array("audio_segments", 0, c), array("visual_segments", 0, c),
        array("audio_visual_segments", 0, c), array("audio_clip", 0, c), array("visual_clip", 0, 1, c),
        np.array(scores.has_audio), np.array(scores.has_visual), competing_labels(scores.labels),
        np.array([t in tracks for t in TRACKS]),
    )  # fmt: skip


def run_steps(
    inputs: StepInputs, settings: StepSettings, hop: float, *, finer: bool, threads: int = 1, trace: bool = False
) -> Replay:
    """Decode videos under P settings.

    finer : the events have seconds of their own; trace : of one setting
    """
    videos, count = len(inputs.first) - 1, len(settings.order)
    traces = _new_traces(inputs, settings) if trace else None
    workers = max(1, min(threads, -(-videos // _VIDEOS_A_THREAD)))
    parts = shares(videos, workers)

    def run(share: slice) -> _Found:
        return _of_videos(inputs, settings, share, hop, traces)

    if workers == 1:
        done = [run(share) for share in parts]
    else:
        run(slice(0, 0))  # compile or load before any thread starts
        with Pool(workers) as pool:
            done = list(pool.map(run, parts))
    events = _joined(done, count, videos, finer)
    if traces is None:
        return Replay(events)
    return Replay(events, trace=Trace(traces.tau, traces.score, np.full_like(traces.tau, np.nan), traces.active))


def threads_of(threads: int | None) -> int:
    return threads or os.cpu_count() or 1


def _new_traces(inputs: StepInputs, settings: StepSettings) -> StepTraces:
    shape = (3, int(inputs.first[-1]), settings.thresholds.shape[1])
    active = np.zeros((3, len(inputs.first) - 1, shape[2]), np.bool_)
    return StepTraces(np.full(shape, np.nan), np.full(shape, np.nan), active)


def _of_videos(
    inputs: StepInputs, settings: StepSettings, share: slice, hop: float, traces: StepTraces | None
) -> _Found:
    begin, end = share.start, share.stop
    longest = int(np.diff(inputs.first[begin : end + 1]).max(initial=1))
    k, count = len(inputs.competing), len(settings.order)
    work = StepWork(
        np.zeros((3, k, longest)), np.zeros((k, longest)), np.zeros((4, k)), np.zeros((2, k, longest), np.uint8),
        np.zeros(longest, np.uint8), np.zeros(longest), np.zeros(int(settings.median.max(initial=1))),
        np.zeros(3 * longest + 4), np.zeros((3, 3 * longest + 6)),
    )  # fmt: skip
    shape = (end - begin, count, 3)
    first, counts = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    given = ByReference(inputs), ByReference(settings), ByReference(work)
    told = None if traces is None else ByReference(traces)
    found, at, made, room = [], begin, 0, _EVENTS_A_PAIR * shape[0] * count + 64
    while True:
        done = at - begin
        numbers = [np.empty(room, np.int32) for _ in range(3)]
        out = StepEvents(
            numbers[0], numbers[1], numbers[2], np.empty(room), np.empty((room, 2)), first[done:], counts[done:]
        )
        at, used = decode_steps(*given, ByReference(out), at, end, at, hop, told)
        first[done : at - begin] += made
        made += used
        label, onset, offset, score, seconds = (column[:used] for column in out[:5])
        found.append(StepEvents(label, onset, offset, score, seconds, out.first, out.counts))
        if at == end:
            return _Found(found, first, counts)
        room *= 2


def _joined(done: Sequence[_Found], settings: int, videos: int, finer: bool) -> Events:
    """The events setting by setting, video by video, of each track the highest score first, equals as they came."""
    counts, first = np.zeros((settings, videos, 3), np.int64), np.zeros((settings, videos, 3), np.int64)
    at = before = 0
    for one in done:
        place = slice(at, at + len(one.counts))
        counts[:, place] = one.counts.transpose(1, 0, 2)
        first[:, place] = one.first.transpose(1, 0, 2) + before
        at += len(one.counts)
        before += sum(len(part.label) for part in one.events)
    starts = np.zeros(counts.size + 1, np.int64)
    np.cumsum(counts.reshape(-1), out=starts[1:])
    rows = np.arange(starts[-1]) + np.repeat(first.reshape(-1) - starts[:-1], counts.reshape(-1))
    parts = [part for one in done for part in one.events]

    def column(index: int) -> NDArray[Any]:
        joined: NDArray[Any] = np.concatenate([part[index] for part in parts])[rows]
        return joined

    score = column(3)
    for row in np.flatnonzero(counts.reshape(-1) > ORDERED).tolist():
        track = slice(int(starts[row]), int(starts[row + 1]))
        order = np.argsort(-score[track], kind="stable")
        rows[track], score[track] = rows[track][order], score[track][order]
    seconds = column(4) if finer else None
    return Events(settings, videos, starts, column(0), column(1), column(2), score, score, seconds)
