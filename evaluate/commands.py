"""What the commands do: files in, files and a short summary out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..cache.places import check_outputs
from ..cache.store import open_store
from ..core.errors import UsageError
from ..core.events import TRACKS
from .command_options import (
    CompareRequest,
    EvaluateRequest,
    IdsRequest,
    ImportTextRequest,
    ProbeRequest,
    ReplayRequest,
    ReportRequest,
)
from .datasets.registry import DATASETS, dataset_labels, load_annotations, load_video_level
from .files.label_aliases import read_aliases
from .files.predictions import read_predictions, write_predictions
from .files.text_predictions import TextImport, read_texts, text_predictions
from .intervals import Comparison, Estimate, compare, intervals
from .made_from import settings_for
from .probe.run import ProbeResult, probe
from .replay import replay
from .scoring import Evaluation, evaluate_predictions


@dataclass(frozen=True)
class ReplaySummary:
    """What ``avreplay replay`` says: counts of events, and how many refinement windows were not cached."""

    videos: int
    events: dict[str, int]
    windows_asked: int
    windows_pooled: int
    out: str | None
    trace: str | None
    params: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def text(self) -> str:
        events = ", ".join(f"{n} {track.replace('_', '-')}" for track, n in self.events.items())
        lines = [f"{self.videos} videos: {events} events"]
        if self.windows_pooled:
            lines.append(
                f"{self.windows_pooled} of {self.windows_asked} refinement windows were not cached: "
                "mean-pooled segments stood in"
            )
        lines += [f"wrote {path}" for path in (self.out, self.trace) if path]
        return "\n".join(lines)


def replay_to_files(request: ReplayRequest) -> ReplaySummary:
    """Replay a store with layered parameters; write predictions and a trace where requested. Raises as its parts do."""
    r = request
    check_outputs(r.out, r.trace, inputs=(r.params_file,))
    chosen = settings_for(r.store, r.decoder, r.preset, r.profile, r.params_file, r.settings, r.scores)
    result = replay(
        chosen.store, chosen.params, decoder=chosen.decoder, tracks=r.tracks.split(","), threads=r.threads,
        trace=r.trace is not None, scores=r.scores,
    )  # fmt: skip
    chosen.say_misfits(result.bundle.kind)
    predictions = result.predictions()
    where = {"preset": chosen.preset, "scores": r.scores}
    named = {**predictions.params, **{k: v for k, v in where.items() if v}}
    if r.out is not None:
        write_predictions(r.out, replace(predictions, params=named))
    if r.trace is not None:
        result.save_trace(r.trace)
    events = result.replay.events
    counts = {track: int(sum(events.starts[k + 1 :: 3] - events.starts[k:-1:3])) for k, track in enumerate(TRACKS)}
    return ReplaySummary(
        events.num_videos, counts, result.replay.windows_asked, result.replay.windows_pooled, r.out, r.trace, named
    )


def import_texts(request: ImportTextRequest) -> TextImport:
    """Write predictions from answers of a language model (:mod:`.text_predictions`), with the labels of a dataset.

    Raises: UsageError for a dataset without a label list, and as the parts do.
    """
    check_outputs(request.out, inputs=(request.texts, request.aliases_file))
    aliases = read_aliases(request.aliases_file) if request.aliases_file is not None else None
    labels = dataset_labels(request.dataset)
    found = text_predictions(read_texts(request.texts), labels, aliases, model=request.model)
    write_predictions(request.out, found.predictions)
    return found


@dataclass(frozen=True, eq=False)
class EvaluateSummary:
    """What ``avreplay evaluate`` prints: figures, their intervals where requested, and a table of classes."""

    evaluation: Evaluation
    intervals: Mapping[str, Estimate]
    per_class: bool
    table: str | None = None

    def as_dict(self) -> dict[str, Any]:
        found = self.evaluation.as_dict(per_class=self.per_class)
        rows = {name: s.as_dict() for name, s in self.intervals.items()}
        return {**found, "intervals": rows} if rows else found

    def text(self) -> str:
        from .text_tables import class_text, evaluation_text, interval_text

        e = self.evaluation
        classes = class_text(e, self.table) if self.per_class else ""
        return evaluation_text(e, self.table) + interval_text(self.intervals, self.table) + classes


def evaluate_file(request: EvaluateRequest) -> EvaluateSummary:
    """Score a predictions file. Raises as :func:`load_annotations`, :func:`read_predictions`,
    :func:`evaluate_predictions` do."""
    r = request
    found = evaluate_predictions(
        read_predictions(r.predictions),
        load_annotations(r.dataset, r.annotations, r.split),
        profile=r.profile,
        iou=r.iou,
        require_complete=r.require_complete,
        audio_from_visual=r.audio_from_visual,
        aliases=read_aliases(r.aliases_file) if r.aliases_file is not None else None,
        metrics=r.metrics,
        batch_size=r.batch_size if r.strict else None,
        mask_short=r.mask_short,
    )
    return EvaluateSummary(found, intervals(found, resamples=r.resamples) if r.resamples else {}, r.per_class, r.table)


def compare_files(request: CompareRequest) -> Comparison:
    """Compare two prediction files. Raises as :func:`avreplay.compare` and the readers do."""
    r = request
    truth = load_annotations(r.dataset, r.annotations, r.split)
    return compare(
        read_predictions(r.first), read_predictions(r.second), truth, resamples=r.resamples, seed=r.seed,
        profile=r.profile, metrics=r.metrics,
    )  # fmt: skip


def probe_to_file(request: ProbeRequest) -> ProbeResult:
    """Train and score a linear probe; write its predictions where requested. Raises as :func:`.probe.run.probe` does.

    The training split is by default that of the dataset whose labels are per segment.
    """
    r = request
    check_outputs(r.out, inputs=(r.annotations, r.train_annotations))
    found = DATASETS.get(r.dataset)
    chosen = r.train_split or found.segment_split
    weak = chosen in found.video_level_splits
    if weak and r.train_labels == "segment":
        raise UsageError(
            f"the split {chosen!r} of {r.dataset} has no labels per segment; use --train-labels video, or "
            f"--train-split {found.segment_split}"
        )
    load = load_video_level if weak else load_annotations
    train = load(r.dataset, r.train_annotations or r.annotations, chosen)
    result = probe(
        open_store(r.store),
        r.modality,
        train,
        load_annotations(r.dataset, r.annotations, r.split),
        train_store=None if r.train_store is None else open_store(r.train_store),
        train_labels="video" if weak else r.train_labels or "segment",
        strength=r.strength,
        seed=r.seed,
        shuffle_labels=r.shuffle_labels,
        profile=r.profile,
    )
    if r.out is not None:
        write_predictions(r.out, result.predictions)
    return result


def report_to_file(request: ReportRequest) -> list[str]:
    """Write the report of one or more prediction files; returns the ids of the videos drawn. Raises as the parts do."""
    from .report.build import default_names, read_trace, report_data
    from .report.page import write_report

    r = request
    check_outputs(r.out, inputs=(*r.predictions, *r.traces, r.annotations))
    runs = [read_predictions(p) for p in r.predictions]
    names = default_names([Path(p) for p in r.predictions], runs)
    # fewer traces than runs belong to the last runs
    traced = dict(zip(names[len(names) - len(r.traces) :], map(read_trace, r.traces), strict=True))
    if r.store is not None:
        from .report.replayed import replayed_trace

        traced[names[-1]] = replayed_trace(r.store, names[-1], runs[-1])
    truth = None
    if r.dataset is not None and r.annotations is not None:
        truth = load_annotations(r.dataset, r.annotations, r.split)
    data = report_data(list(zip(names, runs, strict=True)), truth, traces=traced, title=r.title, metrics=r.metrics)
    return write_report(r.out, data, list(r.videos) or None, r.max_videos)


def list_ids(request: IdsRequest) -> list[str]:
    """Video ids of a dataset's split, in the order of the annotations, or of a store, in its order.

    Raises: UsageError for a status that no video has; as :func:`load_annotations` and :func:`open_store` do.
    """
    r = request
    if r.annotations is not None:
        return list(load_annotations(r.source, r.annotations, r.split).video_ids)
    if r.source in DATASETS:
        raise UsageError(f"the ids of {r.source} are in its annotations; give them with --annotations")
    records = open_store(r.source).videos
    if r.status is None:
        return [record.id for record in records]
    wanted = [name.strip() for name in r.status.split(",")]
    found = {record.status for record in records}
    if not found & set(wanted):
        raise UsageError(f"no video of {r.source} is {' or '.join(wanted)}; statuses there: {', '.join(sorted(found))}")
    return [record.id for record in records if record.status in wanted]
