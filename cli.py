"""The command line: thin commands; what they do lives in extract/, evaluate/ and cache/."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import click

from . import __version__
from .core.errors import AvreplayError

DATASETS = ("llp", "ave", "ovavebench", "json")


class _Commands(click.Group):
    """Turns this package's errors into one line on stderr and their exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        logging.basicConfig(format="%(message)s", stream=sys.stderr, level=logging.WARNING)
        try:
            return super().invoke(ctx)
        except AvreplayError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(error.exit_code)


_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
_set = click.option(
    "--set", "backbone_settings", multiple=True, metavar="KEY=VALUE", help="An option of the backbone, say device=cuda."
)
_store = click.argument("store", metavar="STORE")
_dataset = click.option("--dataset", type=click.Choice(DATASETS), required=True, help="Kind of annotations.")
_annotations = click.option(
    "--annotations", required=True, metavar="PATH", help="Annotation file, or the folder of the csv files."
)
_split = click.option("--split", default="test", show_default=True, help="Split that is scored.")


@click.group(cls=_Commands, context_settings={"show_default": True, "help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="avreplay")
def main() -> None:
    """Audio-visual event perception from cached embeddings: extract once, replay in microseconds."""


@main.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default="demo-output", help="Folder to fill.")
@click.option("--videos", default=24, help="How many videos to generate.")
@click.option("--split", type=click.Choice(("test", "val")), default="test", help="val: other videos, to tune on.")
@_json
def demo(out: Path, videos: int, split: str, as_json: bool) -> None:
    """Generate labelled mp4 files, extract, replay, score and report: the whole path in seconds."""
    from .evaluate.demo import score_demo
    from .extract.demo.run import extract_demo

    made = extract_demo(out, videos, split)
    scored = score_demo(made.store, made.annotations, out, split)
    click.echo(json.dumps(scored.as_dict()) if as_json else "\n".join([*made.lines, *scored.lines]))


@main.command()
@click.argument("media", nargs=-1, required=True, metavar="MEDIA...")
@click.option("--store", "-o", required=True, help="Store to make or resume: a path or an fsspec URL.")
@click.option("--backbone", default="demo", help="Encoder; see `avreplay backbones`.")
@_set
@click.option("--check", is_flag=True, help="First try the encoder on generated pictures and sounds.")
@click.option("--labels", "labels_file", metavar="FILE", help="Labels, one a line [default: those of the backbone].")
@click.option("--ids", "ids_file", metavar="FILE", help="Only these video ids, one a line; absent ones are recorded.")
@click.option("--windows", type=click.Choice(("auto", "all", "multiscale", "none")), help="Windows. [default: auto]")
@click.option("--max-all-segments", type=int, help="auto: every window up to this many segments. [default: 16]")
@click.option("--frames", type=click.Choice(("middle", "release")), help="Frame of a segment. [default: middle]")
@click.option("--segment-seconds", type=float, help="Length of a segment. [default: 1.0]")
@click.option("--dtype", type=click.Choice(("float16", "float32")), help="Stored embeddings. [default: float16]")
@click.option("--shard-videos", type=int, help="Videos per shard: what a crash can cost. [default: 256]")
@click.option("--fill", is_flag=True, help="Add windows, labels or another backbone to a store; keep what is there.")
@click.option("--retry", is_flag=True, help="Try videos without data again, with the files given now.")
@click.option("--estimate", is_flag=True, help="Only say what it would cost.")
@click.option("--calibration/--no-calibration", default=True, help="Measure on the first video, say the cost first.")
@click.option("--shard", metavar="I/N", help="Only part I of N of the shards; other processes or nodes do the others.")
@click.option("--devices", metavar="D,D,...", help="A process for each device, say cuda:0,cuda:1.")
@click.option(
    "--precision",
    type=click.Choice(("fp32", "bf16", "fp16", "amp-bf16", "amp-fp16")),
    help="Of the encoder; amp: mixed.",
)
@click.option("--compile", is_flag=True, help="Compile the encoder first; pays for many videos.")
@click.option("--workers", type=int, help="Decoding threads or processes [default: one a core, at most 8].")
@click.option(
    "--decode-in",
    type=click.Choice(("auto", "threads", "processes")),
    default="auto",
    help="processes survive a decoder that crashes; auto: from 64 videos on.",
)
@click.option(
    "--video-reader",
    type=click.Choice(("pyav", "torchcodec", "nvdec", "auto")),
    help="Reads the pictures; auto: for a new store the fastest here. [default: the store's, or pyav]",
)
@click.option("--decoder", "former_reader", type=click.Choice(("pyav", "torchcodec", "nvdec", "auto")), hidden=True)
@click.option("--video-timeout", default=300.0, help="Give up a video whose decoder gives nothing for so many seconds.")
@_json
def extract(as_json: bool, former_reader: str | None, frames: str | None, **options: Any) -> None:
    """Encode videos (files or folders) into a store, once. Run it again to resume; Ctrl-C ends after a shard."""
    from .core.settings import from_options
    from .extract.command import extract_to_store
    from .extract.settings import ExtractRequest

    reader = _former_reader(former_reader) or options.pop("video_reader")
    request = from_options(ExtractRequest, {**options, "video_reader": reader, "frame_rule": frames})
    summary = extract_to_store(request, report=lambda line: click.echo(line, err=True))
    click.echo(json.dumps(summary.as_dict()) if as_json else summary.text())
    sys.exit(summary.exit_code)


def _former_reader(name: str | None) -> str | None:
    """The value of --decoder, the name of --video-reader before, with a note."""
    if name is not None:
        click.echo(f"Note: --decoder {name} is called --video-reader {name} now", err=True)
    return name


@main.command()
@_json
def backbones(as_json: bool) -> None:
    """List the encoders: widths, licences, what they need, and whether it is installed."""
    from .extract.backbones.listing import backbones_text, list_backbones

    found = list_backbones()
    click.echo(json.dumps(found) if as_json else backbones_text(found))


@main.command("embed-text")
@_store
@click.option("--labels", "labels_file", required=True, metavar="FILE", help="New labels, one a line.")
@click.option("--backbone", help="Where the store's own cannot be found: its name, or package.module:Class.")
@_set
@_json
def embed_text(
    store: str, labels_file: str, backbone: str | None, backbone_settings: tuple[str, ...], as_json: bool
) -> None:
    """Give a store another label list; needs no video and no GPU."""
    from .extract.backbones.options import parse_options
    from .extract.labels import embed_labels, read_labels

    labels = read_labels(labels_file)
    embed_labels(store, labels, backbone=backbone, **parse_options(backbone_settings))
    click.echo(json.dumps({"labels": list(labels)}) if as_json else f"{len(labels)} labels embedded, scores renewed")


@main.command()
@_store
@_json
def info(store: str, as_json: bool) -> None:
    """What a store holds."""
    from .cache import store_info
    from .evaluate.text_tables import info_text

    found = store_info(store)
    click.echo(json.dumps(found) if as_json else info_text(found))


@main.command()
@_store
@_json
def verify(store: str, as_json: bool) -> None:
    """Hash every file of a store again and name what is damaged."""
    from .cache import verify_store

    problems = verify_store(store)
    if as_json:
        click.echo(json.dumps({"store": store, "problems": [p.as_dict() for p in problems]}))
    for p in problems:
        click.echo(f"{p.path} {p.problem}; {p.fix}", err=True)
    if not problems and not as_json:
        click.echo(f"{store}: every byte is what was written")
    sys.exit(1 if problems else 0)


@main.command("import")
@click.argument("scores", metavar="FILE")
@_store
@click.option("--mapping", metavar="FILE", help="TOML file that says what the arrays of FILE are; see docs.")
@click.option("--format", type=click.Choice(("npz", "hdf5", "csv")), help="Format of FILE [default: by its suffix].")
@_json
def import_(scores: str, store: str, mapping: str | None, format: str | None, as_json: bool) -> None:
    """Make a store from a score bundle (.npz), or with a mapping from any model's npz, HDF5 or csv scores."""
    from .cache import import_scores

    b = import_scores(scores, store, mapping, format)
    counts = {"videos": b.num_videos, "labels": b.num_labels, "segments": int(b.segments_per_video.sum())}
    click.echo(json.dumps(counts) if as_json else ", ".join(f"{n} {k}" for k, n in counts.items()) + f" in {store}")


@main.command("import-text")
@click.argument("texts", metavar="TEXTS")
@click.option("--out", required=True, metavar="FILE", help="Write predictions.json here.")
@click.option("--dataset", default="ovavebench", help="Whose labels the classes are: llp, ave or ovavebench.")
@click.option("--aliases", "aliases_file", metavar="FILE", help="Other names of labels: JSON or TOML, name = label.")
@click.option("--model", default="", help="Name of the model, kept with the predictions.")
@_json
def import_text(texts: str, as_json: bool, **options: Any) -> None:
    """Make predictions from a language model's answers (`ave: [1, 0, ...]`, `class: ...`): JSON, JSON lines or a
    folder of <video id>.txt."""
    from .evaluate.run import import_texts

    found = import_texts(texts, **options)
    counts = {"videos": len(found.predictions.video_ids), "problems": dict(found.problems), "out": options["out"]}
    for video, problem in found.problems.items():
        click.echo(f"{video}: {problem}", err=True)
    answered = f"{counts['videos']} answers, {len(found.problems)} of them without a prediction; wrote {options['out']}"
    click.echo(json.dumps(counts) if as_json else answered)
    sys.exit(1 if found.problems else 0)


@main.command()
@_store
@click.option("--decoder", type=click.Choice(("av2a", "ovavel")), default="av2a", help="AV²A, or OV-AVEL's baselines.")
@click.option("--preset", help="Bundle of parameters; see `avreplay options`.")
@click.option("--profile", help="release (the authors' code) or paper (the equations).")
@click.option("--params", "params_file", metavar="FILE", help="TOML file of options.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A single option; later wins.")
@click.option("--out", metavar="FILE", help="Write predictions.json here.")
@click.option("--trace", metavar="FILE", help="Write thresholds, scores, ratios and active labels (.npz) here.")
@click.option("--tracks", default="audio,visual,audio_visual", help="Tracks to compute.")
@click.option("--threads", type=int, help="Threads [default: all cores]; results do not depend on it.")
@click.option("--scores", metavar="NAME", help="A score set of the store, say of a fine-tuning, for its own scores.")
@_json
def replay(
    store: str, preset: str | None, profile: str | None, params_file: str | None, settings: tuple[str, ...],
    out: str | None, trace: str | None, tracks: str, threads: int | None, decoder: str, scores: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Run AV²A or OV-AVEL's decoders over the cached scores of a store."""
    from .evaluate.run import replay_to_files

    summary = replay_to_files(
        store, preset, profile, params_file, settings, out, trace, tracks=tracks.split(","), threads=threads,
        decoder=decoder, scores=scores,
    )  # fmt: skip
    click.echo(json.dumps(summary.as_dict()) if as_json else summary.text())


@main.command()
@_store
@click.option("--dataset", type=click.Choice(DATASETS), help="Kind of annotations.")
@click.option("--annotations", metavar="PATH", help="Annotation file or folder, with the splits train, val and test.")
@click.option("--apply", "apply_to", metavar="CHECKPOINT", help="Train nothing: score the store with this checkpoint.")
@click.option("--name", default="finetuned", help="Name of the score set.")
@click.option("--checkpoint", metavar="FOLDER", help="Folder of the checkpoint [default: NAME.checkpoint].")
@click.option("--train-split", default="train", help="Split to train on, e.g. train_25.")
@click.option("--background", default="other", help="Label that stands for background; must be in the store.")
@click.option("--epochs", type=int, help="[default: 10]")
@click.option("--batch-size", type=int, help="[default: 32]")
@click.option("--learning-rate", type=float, help="Adam. [default: 5e-5]")
@click.option("--seed", type=int, help="[default: 123]")
@click.option("--train-ratio", type=float, help="Share of the training videos of each class. [default: 1]")
@click.option("--select", help="Epoch kept: val, val_seen, test_as_released or last. [default: val]")
@click.option("--layer", help="temporal or linear. [default: temporal]")
@click.option("--layers", type=int, help="Blocks in a stack. [default: 1]")
@click.option("--heads", type=int, help="Attention heads. [default: 1]")
@click.option("--hidden", type=int, help="Width of the attention. [default: 256]")
@click.option("--feedforward", type=int, help="Width of the feed-forward part. [default: 512]")
@click.option("--dropout", type=float, help="In the feed-forward part. [default: 0.1]")
@click.option("--attention", help="intra, cross or both. [default: intra]")
@click.option("--distance-bias/--no-distance-bias", default=None, help="Learnt bias by distance in time.")
@click.option("--window", type=int, help="Mix in attention over so many neighbours. [default: 0, off]")
@click.option("--power-norm/--no-power-norm", default=None, help="Power normalisation of the attention's output.")
@click.option("--audio-norm", type=float, help="Length of audio before the layers; 0: as stored. [default: 20]")
@click.option("--visual-norm", type=float, help="Length of pictures before the layers; 0: as stored. [default: 1]")
@click.option("--fusion", help="Of both modalities in the loss: sqrt, prob_avg or fea_avg. [default: sqrt]")
@click.option("--threads", type=int, help="Threads on a CPU; the last bits depend on it. [default: 1]")
@click.option("--device", default="auto", help="cpu, cuda or auto.")
@click.option("--skip-missing", is_flag=True, help="Leave out videos without embeddings.")
@click.option("--overwrite", is_flag=True, help="Replace a score set of this name.")
@_json
def finetune(as_json: bool, **options: Any) -> None:
    """Train OV-AVEL's temporal layers on cached embeddings (needs torch); the result is a score set for `replay`.

    Run it again to go on after an interruption.
    """
    from .core.settings import from_options
    from .extract.finetune.command import finetune_command
    from .extract.finetune.config import FinetuneRequest

    request = from_options(FinetuneRequest, options)
    targets = None
    if request.dataset is not None and request.annotations is not None:
        from .evaluate.segment_targets import load_targets

        targets = load_targets(
            request.dataset, request.annotations, train_split=request.train_split, background=request.background
        )
    summary = finetune_command(request, targets)
    click.echo(json.dumps(summary.as_dict()) if as_json else summary.text())


@main.command()
@click.argument("predictions", metavar="PREDICTIONS")
@_dataset
@_annotations
@_split
@click.option("--profile", default="release", help="release or paper: how AVE and OV-AVEBench are scored.")
@click.option("--iou", default=0.5, help="IoU from which a predicted event matches.")
@click.option("--audio-from-visual", is_flag=True, help="Score the visual track as audio, as the released main.py.")
@click.option("--require-complete", is_flag=True, help="Make missing videos an error.")
@click.option("--aliases", "aliases_file", metavar="FILE", help="Other names of labels: JSON or TOML, name = label.")
@click.option("--metrics", default="auto", help="auto: the dataset's own; ovavel: OV-AVEL's on any dataset.")
@click.option("--strict", is_flag=True, help="OV-AVEL's F-scores as means over batches, as the release logs them.")
@click.option("--batch-size", default=32, help="Videos of a batch for --strict (the release: 32, training-free 4).")
@click.option("--mask-short", is_flag=True, help="Do not score seconds that a clip shorter than annotated lacks.")
@click.option("--per-class", is_flag=True, help="Also a table of classes.")
@click.option("--bootstrap", "resamples", default=0, help="Resamples for confidence intervals over videos.")
@_json
def evaluate(predictions: str, as_json: bool, per_class: bool, resamples: int, **options: Any) -> None:
    """Score predictions against annotations."""
    from .evaluate.intervals import intervals
    from .evaluate.run import evaluate_file
    from .evaluate.text_tables import class_text, evaluation_text, interval_text

    result = evaluate_file(predictions, **options)
    spread = intervals(result, resamples=resamples) if resamples else {}
    if as_json:
        found = result.as_dict(per_class=per_class)
        click.echo(json.dumps({**found, "intervals": {k: v.as_dict() for k, v in spread.items()}} if spread else found))
    else:
        click.echo(evaluation_text(result) + interval_text(spread) + (class_text(result) if per_class else ""))


@main.command()
@click.argument("first", metavar="FIRST")
@click.argument("second", metavar="SECOND")
@_dataset
@_annotations
@_split
@click.option("--resamples", default=2000, help="Bootstrap resamples of the videos.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, help="Seed of the resamples.")
@click.option("--profile", default="release", help="release or paper: how AVE is scored.")
@_json
def compare(first: str, second: str, as_json: bool, **options: Any) -> None:
    """Score two predictions on the videos both have: difference with bootstrap confidence intervals."""
    from .evaluate.run import compare_files
    from .evaluate.text_tables import comparison_text

    result = compare_files(first, second, **options)
    click.echo(json.dumps(result.as_dict()) if as_json else comparison_text(result))


@main.command()
@_store
@_dataset
@_annotations
@click.option("--split", default="val", help="Split that is searched on.")
@click.option("--videos", default=200, help="Class-stratified videos of the split to search on; 0 for all.")
@click.option("--search", multiple=True, metavar="RANGE", help="name=low:high, low:high:step, low:high:log or a,b,c.")
@click.option("--sampler", default="sobol", help="sobol, grid, or one of Optuna's: tpe, cmaes, gp, nsgaii, ...")
@click.option("--trials", default=8192, help="Settings to try (not for grid).")
@click.option("--points", default=6, help="grid: values of each range.")
@click.option("--batch", default=64, help="Optuna: trials asked for at once.")
@click.option("--seed", default=0, help="Seed of the subset and the sampler.")
@click.option(
    "--objective",
    help="A figure or 0.5*a+0.5*b [default: mean of Type@AV and Event@AV; AVE: accuracy; OV-AVEBench: total_avg].",
)
@click.option("--preset", help="Where the search starts, and what it is compared with.")
@click.option("--profile", help="release (the authors' code) or paper (the equations).")
@click.option("--params", "params_file", metavar="FILE", help="TOML file of options to start from.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="An option that is not searched.")
@click.option("--storage", metavar="URL", help="Optuna storage that machines share [default: a file in --out].")
@click.option("--study", default="avreplay", help="Name of the Optuna study.")
@click.option("--report-split", default="test", help="Split to report on; an empty text for none.")
@click.option("--report-store", metavar="STORE", help="Where its videos are [default: STORE].")
@click.option("--report-annotations", metavar="PATH", help="Its annotations [default: --annotations].")
@click.option("--resamples", default=2000, help="Bootstrap resamples behind the intervals.")
@click.option("--out", default="tuned", help="Folder of the search; an unfinished one is taken up again.")
@click.option("--overwrite", is_flag=True, help="Search anew whatever --out holds.")
@click.option("--parquet", is_flag=True, help="Also trials.parquet.")
@click.option("--threads", type=int, help="Threads [default: all cores]; results do not depend on it.")
@click.option("--scores", metavar="NAME", help="A score set of the stores, instead of their own scores.")
@_json
def tune(store: str, as_json: bool, videos: int, report_split: str, **options: Any) -> None:
    """Search for the best parameters on cached scores; report them on another split."""
    from .evaluate.tuning import TuneSettings, tune_store
    from .evaluate.tuning.text import tune_text

    result = tune_store(store, TuneSettings(videos=videos or None, report_split=report_split or None, **options))
    click.echo(json.dumps(result.as_dict()) if as_json else tune_text(result))
    sys.exit(result.exit_code)


@main.command()
@_store
@_dataset
@_annotations
@click.option("--modality", type=click.Choice(("audio", "visual")), required=True, help="Whose embeddings and events.")
@_split
@click.option("--train-split", help="Split to learn from [default: train; val for llp].")
@click.option("--train-annotations", metavar="PATH", help="Annotations of that split [default: --annotations].")
@click.option("--train-store", metavar="STORE", help="Store that has its videos [default: STORE].")
@click.option(
    "--train-labels", type=click.Choice(("segment", "video")), help="video: a video's labels hold in all its segments."
)
@click.option("--strength", default=1.0, help="Inverse weight of the L2 penalty.")
@click.option("--shuffle-labels", is_flag=True, help="Control: learn from labels dealt to other segments.")
@click.option("--seed", default=0, help="Of that shuffle; the fit itself draws nothing.")
@click.option("--profile", default="paper", help="release or paper: how AVE is scored.")
@click.option("--out", metavar="FILE", help="Write predictions.json here.")
@_json
def probe(store: str, as_json: bool, **options: Any) -> None:
    """Train a linear classifier on one modality's embeddings, and score it per segment (paper, Table 7)."""
    from .evaluate.run import probe_to_file
    from .evaluate.text_tables import probe_text

    result = probe_to_file(store, **options)
    click.echo(json.dumps(result.as_dict()) if as_json else probe_text(result))


@main.group()
def reproduce() -> None:
    """Run the papers' tables over stores: measured beside printed."""


@reproduce.command("av2a")
@click.argument("stores", nargs=-1, metavar="[NAME=]STORE...")
@click.option("--llp", metavar="PATH", help="LLP's annotations, for Tables 2, 3, 5 and 6.")
@click.option("--ave", metavar="PATH", help="AVE's annotations, for Table 4.")
@click.option("--profile", type=click.Choice(("release", "paper")), default="release", help="Replay and scoring.")
@click.option(
    "--label-orders", default=5, help="Orders of the label list to average AVE over: the release's is random."
)
@click.option("--threads", type=int, help="Threads [default: all cores]; results do not depend on it.")
@_json
def reproduce_av2a_command(stores: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """AV²A's Tables 2 to 6 (NAME: clip_clap, languagebind, mgn_ma, jomold, cmpae)."""
    from .evaluate.reproduce.av2a import reproduce_av2a
    from .evaluate.reproduce.av2a_text import reproduction_text

    found = reproduce_av2a(stores, **options)
    click.echo(json.dumps(found.as_dict()) if as_json else reproduction_text(found))


@reproduce.command("ovavel")
@click.argument("stores", nargs=-1, metavar="[NAME=]STORE...")
@click.option("--annotations", metavar="PATH", help="OV-AVEBench's annotations.")
@click.option("--ave", metavar="PATH", help="AVE's annotations, for the zero-shot rows.")
@click.option("--predictions", multiple=True, metavar="NAME=FILE", help="Another system's predictions.")
@click.option("--av2a-params", multiple=True, metavar="FILE", help="A row of AV²A with these parameters (of `tune`).")
@click.option("--profile", type=click.Choice(("release", "paper")), default="release", help="Decoding and scoring.")
@click.option("--strict", is_flag=True, help="F-scores as means over batches, as the release logs them.")
@click.option("--batch-size", default=32, help="Videos of a batch for --strict (the release: 32, training-free 4).")
@click.option("--figure", metavar="FILE", help="Write the figure of classes (A4) here, as HTML.")
@_json
def reproduce_ovavel_command(
    stores: tuple[str, ...], strict: bool, batch_size: int, figure: str | None, as_json: bool, **options: Any
) -> None:
    """OV-AVEL's tables over stores of ImageBind and of CLIP & CLAP (NAME: imagebind, clip_clap)."""
    from .evaluate.reproduce.ovavel import reproduce_ovavel
    from .evaluate.reproduce.ovavel_text import reproduction_text, write_class_figure

    found = reproduce_ovavel(stores, batch_size=batch_size if strict else None, **options)
    if figure is not None:
        write_class_figure(found, figure)
    click.echo(json.dumps(found.as_dict()) if as_json else reproduction_text(found))


@main.command()
@click.argument("predictions", nargs=-1, required=True, metavar="PREDICTIONS...")
@_dataset
@_annotations
@_split
@click.option("--trace", "traces", multiple=True, metavar="FILE", help="Trace of the last run (or one a run).")
@click.option("--out", default="report.html", help="The page to write.")
@click.option("--video", "videos", multiple=True, metavar="ID", help="Draw these videos.")
@click.option("--max-videos", default=12, help="Draw at most so many.")
@click.option("--title", default="", help="Heading.")
@_json
def report(predictions: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Write one offline HTML page: figures beside the paper's, timelines, scores against thresholds."""
    from .evaluate.run import report_to_file

    drawn = report_to_file(predictions, **options)
    found = {"report": options["out"], "videos_drawn": drawn}
    click.echo(json.dumps(found) if as_json else f"{options['out']}: {len(drawn)} videos drawn")


@main.command()
@click.option("--store", help="Measure replay on this store [default: made-up scores of LLP's size].")
@click.option("--videos", metavar="PATH", help="Measure extraction on these [default: generated demo videos].")
@click.option("--backbone", default="demo", help="Encoder of the extraction.")
@click.option("--sample", default=8, help="Extract at most so many videos.")
@click.option("--video-reader", type=click.Choice(("pyav", "torchcodec", "nvdec")), default="pyav", help="Of pictures.")
@click.option("--decoder", "former_reader", type=click.Choice(("pyav", "torchcodec", "nvdec")), hidden=True)
@click.option("--made-up", default=1200, help="Videos of the made-up scores.")
@click.option("--labels", default=25, help="Labels of the made-up scores.")
@_json
def bench(
    store: str | None,
    videos: str | None,
    backbone: str,
    sample: int,
    video_reader: str,
    former_reader: str | None,
    made_up: int,
    labels: int,
    as_json: bool,
) -> None:
    """Measure extraction and replay per video on this machine, and after how many settings extraction has paid off."""
    from .evaluate.bench.replay import bench as bench_all
    from .evaluate.bench.replay import check_request
    from .extract.bench import bench_request
    from .extract.settings import BenchRequest

    request = BenchRequest(videos, backbone, sample, _former_reader(former_reader) or video_reader)
    check_request(store, made_up, labels)
    extraction = bench_request(request)
    result = bench_all(extraction.as_dict(), store, made_up, labels)
    click.echo(json.dumps(result.as_dict()) if as_json else result.text())


@main.command()
@click.option("--decoder", type=click.Choice(("av2a", "ovavel")), default="av2a", help="Whose options.")
@_json
def options(decoder: str, as_json: bool) -> None:
    """List presets, and every option with what the release and the paper set it to."""
    from .core.params.av2a import PRESETS
    from .core.params.av2a import options as list_options
    from .core.params.ovavel import OVAVEL_PRESETS, ovavel_options
    from .evaluate.text_tables import options_text

    found, presets = (list_options(), PRESETS) if decoder == "av2a" else (ovavel_options(), OVAVEL_PRESETS)
    shown = {"presets": presets, "options": [vars(o) for o in found]}
    click.echo(json.dumps(shown) if as_json else options_text(found, presets))


@main.command()
@click.argument("dataset", metavar="DATASET")
@click.option("--add", multiple=True, metavar="LABEL", help="A label more, such as `background`.")
@_json
def labels(dataset: str, add: tuple[str, ...], as_json: bool) -> None:
    """Print the label list of llp, ave or ovavebench, one a line: what `extract --labels` reads."""
    from .evaluate.datasets.registry import dataset_labels

    found = [*dataset_labels(dataset), *add]
    click.echo(json.dumps(found) if as_json else "\n".join(found))


if __name__ == "__main__":
    main()
