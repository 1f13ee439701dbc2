"""From predictions and annotations to the data of a report."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.reading.npz_file import open_npz
from ...core.arguments import typed_arguments
from ...core.bundle_checks import check_shape, counts, refuse_duplicates
from ...core.errors import DataError, UsageError
from ...core.events import TRACKS
from ...core.labels import LabelIndex
from ...core.metrics.base import Metric
from ...core.names import names_of
from ..datasets.annotations import Annotations
from ..datasets.registry import metric_of, paper_row
from ..files.predictions import Predictions, align
from ..made_from import made_from_text, refuse_other, toy_note
from ..scoring import Evaluation, evaluate_predictions
from .candidates import CANDIDATES, aligned_candidates, candidates_of, check_candidates
from .page import ReportData, ReportRun, Trace
from .without_truth import of_runs

_DTYPES = {"f": "float64", "b": "bool"}
_PARTS = {"tau": "f", "score": "f", "ratio": "f", "active": "b"}
"""What a trace has of each track, and the kind of its numbers."""


def read_trace(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """The arrays of a trace file written by ``replay --trace``: ``video_ids``, ``labels``, ``segments_per_video``,
    ``file``, ``made_from`` where it has that, per track ``_tau``, ``_score``, ``_ratio`` (S, C) and ``_active`` (N, C),
    and ``candidates_...`` where it has those (:meth:`avreplay.ReplayResult.trace_arrays`).

    Raises: DataError where it is not one, is damaged, or its arrays do not fit each other.
    """
    arrays: dict[str, NDArray[Any]] = {}
    wanted = ["video_ids", "labels", "segments_per_video", *(f"{track}_{part}" for track in TRACKS for part in _PARTS)]
    with open_npz(path, "trace") as file:
        for name in wanted:
            if name not in file.names:
                raise DataError(f"{file.path} is not a trace: it has no {name}; write one with `replay --trace`")
            arrays[name] = file.read(name)
        made = file.read("made_from") if "made_from" in file.names else None
        candidates = {name: file.read(name) for name in CANDIDATES if CANDIDATES[0] in file.names}
    try:
        arrays["file"] = np.array(file.path)
        if made is not None:
            arrays["made_from"] = made
            made_from_text(made, file.path)
        ids, labels = (names_of(arrays[name], name) for name in ("video_ids", "labels"))
        refuse_duplicates(ids, "video id")
        refuse_duplicates(labels, "label")
        arrays["video_ids"], arrays["labels"] = np.array(ids, str), np.array(labels, str)
        arrays["segments_per_video"] = counts(arrays["segments_per_video"], ids)
        segments = int(arrays["segments_per_video"].sum())
        for track in TRACKS:
            for part, kind in _PARTS.items():
                name, rows = f"{track}_{part}", len(ids) if part == "active" else segments
                check_shape(arrays[name].shape, name, (rows, len(labels)))
                if arrays[name].dtype.kind != kind:
                    raise DataError(f"{name} has dtype {arrays[name].dtype}; expected {_DTYPES[kind]}")
        check_candidates(candidates, len(ids), len(labels))
        arrays |= candidates
    except DataError as error:
        raise DataError(f"{file.path}: {error}; write the trace again") from None
    return arrays


@typed_arguments
def report_data(
    predictions: Sequence[tuple[str, Predictions]],
    annotations: Annotations | None,
    *,
    traces: Mapping[str, Mapping[str, NDArray[Any]]] | None = None,
    profile: str = "release",
    metrics: str | Metric = "auto",
    title: str = "",
    fingerprint: str = "",
    licence: str = "",
) -> ReportData:
    """Score every run and lay it out for :func:`avreplay.evaluate.report.page.write_report`; the last run is the main.

    ``traces`` maps run names to trace arrays. Only videos that every run predicted are shown. ``profile`` and
    ``metrics`` are those of :func:`avreplay.evaluate_predictions`; the papers' rows stand beside the dataset's own
    metric alone. Without annotations (None) the report has timelines, scores and thresholds, and no figures.

    Raises
    ------
    DataError
        as :func:`avreplay.evaluate_predictions`; without annotations: runs without a common video, or with segments of
        other lengths
    UsageError
        as :func:`avreplay.evaluate_predictions`; no predictions
    """
    return report_of(predictions, annotations, traces or {}, profile, metrics, title, fingerprint, licence)[0]


def report_of(
    predictions: Sequence[tuple[str, Predictions]],
    annotations: Annotations | None,
    traces: Mapping[str, Mapping[str, NDArray[Any]]],
    profile: str = "release",
    metrics: str | Metric = "auto",
    title: str = "",
    fingerprint: str = "",
    licence: str = "",
) -> tuple[ReportData, Annotations]:
    """:func:`report_data`, and its videos as annotations, with which traces are brought to them."""
    if not predictions:
        raise UsageError("a report needs predictions; give those of one run or more")
    if annotations is None:
        return _without_truth(predictions, traces, title, fingerprint, licence)
    names = [set(annotations.match(p.video_ids)) - {-1} for _, p in predictions]
    common = annotations.select(sorted(set.intersection(*names)))
    runs, paper_rows, scored = [], [], []
    for name, p in predictions:
        e = evaluate_predictions(p, common, profile=profile, metrics=metrics)
        scored.append(e)
        trace = _trace_of(traces, name, p, common)
        # the figures that rank the videos first
        first = {name: e.per_video[name] for name in e.metric.headline if name in e.per_video}
        per_video: dict[str, NDArray[Any]] = {**first, **e.per_video}
        runs.append(ReportRun(name, e.aligned.predicted, e.metrics, per_video, dict(p.params), trace))
        row = paper_row(annotations.dataset, p.params.get("preset"))
        if row is not None and e.metric.name == metric_of(annotations).name:
            paper_rows.append(row)
    data = ReportData(
        title=title or f"{annotations.dataset.upper()} {annotations.split}",
        dataset=annotations.dataset,
        split=annotations.split,
        labels=common.labels,
        video_ids=common.video_ids,
        segments_per_video=common.segments_per_video,
        segment_seconds=common.segment_seconds,
        truth=common.events,
        runs=runs,
        videos_expected=len(annotations.video_ids),
        ids_sha256=scored[-1].ids_sha256,
        paper_rows=paper_rows or None,
        notes=(*annotations.notes, *filter(None, {toy_note(p.made_from, common.video_ids) for _, p in predictions})),
        titles={k: scored[-1].metric.title(k) for e in scored for k in (*e.metrics, *_class_keys(e))},
        per_class={n: _class_columns(e, common.labels) for (n, _), e in zip(predictions, scored, strict=True)},
        fingerprint=fingerprint,
        licence=licence,
    )
    return data, common


def _without_truth(
    predictions: Sequence[tuple[str, Predictions]],
    traces: Mapping[str, Mapping[str, NDArray[Any]]],
    title: str,
    fingerprint: str,
    licence: str,
) -> tuple[ReportData, Annotations]:
    """The report of predictions for which nothing is annotated."""
    videos = of_runs(predictions)
    runs = [
        ReportRun(name, align(p, videos).predicted, {}, params=dict(p.params), trace=_trace_of(traces, name, p, videos))
        for name, p in predictions
    ]
    data = ReportData(
        title=title or "Predicted events",
        dataset="",
        split="",
        labels=videos.labels,
        video_ids=videos.video_ids,
        segments_per_video=videos.segments_per_video,
        segment_seconds=videos.segment_seconds,
        runs=runs,
        ids_sha256=videos.ids_sha256,
        notes=tuple(filter(None, {toy_note(p.made_from, videos.video_ids) for _, p in predictions})),
        fingerprint=fingerprint,
        licence=licence,
    )
    return data, videos


def _trace_of(
    traces: Mapping[str, Mapping[str, NDArray[Any]]], name: str, p: Predictions, videos: Annotations
) -> Trace | None:
    arrays = traces.get(name)
    return None if arrays is None else aligned_trace(refused_of_other(arrays, name, p), videos)


def default_names(paths: Sequence[Path], predictions: Sequence[Predictions]) -> list[str]:
    """A name for each run: its preset, or its file's stem, made unique."""
    names: list[str] = []
    for path, p in zip(paths, predictions, strict=True):
        name = str(p.params.get("preset") or path.stem)
        while name in names:
            name += "'"
        names.append(name)
    return names


def _class_keys(e: Evaluation) -> list[str]:
    return list(next(iter(e.per_class.values()), {}))


def _class_columns(e: Evaluation, labels: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    return {k: np.array([e.per_class.get(name, {}).get(k, np.nan) for name in labels]) for k in _class_keys(e)}


def refused_of_other(arrays: Mapping[str, NDArray[Any]], name: str, p: Predictions) -> Mapping[str, NDArray[Any]]:
    """The trace of a run. Raises: DataError where it has other labels, or no video of the run with its segments."""
    segments = dict(zip(p.video_ids, p.segments_per_video.tolist(), strict=True))
    traced = dict(zip(map(str, arrays["video_ids"]), arrays["segments_per_video"].tolist(), strict=True))
    shared = segments.keys() & traced.keys()
    reason = ""
    what = f"the trace {arrays['file']} of the run {name!r}" if "file" in arrays else f"the trace of the run {name!r}"
    if tuple(map(str, arrays["labels"])) != tuple(p.labels):
        reason = "its labels are others"
    elif segments and not shared:
        reason = "it has no video of the run"
    elif other := sorted(v for v in shared if segments[v] != traced[v]):
        reason = f"{other[0]!r} has {traced[other[0]]} segments there and {segments[other[0]]} here"
    if reason:
        raise DataError(f"{what} is of something else: {reason}; write both with one `replay`")
    refuse_other(what, made_from_text(arrays.get("made_from"), what), p.made_from)
    return arrays


def aligned_trace(arrays: Mapping[str, NDArray[Any]], annotations: Annotations) -> Trace:
    """The trace with the annotations' videos, segments and labels; segments that it lacks are NaN."""
    index = LabelIndex(annotations.labels, annotations.aliases)
    columns = index.mapping([str(x) for x in arrays["labels"]])
    kept = [i for i, c in enumerate(columns) if c >= 0]
    to = [columns[i] for i in kept]
    starts = np.concatenate([[0], np.cumsum(arrays["segments_per_video"])])
    source = {v: i for i, v in enumerate(annotations.match([str(x) for x in arrays["video_ids"]]))}
    at = {v: i for v, i in source.items() if v >= 0}
    first = np.concatenate([[0], np.cumsum(annotations.segments_per_video)])
    shape = (int(first[-1]), len(annotations.labels))
    parts: dict[str, dict[str, NDArray[Any]]] = {"score": {}, "tau": {}, "active": {}}
    for track in TRACKS:
        score, tau = np.full(shape, np.nan), np.full(shape, np.nan)
        active = np.zeros((len(annotations.video_ids), shape[1]), np.bool_)
        for v, i in at.items():
            n = int(min(annotations.segments_per_video[v], arrays["segments_per_video"][i]))
            rows, from_rows = slice(first[v], first[v] + n), slice(starts[i], starts[i] + n)
            score[rows, to] = arrays[f"{track}_score"][from_rows][:, kept]
            tau[rows, to] = arrays[f"{track}_tau"][from_rows][:, kept]
            active[v, to] = arrays[f"{track}_active"][i, kept]
        parts["score"][track], parts["tau"][track], parts["active"][track] = score, tau, active
    there = np.array([v in at for v in range(len(annotations.video_ids))], np.bool_)
    known = np.isin(np.arange(len(annotations.labels)), to)
    found = candidates_of(arrays)
    if found is not None:
        numbers = [at.get(v, -1) for v in range(len(there))]
        segments = np.asarray(annotations.segments_per_video, np.int64)
        found = aligned_candidates(found, numbers, columns, segments)
    return Trace(parts["score"], parts["tau"], parts["active"], found, there, known)
