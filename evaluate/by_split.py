"""Figures of several splits of a predictions file, or of some of its videos: ``--split val,test``, ``--ids FILE``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from ..cache.places import check_outputs
from ..core.errors import DataError, UsageError
from .command_options import CompareRequest, EvaluateRequest
from .commands import EvaluateSummary, evaluate_loaded
from .datasets.annotations import Annotations
from .datasets.splits import ALL, load_splits
from .files.prediction_blocks import PredictionBlocks, prediction_blocks
from .intervals import Comparison, compare
from .subset import read_id_list, some_ids


class _Figures(Protocol):
    def as_dict(self) -> dict[str, Any]: ...


F = TypeVar("F", bound=_Figures)


@dataclass(frozen=True)
class BySplit(Generic[F]):
    """What was found on each split, by name, in the order asked for; of one split it is told as of no other.

    left_out : splits of ``--split all`` of which no video was predicted
    """

    of: Mapping[str, F]
    left_out: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON: that of the one split, or ``splits`` with that of each by its name."""
        if len(self.of) == 1 and not self.left_out:
            return next(iter(self.of.values())).as_dict()
        rows = {name: found.as_dict() for name, found in self.of.items()}
        return {"splits": rows, "without_predictions": list(self.left_out)}

    def text(self, of_one: Callable[[F], str]) -> str:
        """For a terminal: one split below the other."""
        if len(self.of) == 1 and not self.left_out:
            return of_one(next(iter(self.of.values())))
        parts = [of_one(found).rstrip("\n") for found in self.of.values()]
        if self.left_out:
            parts.append(f"without predictions: {', '.join(self.left_out)}")
        return "\n\n".join(parts)


def evaluate_by_split(request: EvaluateRequest) -> BySplit[EvaluateSummary]:
    """Score a predictions file on each split asked for. Raises as
    :func:`avreplay.evaluate_predictions`, the reader and :func:`chosen_truths` do."""
    check_outputs(request.picture, inputs=(request.predictions, request.annotations))
    predictions = prediction_blocks(request.predictions)
    chosen, left_out = chosen_truths(request, [predictions])
    if request.picture is not None and len(chosen) > 1:
        raise UsageError(f"--picture is of one split, and --split names {len(chosen)}; give one of them")
    found = {}
    for whole, truth in chosen:
        summary = evaluate_loaded(request, predictions, truth)
        e = summary.evaluation
        if truth is not whole:  # what was not asked for is annotated all the same
            known = whole.match(e.aligned.extra)
            extra = tuple(id for id, row in zip(e.aligned.extra, known, strict=True) if row < 0)
            summary = replace(summary, evaluation=replace(e, aligned=replace(e.aligned, extra=extra)))
        found[truth.split] = summary
    return BySplit(found, left_out)


def compare_by_split(request: CompareRequest) -> BySplit[Comparison]:
    """Compare two prediction files on each split asked for. Raises as :func:`avreplay.compare`, the readers and
    :func:`chosen_truths` do."""
    r = request
    first, second = prediction_blocks(r.first), prediction_blocks(r.second)
    chosen, left_out = chosen_truths(r, [first, second])
    found = {
        t.split: compare(first, second, t, resamples=r.resamples, seed=r.seed, profile=r.profile, metrics=r.metrics)
        for _, t in chosen
    }
    return BySplit(found, left_out)


def chosen_truths(
    r: EvaluateRequest | CompareRequest, runs: Sequence[PredictionBlocks]
) -> tuple[list[tuple[Annotations, Annotations]], tuple[str, ...]]:
    """The annotations of each split of a request, whole, and those of the ids that it names; and the splits that are
    left out.

    Of ``all``, and where ids are named, those of which not every run has a video are left out.

    Raises: DataError for an id that is annotated in none of the splits, no split that is left, and as the readers do.
    """
    truths = load_splits(r.dataset, r.annotations, r.split)
    parts = truths if r.ids_file is None else _of_ids(truths, read_id_list(r.ids_file))
    chosen = list(zip(truths, parts, strict=True))
    if len(truths) == 1 or (r.split.strip() != ALL and r.ids_file is None):
        return chosen, ()
    kept = [
        (whole, t)
        for whole, t in chosen
        if t.video_ids and all(max(t.match(p.video_ids), default=-1) >= 0 for p in runs)
    ]
    if not kept:
        raise DataError(f"no video of {', '.join(t.split for t in truths)} was predicted; check the dataset")
    names = [t.split for _, t in kept]
    return kept, tuple(t.split for t in truths if t.split not in names)


def _of_ids(truths: Sequence[Annotations], ids: Sequence[str]) -> list[Annotations]:
    rows = [np.array(t.match(ids), np.int64) for t in truths]
    absent = [id for id, known in zip(ids, np.max(rows, axis=0).tolist(), strict=True) if known < 0]
    if absent:
        splits = ", ".join(t.split for t in truths)
        raise DataError(
            f"{some_ids(absent)} of --ids are annotated in no split asked for ({splits}); check ids and split"
        )
    return [t.select(np.unique(found[found >= 0]).tolist()) for t, found in zip(truths, rows, strict=True)]
