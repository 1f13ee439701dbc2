"""From predictions and annotations to the data of a report."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ...core.events import TRACKS
from ...core.labels import LabelIndex
from ...core.metrics.base import Metric
from ..datasets.annotations import Annotations
from ..datasets.registry import metric_of, paper_row
from ..files.predictions import Predictions
from ..scoring import Evaluation, evaluate_predictions
from .page import ReportData, ReportRun, Trace


def read_trace(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """The arrays of a trace file written by ``replay --trace``. Raises DataError where it is not one."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} is not a readable trace: {error}") from error
    missing = {"video_ids", "labels", "segments_per_video"} - set(arrays)
    if missing:
        raise DataError(f"{path} is not a trace: it has no {sorted(missing)[0]}; write one with `replay --trace`")
    return arrays


def report_data(
    predictions: Sequence[tuple[str, Predictions]],
    annotations: Annotations,
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
    metric alone.

    Raises: DataError and UsageError as :func:`avreplay.evaluate_predictions` does.
    """
    names = [set(annotations.match(p.video_ids)) - {-1} for _, p in predictions]
    common = annotations.select(sorted(set.intersection(*names)))
    runs, paper_rows, scored = [], [], []
    for name, p in predictions:
        e = evaluate_predictions(p, common, profile=profile, metrics=metrics)
        scored.append(e)
        arrays = (traces or {}).get(name)
        trace = None if arrays is None else _aligned_trace(arrays, common)
        # the figures that rank the videos first
        first = {name: e.per_video[name] for name in e.metric.headline if name in e.per_video}
        per_video: dict[str, NDArray[Any]] = {**first, **e.per_video}
        runs.append(ReportRun(name, e.aligned.predicted, e.metrics, per_video, dict(p.params), trace))
        row = paper_row(annotations.dataset, p.params.get("preset"))
        if row is not None and e.metric.name == metric_of(annotations).name:
            paper_rows.append(row)
    return ReportData(
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
        notes=annotations.notes,
        titles={k: scored[-1].metric.title(k) for e in scored for k in (*e.metrics, *_class_keys(e))},
        per_class={n: _class_columns(e, common.labels) for (n, _), e in zip(predictions, scored, strict=True)},
        fingerprint=fingerprint,
        licence=licence,
    )


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


def _aligned_trace(arrays: Mapping[str, NDArray[Any]], annotations: Annotations) -> Trace:
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
    return Trace(parts["score"], parts["tau"], parts["active"])
