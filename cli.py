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

DATASETS = ("llp", "ave", "json")


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
@_json
def demo(out: Path, videos: int, as_json: bool) -> None:
    """Generate labelled mp4 files, extract, replay, score and report: the whole path in seconds."""
    from .evaluate.demo import score_demo
    from .extract.demo_run import extract_demo

    made = extract_demo(out, videos)
    scored = score_demo(made.store, made.annotations, out)
    click.echo(json.dumps(scored.as_dict()) if as_json else "\n".join([*made.lines, *scored.lines]))


@main.command()
@click.argument("media", nargs=-1, required=True, metavar="MEDIA...")
@click.option("--store", "-o", required=True, help="Store to make or resume: a path or an fsspec URL.")
@click.option("--backbone", default="demo", help="Encoder; see `avreplay backbones`.")
@_set
@click.option("--check", is_flag=True, help="First try the encoder on generated pictures and sounds.")
@click.option("--labels", "labels_file", metavar="FILE", help="Labels, one a line [default: those of the backbone].")
@click.option("--ids", "ids_file", metavar="FILE", help="Only these video ids, one a line; absent ones are recorded.")
@click.option("--windows", type=click.Choice(("auto", "all", "multiscale", "none")), default="auto", help="Windows.")
@click.option("--max-all-segments", default=16, help="auto: every window up to this many segments.")
@click.option("--frames", type=click.Choice(("middle", "release")), default="middle", help="Frame of a segment.")
@click.option("--segment-seconds", default=1.0, help="Length of a segment.")
@click.option("--dtype", type=click.Choice(("float16", "float32")), default="float16", help="Stored embeddings.")
@click.option("--shard-videos", default=256, help="Videos per shard: what a crash can cost.")
@click.option("--workers", type=int, help="Decoding threads [default: one a core, at most 8].")
@_json
def extract(
    media: tuple[str, ...], store: str, labels_file: str | None, ids_file: str | None, as_json: bool, **options: Any
) -> None:
    """Encode videos (files or folders) into a store, once. Run it again to resume."""
    from .extract.run import extract_to_store

    def say(line: str) -> None:
        click.echo(line, err=True)

    summary = extract_to_store(list(media), store, labels_file=labels_file, ids_file=ids_file, say=say, **options)
    click.echo(json.dumps(summary.as_dict()) if as_json else summary.text())
    sys.exit(summary.exit_code)


@main.command()
@_json
def backbones(as_json: bool) -> None:
    """List the encoders: widths, licences, what they need, and whether it is installed."""
    from .extract.listing import backbones_text, list_backbones

    found = list_backbones()
    click.echo(json.dumps(found) if as_json else backbones_text(found))


@main.command("embed-text")
@_store
@click.option("--labels", "labels_file", required=True, metavar="FILE", help="New labels, one a line.")
@_set
@_json
def embed_text(store: str, labels_file: str, backbone_settings: tuple[str, ...], as_json: bool) -> None:
    """Give a store another label list; needs no video and no GPU."""
    from .extract.listing import parse_options
    from .extract.vocabulary import embed_labels, read_labels

    labels = read_labels(labels_file)
    embed_labels(store, labels, **parse_options(backbone_settings))
    click.echo(json.dumps({"labels": list(labels)}) if as_json else f"{len(labels)} labels embedded, scores renewed")


@main.command()
@_store
@_json
def info(store: str, as_json: bool) -> None:
    """What a store holds."""
    from .cache import store_info
    from .evaluate.tables import info_text

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
        click.echo(json.dumps({"store": store, "problems": [vars(p) for p in problems]}))
    for p in problems:
        click.echo(f"{p.path} {p.problem}; {p.mend}", err=True)
    if not problems and not as_json:
        click.echo(f"{store}: every byte is what was written")
    sys.exit(1 if problems else 0)


@main.command("import")
@click.argument("bundle", metavar="BUNDLE")
@_store
@_json
def import_(bundle: str, store: str, as_json: bool) -> None:
    """Make a store from a score bundle (.npz): anything that can score segments."""
    from .cache import import_file

    b = import_file(bundle, store)
    counts = {"videos": b.num_videos, "labels": b.num_labels, "segments": int(b.segments_per_video.sum())}
    click.echo(json.dumps(counts) if as_json else ", ".join(f"{n} {k}" for k, n in counts.items()) + f" in {store}")


@main.command()
@_store
@click.option("--preset", help="Bundle of parameters; see `avreplay options`.")
@click.option("--profile", help="release (the authors' code) or paper (the equations).")
@click.option("--params", "params_file", metavar="FILE", help="TOML file of options.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A single option; later wins.")
@click.option("--out", metavar="FILE", help="Write predictions.json here.")
@click.option("--trace", metavar="FILE", help="Write thresholds, scores, ratios and active labels (.npz) here.")
@click.option("--tracks", default="audio,visual,audio_visual", help="Tracks to compute.")
@click.option("--threads", type=int, help="Threads [default: all cores]; results do not depend on it.")
@_json
def replay(
    store: str, preset: str | None, profile: str | None, params_file: str | None, settings: tuple[str, ...],
    out: str | None, trace: str | None, tracks: str, threads: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Run AV²A over the cached scores of a store."""
    from .evaluate.run import replay_to_files

    summary = replay_to_files(
        store, preset, profile, params_file, settings, out, trace, tracks=tracks.split(","), threads=threads
    )
    click.echo(json.dumps(summary.as_dict()) if as_json else summary.text())


@main.command()
@click.argument("predictions", metavar="PREDICTIONS")
@_dataset
@_annotations
@_split
@click.option("--profile", default="release", help="release or paper: how AVE is scored.")
@click.option("--iou", default=0.5, help="IoU from which a predicted event matches.")
@click.option("--audio-from-visual", is_flag=True, help="Score the visual track as audio, as the released main.py.")
@click.option("--require-complete", is_flag=True, help="Make missing videos an error.")
@click.option("--aliases", "aliases_file", metavar="FILE", help="Other names of labels: JSON or TOML, name = label.")
@click.option("--per-class", is_flag=True, help="Also a table of classes.")
@_json
def evaluate(predictions: str, as_json: bool, per_class: bool, **options: Any) -> None:
    """Score predictions against annotations."""
    from .evaluate.run import evaluate_file
    from .evaluate.tables import class_text, evaluation_text

    result = evaluate_file(predictions, **options)
    if as_json:
        click.echo(json.dumps(result.as_dict(per_class=per_class)))
    else:
        click.echo(evaluation_text(result) + (class_text(result) if per_class else ""))


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
@click.option("--store", help="Measure on this store [default: made-up scores of LLP's size].")
@click.option("--videos", default=1200, help="Videos of the made-up scores.")
@click.option("--labels", default=25, help="Labels of the made-up scores.")
@_json
def bench(store: str | None, videos: int, labels: int, as_json: bool) -> None:
    """Measure loading, replay and metrics per video on this machine, beside the paper's inference cost."""
    from .evaluate.bench import bench_replay

    result = bench_replay(store, videos, labels)
    click.echo(json.dumps(result.as_dict()) if as_json else result.text())


@main.command()
@_json
def options(as_json: bool) -> None:
    """List presets, and every option with what the release and the paper set it to."""
    from .core.params import PRESETS
    from .core.params import options as list_options
    from .evaluate.tables import options_text

    found = list_options()
    shown = {"presets": PRESETS, "options": [vars(o) for o in found]}
    click.echo(json.dumps(shown) if as_json else options_text(found, PRESETS))


if __name__ == "__main__":
    main()
