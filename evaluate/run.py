"""What the commands do: files in, files and a short summary out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..cache.store import open_store
from ..core.errors import UsageError
from ..core.events import TRACKS
from .datasets.registry import DATASETS, dataset_labels, load_annotations, load_video_level
from .files.aliases import read_aliases
from .files.params_file import decoder_params, read_params_file
from .files.predictions import read_predictions, write_predictions
from .files.text_predictions import TextImport, read_texts, text_predictions
from .intervals import Comparison, compare
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


def replay_to_files(
    store: str,
    preset: str | None,
    profile: str | None,
    params_file: str | None,
    settings: Sequence[str],
    out: str | None,
    trace: str | None,
    *,
    tracks: Sequence[str] = TRACKS,
    threads: int | None = None,
    scores: str | None = None,
    decoder: str | None = None,
) -> ReplaySummary:
    """Replay a store with layered parameters; write predictions and a trace where asked. Raises as its parts do."""
    used, params = decoder_params(decoder, preset, profile, params_file, settings)
    if preset is None and params_file is not None:
        preset = read_params_file(params_file).get("preset")
    result = replay(store, params, decoder=used, tracks=tracks, threads=threads, trace=trace is not None, scores=scores)
    predictions = result.predictions()
    said = {"preset": preset, "scores": scores}
    named = {**predictions.params, **{k: v for k, v in said.items() if v}}
    if out is not None:
        write_predictions(out, replace(predictions, params=named))
    if trace is not None:
        result.save_trace(trace)
    events = result.replay.events
    counts = {track: int(sum(events.starts[k + 1 :: 3] - events.starts[k:-1:3])) for k, track in enumerate(TRACKS)}
    return ReplaySummary(
        events.num_videos, counts, result.replay.windows_asked, result.replay.windows_pooled, out, trace, named
    )


def import_texts(
    texts: str, out: str, dataset: str = "ovavebench", aliases_file: str | None = None, model: str = ""
) -> TextImport:
    """Write predictions from answers of a language model (:mod:`.text_predictions`), with the labels of a dataset.

    Raises: UsageError for a dataset without a label list, and as the parts do.
    """
    aliases = read_aliases(aliases_file) if aliases_file is not None else None
    found = text_predictions(read_texts(texts), dataset_labels(dataset), aliases, model=model)
    write_predictions(out, found.predictions)
    return found


def evaluate_file(
    predictions: str,
    dataset: str,
    annotations: str,
    split: str = "test",
    aliases_file: str | None = None,
    *,
    strict: bool = False,
    batch_size: int = 32,
    **options: Any,
) -> Evaluation:
    """Score a predictions file; ``strict`` averages OV-AVEL's F-scores over batches of ``batch_size``.

    Raises as :func:`load_annotations`, :func:`read_predictions`, :func:`evaluate_predictions` do.
    """
    aliases = read_aliases(aliases_file) if aliases_file is not None else None
    truth = load_annotations(dataset, annotations, split)
    size = batch_size if strict else None
    return evaluate_predictions(read_predictions(predictions), truth, aliases=aliases, batch_size=size, **options)


def compare_files(
    first: str, second: str, dataset: str, annotations: str, split: str = "test", **options: Any
) -> Comparison:
    """Compare two prediction files. Raises as :func:`avreplay.evaluate.intervals.compare` and the readers do."""
    truth = load_annotations(dataset, annotations, split)
    return compare(read_predictions(first), read_predictions(second), truth, **options)


def probe_to_file(
    store: str,
    dataset: str,
    annotations: str,
    modality: str,
    split: str = "test",
    train_split: str | None = None,
    train_annotations: str | None = None,
    train_store: str | None = None,
    train_labels: str | None = None,
    out: str | None = None,
    **options: Any,
) -> ProbeResult:
    """Train and score a linear probe; write its predictions where asked. Raises as :func:`.probe.probe` does.

    The training split is by default that of the dataset whose labels are per segment.
    """
    found = DATASETS.get(dataset)
    chosen = train_split or found.segment_split
    weak = chosen in found.video_level_splits
    if weak and train_labels == "segment":
        raise UsageError(
            f"the split {chosen!r} of {dataset} has no labels per segment; use --train-labels video, or --train-split "
            f"{found.segment_split}"
        )
    load = load_video_level if weak else load_annotations
    train = load(dataset, train_annotations or annotations, chosen)
    result = probe(
        open_store(store), modality, train, load_annotations(dataset, annotations, split),
        train_store=None if train_store is None else open_store(train_store),
        train_labels="video" if weak else train_labels or "segment", **options,
    )  # fmt: skip
    if out is not None:
        write_predictions(out, result.predictions)
    return result


def report_to_file(
    predictions: Sequence[str],
    dataset: str,
    annotations: str,
    split: str,
    traces: Sequence[str],
    out: str,
    videos: Sequence[str],
    max_videos: int,
    title: str,
) -> list[str]:
    """Write the report of one or more prediction files; returns the ids of the videos drawn.

    Raises: UsageError for more traces than runs, and as the parts do.
    """
    from .report.build import default_names, read_trace, report_data
    from .report.page import write_report

    if len(traces) > len(predictions):
        raise UsageError(f"{len(traces)} traces were given for {len(predictions)} predictions; give one a run")
    runs = [read_predictions(p) for p in predictions]
    names = default_names([Path(p) for p in predictions], runs)
    # fewer traces than runs belong to the last runs
    traced = dict(zip(names[len(names) - len(traces) :], map(read_trace, traces), strict=True))
    data = report_data(
        list(zip(names, runs, strict=True)), load_annotations(dataset, annotations, split), traces=traced, title=title
    )
    return write_report(out, data, list(videos) or None, max_videos)
