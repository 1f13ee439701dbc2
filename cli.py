"""The command line: one short function a command; what they do lives in extract/, evaluate/ and cache/."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from . import __version__
from .cli_options import Commands, Output
from .cli_process import note, note_lines
from .core.errors import UsageError

if TYPE_CHECKING:
    from .cache.command_options import ImportRequest, InfoRequest, StoreRequest
    from .cache.doctor.request import DoctorRequest
    from .evaluate.command_options import (
        CompareRequest,
        EvaluateRequest,
        IdsRequest,
        ImportTextRequest,
        LabelsRequest,
        OptionsRequest,
        OracleRequest,
        ProbeRequest,
        ReplayBenchRequest,
        ReplayRequest,
        ReportRequest,
        ReproduceAv2aRequest,
        ReproduceOvavelRequest,
    )
    from .evaluate.explore_options import ExploreRequest
    from .evaluate.export_options import ExportRequest
    from .evaluate.leaderboard_options import LeaderboardSettings, LeaderboardStores
    from .evaluate.subset_options import SubsetRequest
    from .evaluate.tune_options import ResponseRequest, TuneSettings, TuneStores
    from .extract.command_options import (
        BackbonesRequest,
        BenchRequest,
        ConvertWeightsRequest,
        DemoRequest,
        EmbedTextRequest,
        ExtractRequest,
        InstallRequest,
        JoinStillsRequest,
    )
    from .extract.finetune.config import FinetuneRequest
    from .extract.forecast.request import PlanRequest

START = "Start"
EXTRACT = "Extract"
SCORE = "Replay and score"
LEARN = "Tune and train"
PAPERS = "Compare with the papers"
STORES = "Stores and imports"
ABOUT = "About"


@click.group(cls=Commands, context_settings={"show_default": True, "help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="avreplay")
def main() -> None:
    """Audio-visual event perception from cached embeddings: extract once, replay in microseconds."""


@main.command_of(START, "extract.command_options:DemoRequest", example="avreplay demo --out demo-output")
def demo(r: DemoRequest) -> Output:
    """Generate labelled mp4 files, extract, replay, score and report: the whole path in seconds."""
    from pathlib import Path

    from .cache.places import check_path
    from .evaluate.demo import score_demo
    from .extract.demo.run import extract_demo

    out = Path(check_path(r.out, "a folder"))
    made = extract_demo(out, r.videos, r.split)
    scored = score_demo(made.store, made.annotations, out, r.split)
    return Output(scored.as_dict, lambda: "\n".join([*made.lines, *scored.lines]))


@main.command_of(
    EXTRACT,
    "extract.command_options:ExtractRequest",
    example="avreplay extract videos/ --store llp --backbone languagebind",
)
def extract(r: ExtractRequest) -> Output:
    """Encode videos (files or folders) into a store, once. Run it again to resume; Ctrl-C ends after a shard."""
    from .extract.command import extract_to_store

    summary = extract_to_store(r, report=note_lines)
    return Output(summary.as_dict, summary.text, summary.exit_code)


@main.command_of(
    EXTRACT,
    "extract.forecast.request:PlanRequest",
    example="avreplay plan --videos 1000000 --hours 2800 --backbone clip_clap --devices 8",
)
def plan(r: PlanRequest) -> Output:
    """Say what an extraction of any size will cost: time, bytes, requests and memory, from one video measured here."""
    from .evaluate.bench.replay import replay_cost
    from .extract.forecast.command import plan_extraction
    from .extract.forecast.text import forecast_text

    found = plan_extraction(r).with_replay(replay_cost(r.label_count))
    return Output(found.as_dict, lambda: forecast_text(found))


@main.command_of(
    EXTRACT,
    "extract.command_options:JoinStillsRequest",
    name="join-stills",
    example="avreplay join-stills OV-AVEBench/test --out ovave-videos",
)
def join_stills(r: JoinStillsRequest) -> Output:
    """Make videos for `extract` of folders of pictures and the .wav files of the same names (OV-AVEL's release);
    nothing is encoded, and videos that are there are kept."""
    from .extract import join_stills

    found = join_stills(r.source, r.out, picture_seconds=r.picture_seconds)
    for id, problem in found.problems.items():
        note(f"{id}: {problem}")
    return Output(found.as_dict, lambda: found.text(r.out), 1 if found.problems else 0)


@main.command_of(
    EXTRACT, "extract.command_options:EmbedTextRequest", example="avreplay embed-text llp --labels labels.txt"
)
def embed_text(r: EmbedTextRequest) -> Output:
    """Give a store another label list; needs no video and no GPU."""
    from .extract.labels import embed_text

    labels = embed_text(r, report=note_lines)
    return Output(lambda: {"labels": list(labels)}, lambda: f"{len(labels)} labels embedded, scores renewed")


@main.command_of(
    SCORE,
    "evaluate.command_options:ReplayRequest",
    example="avreplay replay llp --preset languagebind --out predictions.json",
)
def replay(r: ReplayRequest) -> Output:
    """Run a decoder over the cached scores of a store: AV²A's, OV-AVEL's, or another.

    Several stores, a quoted pattern ('runs/*.store') or a list (NAME.stores.toml) are read as one.
    """
    from .evaluate.commands import replay_to_files

    summary = replay_to_files(r)
    return Output(summary.as_dict, summary.text)


@main.command_of(
    SCORE,
    "evaluate.command_options:EvaluateRequest",
    example="avreplay evaluate predictions.json --dataset llp --annotations LLP/ --split test",
)
def evaluate(r: EvaluateRequest) -> Output:
    """Score predictions against annotations."""
    from .evaluate.by_split import evaluate_by_split

    scored = evaluate_by_split(r)
    return Output(scored.as_dict, lambda: scored.text(lambda one: one.text()))


@main.command_of(
    SCORE,
    "evaluate.command_options:CompareRequest",
    example="avreplay compare naive.json predictions.json --dataset llp --annotations LLP/",
)
def compare(r: CompareRequest) -> Output:
    """Score two predictions on the videos both have: difference with bootstrap confidence intervals."""
    from .evaluate.by_split import compare_by_split
    from .evaluate.text_tables import comparison_text

    found = compare_by_split(r)
    return Output(found.as_dict, lambda: found.text(lambda one: comparison_text(one, r.table)))


@main.command_of(
    SCORE,
    "evaluate.command_options:ReportRequest",
    example="avreplay report naive.json predictions.json --dataset llp --annotations LLP/",
)
def report(r: ReportRequest) -> Output:
    """Write one offline HTML page: figures beside the paper's, timelines, scores against thresholds.

    Without --dataset and --annotations: timelines and scores alone.
    """
    from .evaluate.commands import report_to_file

    drawn = report_to_file(r)
    return Output(lambda: {"report": r.out, "videos_drawn": drawn}, lambda: f"{r.out}: {len(drawn)} videos drawn")


@main.command_of(
    SCORE,
    "evaluate.explore_options:ExploreRequest",
    example="avreplay explore llp --videos videos/ --dataset llp --annotations LLP/",
)
def explore(r: ExploreRequest) -> Output:
    """Open a page in the browser that replays the whole store at every move of a slider: figures, videos, and why.

    It listens on this machine alone; Ctrl-C ends it.
    """
    from .evaluate.explore.command import open_explorer
    from .extract.for_explorer.media import MediaLibrary
    from .extract.for_explorer.words import NewWords

    found = open_explorer(r, media_of=MediaLibrary, words_of=NewWords)
    return Output(lambda: {"url": found.url}, lambda: f"{found.url}\nCtrl-C ends it", then=found.serve)


@main.command_of(
    SCORE,
    "evaluate.export_options:ExportRequest",
    example="avreplay export predictions.json --format elan --media videos/ --out eaf/",
)
def export(r: ExportRequest) -> Output:
    """Write events in seconds for other tools: csv, Audacity, ELAN, subtitles, Label Studio, FiftyOne and more.

    With --dataset and --annotations in the place of predictions, the truth.
    """
    from .evaluate.export.command import export_to_path

    written = export_to_path(r)
    return Output(written.as_dict, written.text)


@main.command_of(
    LEARN,
    "evaluate.tune_options:TuneStores",
    "evaluate.tune_options:TuneSettings",
    example="avreplay tune llp --dataset llp --annotations LLP/ --preset languagebind --out tuned",
)
def tune(at: TuneStores, settings: TuneSettings) -> Output:
    """Search for the best options of a decoder on cached scores; report them on another split.

    Of several stores, one setting for all and one for each are searched; a quoted pattern or a list (NAME.stores.toml)
    is one store.
    """
    from .evaluate.tuning import tune, tune_shared
    from .evaluate.tuning.shared_outputs import shared_text
    from .evaluate.tuning.text import tune_text

    if len(at.stores) > 1:
        shared = tune_shared(at.stores, settings)
        return Output(shared.as_dict, lambda: shared_text(shared, at.table), shared.exit_code)
    found = tune(at.stores[0], settings)
    return Output(found.as_dict, lambda: tune_text(found, at.table), found.exit_code)


@main.command_of(
    LEARN,
    "evaluate.leaderboard_options:LeaderboardStores",
    "evaluate.leaderboard_options:LeaderboardSettings",
    example="avreplay leaderboard llp --dataset llp --annotations LLP/ --tune-split val --report-split test",
)
def leaderboard(at: LeaderboardStores, settings: LeaderboardSettings) -> Output:
    """Tune every decoder alike on one split and report it on another: figures, intervals, differences, cost.

    Of several stores, one an encoder, decoders by encoders. Run it again to go on after an interruption.
    """
    from .evaluate.leaderboard import leaderboard as make_leaderboard
    from .evaluate.leaderboard.text import leaderboard_text

    found = make_leaderboard(at.stores, settings, report=note)
    return Output(found.as_dict, lambda: leaderboard_text(found, at.table))


@main.command_of(
    LEARN,
    "evaluate.tune_options:ResponseRequest",
    example="avreplay response llp --dataset llp --annotations LLP/ --params tuned/best.toml --out response.html",
)
def response(r: ResponseRequest) -> Output:
    """Show what AV2A's figures are at every value of tau0 and tau_r, or of one number: exactly, without a search."""
    from .evaluate.tuning.exact.command import response as exact_response

    found = exact_response(r)
    return Output(found.as_dict, found.text)


@main.command_of(
    LEARN,
    "evaluate.command_options:OracleRequest",
    example="avreplay oracle llp --dataset llp --annotations LLP/ --points 4096",
)
def oracle(r: OracleRequest) -> Output:
    """Say how far CueRator's rule could get if it knew each video's annotations: an upper bound, never a result."""
    from .evaluate.commands import cuerator_bound

    found = cuerator_bound(r)
    return Output(found.as_dict, found.text)


@main.command_of(
    LEARN,
    "extract.finetune.config:FinetuneRequest",
    example="avreplay finetune ovave --dataset ovavebench --annotations OV-AVEBench/",
)
def finetune(r: FinetuneRequest) -> Output:
    """Train OV-AVEL's temporal layers on cached embeddings (needs torch); the result is a score set for `replay`.

    Run it again to go on after an interruption.
    """
    from .extract.finetune.command import finetune_command

    targets = None
    if r.dataset is not None and r.annotations is not None:
        from .evaluate.segment_targets import load_targets

        targets = load_targets(r.dataset, r.annotations, train_split=r.train_split, background=r.background)
    summary = finetune_command(r, targets)
    return Output(summary.as_dict, summary.text)


@main.command_of(
    LEARN,
    "evaluate.command_options:ProbeRequest",
    example="avreplay probe llp --dataset llp --annotations LLP/ --modality audio",
)
def probe(r: ProbeRequest) -> Output:
    """Train a linear classifier on one modality's embeddings, and score it per segment (paper, Table 7)."""
    from .evaluate.commands import probe_to_file
    from .evaluate.text_tables import probe_text

    found = probe_to_file(r)
    return Output(found.as_dict, lambda: probe_text(found))


@click.group(cls=Commands, epilog="Example:  avreplay reproduce av2a languagebind=llp --llp LLP/")
def reproduce() -> None:
    """Run the papers' tables over stores: measured beside printed."""


main.add_to(PAPERS, reproduce)


@reproduce.command_of(
    "Papers",
    "evaluate.command_options:ReproduceAv2aRequest",
    name="av2a",
    example="avreplay reproduce av2a languagebind=llp --llp LLP/",
)
def reproduce_av2a(r: ReproduceAv2aRequest) -> Output:
    """AV²A's Tables 2 to 6 (NAME: clip_clap, languagebind, mgn_ma, jomold, cmpae)."""
    from .evaluate.reproduce.av2a import reproduce_av2a
    from .evaluate.reproduce.av2a_text import reproduction_text

    found = reproduce_av2a(r)
    return Output(found.as_dict, lambda: reproduction_text(found, r.table))


@reproduce.command_of(
    "Papers",
    "evaluate.command_options:ReproduceOvavelRequest",
    name="ovavel",
    example="avreplay reproduce ovavel imagebind=ovave --annotations OV-AVEBench/",
)
def reproduce_ovavel(r: ReproduceOvavelRequest) -> Output:
    """OV-AVEL's tables over stores of ImageBind and of CLIP & CLAP (NAME: imagebind, clip_clap)."""
    from .cache.places import check_outputs
    from .evaluate.reproduce.ovavel import reproduce_ovavel
    from .evaluate.reproduce.ovavel_text import reproduction_text, write_class_figure

    check_outputs(r.figure)
    found = reproduce_ovavel(r)
    if r.figure is not None:
        write_class_figure(found, r.figure)
    return Output(found.as_dict, lambda: reproduction_text(found, r.table))


@main.command_of(
    STORES,
    "cache.command_options:ImportRequest",
    name="import",
    example="avreplay import scores.h5 llp --mapping mapping.toml",
)
def import_(r: ImportRequest) -> Output:
    """Make a store from a score bundle (.npz), or with a mapping from any model's scores (npz, HDF5, csv) or from
    embeddings (npy, npz, safetensors, pt, HDF5, Parquet)."""
    from .cache.imports.embeddings.tables import maps_embeddings

    if r.guess:
        from .extract.embeddings_in import guess_mapping

        guessed = guess_mapping(r.source)
        return Output(lambda: {"mapping": guessed}, guessed.rstrip)
    if r.mapping is not None and maps_embeddings(r.mapping):
        from .extract.embeddings_in import import_request

        summary = import_request(r, report=note_lines)
        return Output(summary.as_dict, summary.text, summary.exit_code)
    from .cache import import_scores

    if r.labels is not None:
        raise UsageError("--labels is for embeddings, read by a mapping with [embeddings]; scores bring theirs along")
    assert r.store is not None
    b = import_scores(r.source, r.store, r.mapping, r.format, r.memory)
    counts = {"videos": b.num_videos, "labels": b.num_labels, "segments": int(b.segments_per_video.sum())}
    return Output(lambda: counts, lambda: ", ".join(f"{n} {k}" for k, n in counts.items()) + f" in {r.store}")


@main.command_of(
    STORES, "evaluate.command_options:ImportTextRequest", example="avreplay import-text answers/ --out predictions.json"
)
def import_text(r: ImportTextRequest) -> Output:
    """Make predictions from a language model's answers (`ave: [1, 0, ...]`, `class: ...`): JSON, JSON lines or a
    folder of <video id>.txt."""
    from .evaluate.commands import import_texts

    found = import_texts(r)
    videos, problems = len(found.predictions.video_ids), dict(found.problems)
    for video, problem in problems.items():
        note(f"{video}: {problem}")
    return Output(
        lambda: {"videos": videos, "problems": problems, "out": r.out},
        lambda: f"{videos} answers, {len(problems)} of them without a prediction; wrote {r.out}",
        1 if problems else 0,
    )


@main.command_of(STORES, "cache.command_options:InfoRequest", example="avreplay info llp")
def info(at: InfoRequest) -> Output:
    """What a store holds, or several that are read as one."""
    from .cache import store_info
    from .evaluate.text_tables import info_text

    found = store_info(at.store)
    return Output(lambda: found, lambda: info_text(found))


@main.command_of(
    STORES,
    "evaluate.subset_options:SubsetRequest",
    example="avreplay subset llp llp-val --dataset llp --annotations LLP/ --split val",
)
def subset(r: SubsetRequest) -> Output:
    """Make a store of some videos of another one: by ids, split, label or status. Run it again to resume."""
    from .evaluate.subset import subset_to_store

    found = subset_to_store(r)
    return Output(found.as_dict, found.text)


@main.command_of(STORES, "cache.command_options:StoreRequest", example="avreplay verify llp")
def verify(at: StoreRequest) -> Output:
    """Compare a store with what was written, byte by byte, and name what is damaged."""
    from .cache import check_store

    found = check_store(at.store)
    for p in found.problems:
        note(f"{p.path} {p.problem}; {p.fix}")
    return Output(found.as_dict, found.text, 1 if found.problems else 0)


@main.command_of(STORES, "cache.command_options:StoreRequest", example="avreplay upgrade llp")
def upgrade(at: StoreRequest) -> Output:
    """Rewrite a store of an older schema version in place; embeddings stay as they are, byte for byte."""
    from .cache import upgrade_store

    found = upgrade_store(at.store)
    return Output(found.as_dict, found.text)


@main.command_of(ABOUT, "extract.command_options:BackbonesRequest", example="avreplay backbones languagebind")
def backbones(r: BackbonesRequest) -> Output:
    """List the encoders: widths, licences, what they need, and whether it is installed; of one also its options."""
    from .extract.backbones.listing import backbones_text, list_backbones, options_of, options_text

    found = list_backbones()
    if r.name is None:
        return Output(lambda: found, lambda: backbones_text(found))
    options = options_of(r.name)
    one = next((b for b in found if b["name"] == r.name), {"name": r.name})
    return Output(lambda: {**one, "options": options}, lambda: options_text(r.name or "", options))


@main.command_of(START, "extract.command_options:InstallRequest", example="avreplay install imagebind")
def install(r: InstallRequest) -> Output:
    """Install backbones, or extras of avreplay, with all that they need, by pip or uv into this Python."""
    from .extract.backbones.installing import install

    done = install(r, report=note)
    return Output(done.as_dict, done.text)


@main.command_of(START, "cache.doctor.request:DoctorRequest", example="avreplay doctor --store llp")
def doctor(r: DoctorRequest) -> Output:
    """Say what is installed, what fits together and what is broken, with GPUs, decoders and the place of a store, and
    what to type."""
    from .cli_doctor import health

    found = health(r)
    return Output(found.as_dict, found.text, found.exit_code)


@main.command_of(
    ABOUT,
    "extract.command_options:ConvertWeightsRequest",
    example="avreplay convert-weights checkpoint.pt weights.safetensors",
)
def convert_weights(r: ConvertWeightsRequest) -> Output:
    """Write the tensors of a checkpoint as safetensors, and print the SHA-256: for files in newer pickle protocols or
    with NumPy arrays, which encoders do not open. Nothing in the checkpoint is run."""
    from .extract.backbones.weights import convert_file

    found = convert_file(r.source, r.target)
    return Output(lambda: vars(found), found.text)


@main.command_of(ABOUT, "evaluate.command_options:OptionsRequest", example="avreplay options --decoder ovavel")
def options(r: OptionsRequest) -> Output:
    """List a decoder's presets, what a search changes, and every option with its value in the release and the paper."""
    from .core.decoders.registry import DECODERS
    from .evaluate.text_tables import options_text

    decoder = DECODERS.get(r.decoder)
    return Output(
        lambda: {
            "presets": {name: dict(values) for name, values in decoder.presets.items()},
            "options": [vars(o) for o in decoder.options()],
            "search": list(decoder.search_space()),
        },
        lambda: options_text(decoder),
    )


@main.command_of(ABOUT, "evaluate.command_options:LabelsRequest", example="avreplay labels llp > labels.txt")
def labels(r: LabelsRequest) -> Output:
    """Print the label list of a dataset, one a line: what `extract --labels` reads."""
    from .evaluate.datasets.registry import dataset_labels

    found = [*dataset_labels(r.dataset), *r.add]
    return Output(lambda: found, lambda: "\n".join(found))


@main.command_of(
    ABOUT,
    "evaluate.command_options:IdsRequest",
    example="avreplay ids llp --annotations LLP/ --split test > test_ids.txt",
)
def ids(r: IdsRequest) -> Output:
    """Print video ids, one a line: what `--ids` reads. Those of a dataset's split, or of a store (`--status
    missing`)."""
    from .evaluate.commands import list_ids

    found = list_ids(r)
    return Output(lambda: found, lambda: "\n".join(found))


@main.command_of(ABOUT, example="avreplay datasets")
def datasets() -> Output:
    """List the datasets: their files, splits and metric."""
    from .evaluate.datasets.listing import datasets_text, list_datasets

    found = list_datasets()
    return Output(lambda: found, lambda: datasets_text(found))


@main.command_of(ABOUT, example="avreplay plugins")
def plugins() -> Output:
    """List every dataset, metric, decoder and backbone with its source and one line; a broken plug-in is named."""
    from .registration import about, plugins

    found = plugins()
    return Output(
        lambda: [vars(p) for p in found],
        lambda: "\n".join(f"{p.kind:<10}{p.name:<16}{p.source:<10} {p.error or about(p)}".rstrip() for p in found),
    )


@main.command_of(
    ABOUT,
    "extract.command_options:BenchRequest",
    "evaluate.command_options:ReplayBenchRequest",
    example="avreplay bench --store llp --media videos/",
)
def bench(extraction: BenchRequest, replay: ReplayBenchRequest) -> Output:
    """Measure extraction and replay per video on this machine, and after how many settings extraction has paid off."""
    from .cache import open_store
    from .evaluate.bench.replay import bench, bench_replay
    from .extract.bench import bench_request

    if replay.store is not None:
        open_store(replay.store)  # one that cannot be read is found before anything is extracted
    extracted = bench_request(extraction)
    found = bench(bench_replay(replay), extracted.as_dict())
    return Output(found.as_dict, found.text)


if __name__ == "__main__":
    main()
