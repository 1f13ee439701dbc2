"""What the commands do: files in, files and a short summary out."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..cache.atomic_write import atomic_text
from ..cache.joined import open_stores
from ..cache.places import check_outputs
from ..core.decoders.base import Decoder
from ..core.decoders.registry import decoder_name
from ..core.errors import UsageError
from ..core.registry import failures_of
from .command_options import (
    EvaluateRequest,
    IdsRequest,
    ImportTextRequest,
    OracleRequest,
    ProbeRequest,
    ReplayRequest,
    ReportRequest,
)
from .datasets.annotations import Annotations
from .datasets.registry import DATASETS, dataset_labels, load_annotations, load_video_level
from .files.label_aliases import read_aliases
from .files.prediction_blocks import PredictionBlocks
from .files.predictions import read_predictions, write_predictions
from .files.predictions_writer import check_predictions_path
from .files.text_predictions import TextImport, read_texts, text_predictions
from .intervals import Estimate, intervals
from .made_from import settings_for
from .probe.run import ProbeResult, probe
from .replay import ReplayBlocks, replay_blocks, stored_params
from .replay_files import write_replay
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
    check_outputs(check_predictions_path(r.out), r.trace, inputs=(r.params_file,))
    chosen = settings_for(r.store, r.decoder, r.preset, r.profile, r.params_file, r.settings, r.scores)
    blocks = replay_blocks(
        chosen.store, chosen.params, decoder=chosen.decoder, tracks=r.tracks.split(","), threads=r.threads,
        trace=r.trace is not None, scores=r.scores, memory=r.memory,
    )  # fmt: skip
    where = {"preset": chosen.preset, "scores": r.scores}
    named = {**stored_params(chosen.decoder, chosen.params), **{k: v for k, v in where.items() if v}}
    with _where(r, blocks, chosen.decoder) as replayed:
        found = write_replay(replayed, named, r.out, r.trace, overwrite=r.overwrite)
    chosen.say_misfits(blocks.inputs.scores.kind)
    chosen.say_defaults()
    videos = blocks.inputs.num_videos
    return ReplaySummary(videos, found.events, found.windows_asked, found.windows_pooled, r.out, r.trace, named)


def _where(r: ReplayRequest, blocks: ReplayBlocks, decoder: Decoder[Any]) -> AbstractContextManager[ReplayBlocks]:
    """The replay on this machine, or on the cluster that was asked for."""
    if r.ray is None:
        return nullcontext(blocks)
    from .cluster.replaying import replay_on

    return replay_on(r.ray, blocks, r.store, r.decoder or decoder_name(decoder), r.scores)


def import_texts(request: ImportTextRequest) -> TextImport:
    """Write predictions from answers of a language model (:mod:`.text_predictions`), with the labels of a dataset.

    Raises: UsageError for a dataset without a label list, and as the parts do.
    """
    check_outputs(check_predictions_path(request.out), inputs=(request.texts, request.aliases_file))
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


def evaluate_loaded(request: EvaluateRequest, predictions: PredictionBlocks, truth: Annotations) -> EvaluateSummary:
    """Score predictions against annotations under the other options of a request. Raises as
    :func:`evaluate_predictions` does."""
    r = request
    found = evaluate_predictions(
        predictions,
        truth,
        profile=r.profile,
        iou=r.iou,
        require_complete=r.require_complete,
        audio_from_visual=r.audio_from_visual,
        aliases=read_aliases(r.aliases_file) if r.aliases_file is not None else None,
        metrics=r.metrics,
        batch_size=r.batch_size if r.strict else None,
        mask_short=r.mask_short,
        per_class=r.per_class,
    )
    if r.picture is not None:
        with failures_of("metric", found.metric, found.metric.name):
            picture = found.metric.picture(found.aligned.predicted, found.aligned.truth.truth())
        if picture is None:
            raise UsageError(f"the metric {found.metric.name} has no picture; give --metrics calibration")
        with atomic_text(r.picture) as file:
            file.write(picture)
    return EvaluateSummary(found, intervals(found, resamples=r.resamples) if r.resamples else {}, r.per_class, r.table)


def probe_to_file(request: ProbeRequest) -> ProbeResult:
    """Train and score a linear probe; write its predictions where requested. Raises as :func:`.probe.run.probe` does.

    The training split is by default that of the dataset whose labels are per segment.
    """
    r = request
    check_outputs(check_predictions_path(r.out), inputs=(r.annotations, r.train_annotations))
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
        open_stores(r.store),
        r.modality,
        train,
        load_annotations(r.dataset, r.annotations, r.split),
        train_store=None if r.train_store is None else open_stores(r.train_store),
        train_labels="video" if weak else r.train_labels or "segment",
        strength=r.strength,
        seed=r.seed,
        shuffle_labels=r.shuffle_labels,
        profile=r.profile,
    )
    if r.out is not None:
        write_predictions(r.out, result.predictions)
    return result


@dataclass(frozen=True)
class OracleSummary:
    """What ``avreplay oracle`` prints: a bound, which it says first."""

    videos: int
    videos_expected: int
    split: str
    score: str
    points: int
    bound: float
    figures: Mapping[str, float]
    one_for_all: float

    def as_dict(self) -> dict[str, Any]:
        return {"upper_bound": True, "uses_the_truth_of": self.split, **asdict(self)}

    def text(self) -> str:
        figures = ", ".join(f"{name} {value:.1f}" for name, value in self.figures.items())
        return "\n".join(
            (
                "upper bound, not a result: the weights of each video are chosen by its own annotations",
                f"{self.videos} of {self.videos_expected} videos of {self.split}, "
                f"{self.points:,} sets of weights tried",
                f"each video under its own weights: mean {self.score} {self.bound:.1f}; metrics: {figures}",
                "one set of weights for all videos, also chosen by these annotations: mean frame_acc "
                f"{self.one_for_all:.1f}",
            )
        )


def cuerator_bound(request: OracleRequest) -> OracleSummary:
    """CueRator's per-video oracle on a split. Raises as :func:`avreplay.cuerator_oracle`."""
    from .cuerator_oracle import cuerator_oracle

    r = request
    truth = load_annotations(r.dataset, r.annotations, r.split)
    found = cuerator_oracle(
        open_stores(r.store), truth, score=r.score, points=r.points, seed=r.seed, scores=r.scores, threads=r.threads
    )
    return OracleSummary(
        len(found.video_ids), len(truth.video_ids), r.split, r.score, r.points, 100 * float(found.score.mean()),
        found.figures, 100 * float(found.mean_accuracy[found.best]),
    )  # fmt: skip


def report_to_file(request: ReportRequest) -> list[str]:
    """Write the report of one or more prediction files; returns the ids of the videos drawn. Raises as the parts do."""
    from .report.build import default_names, read_trace, report_of
    from .report.page import choose_videos, write_report

    r = request
    check_outputs(r.out, inputs=(*r.predictions, *r.traces, r.annotations))
    runs = [read_predictions(p) for p in r.predictions]
    names = default_names([Path(p) for p in r.predictions], runs)
    # fewer traces than runs belong to the last runs
    traced = dict(zip(names[len(names) - len(r.traces) :], map(read_trace, r.traces), strict=True))
    truth = None
    if r.dataset is not None and r.annotations is not None:
        truth = load_annotations(r.dataset, r.annotations, r.split)
    named = list(zip(names, runs, strict=True))
    data, videos = report_of(named, truth, traced, title=r.title, metrics=r.metrics)
    chosen = list(r.videos) or None
    if r.store is not None:
        from .report.replayed import with_replayed_trace

        drawn = choose_videos(data, chosen, r.max_videos, r.order)
        data = with_replayed_trace(data, videos, drawn, r.store, runs[-1], r.memory)
    return write_report(r.out, data, chosen, r.max_videos, r.order)


def list_ids(request: IdsRequest) -> list[str]:
    """Video ids of a dataset's split, in the order of the annotations, or of a store, in its order.

    Raises: UsageError for a status that no video has; as :func:`load_annotations` and :func:`open_stores` do.
    """
    r = request
    if r.annotations is not None:
        return list(load_annotations(r.source, r.annotations, r.split).video_ids)
    if r.source in DATASETS:
        raise UsageError(f"the ids of {r.source} are in its annotations; give them with --annotations")
    records = open_stores(r.source).videos
    if r.status is None:
        return [record.id for record in records]
    wanted = [name.strip() for name in r.status.split(",")]
    found = {record.status for record in records}
    if not found & set(wanted):
        raise UsageError(f"no video of {r.source} is {' or '.join(wanted)}; statuses there: {', '.join(sorted(found))}")
    return [record.id for record in records if record.status in wanted]
