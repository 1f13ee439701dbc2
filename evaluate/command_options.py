"""The options of the commands that replay, score and report: what they are, their defaults, and which are wrong.

Only the standard library is imported here, so that the command line can list options without waiting. The function
that does what a request says is named in its first line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.command_options import REQUIRED, check_memory, checked_choices, memory_setting, setting
from ..core.errors import UsageError
from ..core.params.options import PROFILES
from .shared_options import (
    CALIBRATION,
    LLP,
    aliases_setting,
    annotations_setting,
    apply_pool,
    batch_size_setting,
    check_annotations,
    check_resamples,
    check_seed,
    dataset_setting,
    decoder_setting,
    ids_setting,
    metrics_setting,
    params_setting,
    pool_setting,
    preset_setting,
    profile_setting,
    ray_setting,
    resamples_setting,
    scores_setting,
    set_setting,
    split_setting,
    splits_setting,
    strict_setting,
    table_setting,
    threads_setting,
)

MODALITIES = ("audio", "visual")
TRAIN_LABELS = ("segment", "video")
ORACLE_SCORES = ("frame_acc", "fa_seg", "avg")


@dataclass(frozen=True)
class ReplayRequest:
    """One run of ``avreplay replay`` (`.commands.replay_to_files`).

    Attributes
    ----------
    store : what :func:`avreplay.open_stores` opens: a path or URL, a pattern, a list of stores, or several of these
    decoder : a name or ``package.module:Object``; None: that of the parameter file, else AV²A
    preset, profile, params_file, settings : layers of the decoder's options, later wins; ``settings`` as ``KEY=VALUE``
    out, trace : files to write: predictions, and what happened inside (``.npz``)
    overwrite : replace the parts of another run, where predictions are written as a folder of Parquet files
    tracks : names of the tracks to compute, with commas between them
    threads : default: the number of cores
    scores : a score set of the store, instead of its own scores
    pool : how scores of frames become those of segments, see :mod:`avreplay.core.pooling`
    memory : for scores, such as ``2GB``; None: 1 GiB
    ray : address of a Ray cluster whose nodes replay, ``auto`` or ``local``; threads and memory are then each worker's

    Raises: UsageError for a memory that is no size, another rule, a score set beside a rule.
    """

    store: Sequence[str] = setting(REQUIRED, "The store, or several to be read as one.", metavar="STORE", argument=True)
    decoder: str | None = decoder_setting()
    preset: str | None = preset_setting("Bundle of options")
    profile: str | None = profile_setting(None, "the authors' code, or the equations")
    params_file: str | None = params_setting()
    settings: Sequence[str] = set_setting("A single option of the decoder; later wins.")
    out: str | None = setting(None, "Write predictions here: JSON, or Parquet (.parquet).", metavar="FILE")
    overwrite: bool = setting(False, "Replace Parquet parts of another run.")
    trace: str | None = setting(None, "Write thresholds, scores, ratios and active labels (.npz) here.", metavar="FILE")
    tracks: str = setting("audio,visual,audio_visual", "Tracks to compute.", metavar="TRACK,...")
    threads: int | None = threads_setting()
    scores: str | None = scores_setting()
    pool: str | None = pool_setting()
    memory: str | None = memory_setting()
    ray: str | None = ray_setting("Replay")

    def __post_init__(self) -> None:
        apply_pool(self)
        check_memory(self.memory)


@dataclass(frozen=True)
class EvaluateRequest:
    """One run of ``avreplay evaluate`` (`.by_split.evaluate_by_split`); the options are those of
    :func:`avreplay.evaluate_predictions`.

    Attributes
    ----------
    predictions : file
    dataset, annotations, split : what is compared with; several splits with commas between them, or ``all``
    ids_file : score only the videos whose ids are in this file; ``-``: on stdin
    strict, batch_size : average OV-AVEL's F-scores over batches of this number of videos
    per_class, resamples : also figures by class, and intervals of this number of bootstrap resamples (0: none)
    picture : where the picture of a metric that has one is written, as SVG
    """

    predictions: str = setting(REQUIRED, "Predictions.", metavar="PREDICTIONS", argument=True)
    dataset: str = dataset_setting()
    annotations: str = annotations_setting()
    split: str = splits_setting()
    ids_file: str | None = ids_setting()
    metrics: str = metrics_setting()
    profile: str = profile_setting("release", "how AVE and OV-AVEBench are scored")
    iou: float = setting(0.5, "IoU from which a predicted event matches.")
    audio_from_visual: bool = setting(False, "Score the visual track as audio, as the released main.py.", section=LLP)
    require_complete: bool = setting(False, "Make missing videos an error.")
    aliases_file: str | None = aliases_setting()
    strict: bool = strict_setting()
    batch_size: int = batch_size_setting()
    mask_short: bool = setting(False, "Do not score seconds that a clip shorter than annotated lacks.")
    per_class: bool = setting(False, "Also a table of classes.")
    resamples: int = resamples_setting(0, flag="--bootstrap")
    picture: str | None = setting(
        None, "Write the reliability picture of calibration, as SVG.", metavar="FILE", section=CALIBRATION
    )
    table: str | None = table_setting()

    def __post_init__(self) -> None:
        checked_choices(self)
        check_resamples(self.resamples)


@dataclass(frozen=True)
class CompareRequest:
    """One run of ``avreplay compare`` (`.by_split.compare_by_split`); see :func:`avreplay.compare`.

    Raises: UsageError for a seed out of range, fewer than one resample.
    """

    first: str = setting(REQUIRED, "Predictions.", metavar="FIRST", argument=True)
    second: str = setting(REQUIRED, "Predictions.", metavar="SECOND", argument=True)
    dataset: str = dataset_setting()
    annotations: str = annotations_setting()
    split: str = splits_setting()
    ids_file: str | None = ids_setting()
    metrics: str = metrics_setting()
    profile: str = profile_setting("release", "how AVE and OV-AVEBench are scored")
    resamples: int = resamples_setting()
    seed: int = setting(0, "Seed of the resamples.")
    table: str | None = table_setting()

    def __post_init__(self) -> None:
        checked_choices(self)
        check_seed(self.seed)
        check_resamples(self.resamples)
        if self.resamples < 1:
            raise UsageError(f"{self.resamples} resamples make no interval; give at least 1")


@dataclass(frozen=True)
class ProbeRequest:
    """One run of ``avreplay probe`` (`.commands.probe_to_file`); the options are those of `.probe.run.probe`.

    Attributes
    ----------
    train_split : None: the split of the dataset that has labels per segment
    train_labels : None: ``segment``, or ``video`` for a split whose labels are of whole videos
    out : predictions to write

    Raises: UsageError for an unknown modality or kind of labels, a seed out of range.
    """

    store: str = setting(REQUIRED, "The store.", metavar="STORE", argument=True)
    dataset: str = dataset_setting()
    annotations: str = annotations_setting()
    modality: str = setting(REQUIRED, "Whose embeddings and events.", choices=MODALITIES)
    split: str = split_setting("test", "Split that is scored.")
    train_split: str | None = setting(None, "Split to learn from.", metavar="NAME", shown_default="train; val for llp")
    train_annotations: str | None = setting(
        None, "Annotations of that split.", metavar="PATH", shown_default="those of --annotations"
    )
    train_store: str | None = setting(None, "Store that has its videos.", metavar="STORE", shown_default="STORE")
    train_labels: str | None = setting(None, "video: a video's labels hold in all its segments.", choices=TRAIN_LABELS)
    strength: float = setting(1.0, "Inverse weight of the L2 penalty.")
    shuffle_labels: bool = setting(False, "Control: learn from labels dealt to other segments.")
    seed: int = setting(0, "Of that shuffle; the fit itself draws nothing.")
    profile: str = profile_setting("paper", "how AVE is scored")
    out: str | None = setting(None, "Write predictions here: JSON, or Parquet (.parquet).", metavar="FILE")
    overwrite: bool = setting(False, "Replace Parquet parts of another run.")

    def __post_init__(self) -> None:
        checked_choices(self)
        check_seed(self.seed)


@dataclass(frozen=True)
class OracleRequest:
    """One run of ``avreplay oracle`` (`.commands.cuerator_bound`); the options are those of
    :func:`avreplay.cuerator_oracle`.

    Raises: UsageError for an unknown score, a seed out of range.
    """

    store: str = setting(REQUIRED, "The store.", metavar="STORE", argument=True)
    dataset: str = dataset_setting()
    annotations: str = annotations_setting()
    split: str = split_setting("test", "Split whose annotations choose the weights.")
    score: str = setting("frame_acc", "What is highest for each video.", choices=ORACLE_SCORES)
    points: int = setting(1 << 17, "Weights that are tried; the same for all videos.")
    seed: int = setting(42, "Of the Sobol sequence that they are points of.")
    scores: str | None = scores_setting()
    threads: int | None = threads_setting()

    def __post_init__(self) -> None:
        checked_choices(self)
        check_seed(self.seed)


@dataclass(frozen=True)
class ReportRequest:
    """One run of ``avreplay report`` (`.commands.report_to_file`).

    Attributes
    ----------
    predictions : files, one a run; the last run is the main one
    dataset, annotations, split : what is compared with; None: timelines without truth and figures
    traces : files; fewer than runs belong to the last ones
    store : that the last run was replayed from: its scores and thresholds without a trace; only the drawn videos are
        read, with ``memory`` for their scores, such as ``2GB`` (None: 1 GiB)
    videos : ids of the videos to draw; none: up to ``max_videos``, by ``order`` (as :func:`avreplay.write_report` says)
    out, title : the page to write, and its heading

    Raises: UsageError for more traces than runs, a trace and a store, half of the annotations, a metric without any.
    """

    predictions: Sequence[str] = setting(REQUIRED, "Predictions, one a run.", metavar="PREDICTIONS", argument=True)
    dataset: str | None = dataset_setting(None, "Kind of annotations; none: no figures. See `avreplay datasets`.")
    annotations: str | None = setting(None, "Annotation file, or the folder of the csv files.", metavar="PATH")
    split: str = split_setting("test", "Split that is scored.")
    metrics: str = metrics_setting()
    traces: Sequence[str] = setting((), "Trace of the last run (or one a run).", flag="--trace", metavar="FILE")
    store: str | None = setting(None, "Store of the last run: its trace is made again.", metavar="STORE")
    out: str = setting("report.html", "The page to write.", metavar="FILE")
    videos: Sequence[str] = setting((), "Draw these videos.", flag="--video", metavar="ID")
    max_videos: int = setting(12, "Draw at most this number.")
    order: str = setting("worst", "Which videos are drawn first.", choices=("worst", "best", "spread"))
    title: str = setting("", "Heading.", metavar="TEXT")
    memory: str | None = memory_setting()

    def __post_init__(self) -> None:
        checked_choices(self)
        check_memory(self.memory)
        check_annotations(self.dataset, self.annotations)
        if self.dataset is None and self.metrics != "auto":
            raise UsageError("--metrics compares with annotations; give --dataset and --annotations")
        if self.traces and self.store is not None:
            raise UsageError("--trace and --store both give the trace of the last run; give one of them")
        if len(self.traces) > len(self.predictions):
            raise UsageError(
                f"{len(self.traces)} traces were given for {len(self.predictions)} predictions; give one a run"
            )


@dataclass(frozen=True)
class ImportTextRequest:
    """One run of ``avreplay import-text`` (`.commands.import_texts`).

    Attributes
    ----------
    texts : JSON, JSON lines or a folder of ``<video id>.txt``, see `.files.text_predictions.read_texts`
    out : predictions to write
    dataset : whose labels the classes are
    aliases_file, model : other names of labels; name of the model, kept with the predictions
    """

    texts: str = setting(REQUIRED, "Answers.", metavar="TEXTS", argument=True)
    out: str = setting(REQUIRED, "Write predictions.json here.", metavar="FILE")
    dataset: str = dataset_setting("ovavebench", "Whose labels the classes are; see `avreplay plugins`.")
    aliases_file: str | None = aliases_setting()
    model: str = setting("", "Name of the model, kept with the predictions.", metavar="TEXT")


@dataclass(frozen=True)
class ReproduceAv2aRequest:
    """One run of ``avreplay reproduce av2a`` (`.reproduce.av2a.reproduce_av2a`).

    Attributes
    ----------
    stores : paths or URLs, ``NAME=PATH`` where a store does not say whose it is (NAME: clip_clap, languagebind, mgn_ma,
        jomold, cmpae). A store serves the dataset whose videos and labels it has; several of one name are runs of the
        same system, whose mean and deviation are given
    llp, ave : annotations
    profile : release or paper, for replay and for scoring AVE
    label_orders : orders of the label list to average AVE's accuracy over: the release takes the first event of a
        video, and its labels stand in the order of a Python set, which differs from process to process

    Raises
    ------
    UsageError
        neither annotations, fewer than one order, an unknown profile
    """

    stores: Sequence[str] = setting((), "Stores.", metavar="[NAME=]STORE", argument=True)
    llp: str | None = setting(None, "LLP's annotations, for Tables 2, 3, 5 and 6.", metavar="PATH")
    ave: str | None = setting(None, "AVE's annotations, for Table 4.", metavar="PATH")
    profile: str = setting("release", "Replay and scoring.", choices=PROFILES)
    label_orders: int = setting(5, "Orders of the label list to average AVE over: the release's is random.")
    threads: int | None = threads_setting()
    table: str | None = table_setting()

    def __post_init__(self) -> None:
        checked_choices(self)
        if self.llp is None and self.ave is None:
            raise UsageError("give LLP's annotations with --llp, AVE's with --ave, or both")
        if self.label_orders < 1:
            raise UsageError(f"the number of label orders is {self.label_orders}; it must be at least 1")


@dataclass(frozen=True)
class ReproduceOvavelRequest:
    """One run of ``avreplay reproduce ovavel`` (`.reproduce.ovavel.reproduce_ovavel`).

    Attributes
    ----------
    stores : paths or URLs; ``imagebind=PATH`` or ``clip_clap=PATH`` where a store does not say whose it is. A store
        is used for the datasets of which it has videos
    annotations, ave : of OV-AVEBench and of AVE
    predictions : ``NAME=FILE`` for the rows of other systems, ``video-llama2=FILE`` for one
    av2a_params, cuerator_params : parameter files of AV²A and of CueRator's rule, a row each
    profile : release or paper, for decoding and scoring
    strict, batch_size : average F-scores over batches of this number of videos
    figure : page of the figure of classes to write

    Raises
    ------
    UsageError
        neither annotations, an unknown profile
    """

    stores: Sequence[str] = setting((), "Stores.", metavar="[NAME=]STORE", argument=True)
    annotations: str | None = setting(None, "OV-AVEBench's annotations.", metavar="PATH")
    ave: str | None = setting(None, "AVE's annotations, for the zero-shot rows.", metavar="PATH")
    predictions: Sequence[str] = setting((), "Another system's predictions.", metavar="NAME=FILE")
    av2a_params: Sequence[str] = setting((), "A row of AV²A with these parameters (of `tune`).", metavar="FILE")
    cuerator_params: Sequence[str] = setting((), "A row of CueRator's rule with these weights.", metavar="FILE")
    profile: str = setting("release", "Decoding and scoring.", choices=PROFILES)
    strict: bool = strict_setting()
    batch_size: int = batch_size_setting()
    figure: str | None = setting(None, "Write the figure of classes (A4) here, as HTML.", metavar="FILE")
    table: str | None = table_setting()

    def __post_init__(self) -> None:
        checked_choices(self)
        if self.annotations is None and self.ave is None:
            raise UsageError("give OV-AVEBench's annotations with --annotations, AVE's with --ave, or both")


@dataclass(frozen=True)
class ReplayBenchRequest:
    """What ``avreplay bench`` measures of replay (`.bench.replay.bench_replay`).

    Attributes
    ----------
    store : None: synthetic scores
    synthetic_videos, synthetic_labels : the size of those
    repeats : runs that the medians are of

    Raises
    ------
    UsageError
        a number of videos, labels or repeats below 1
    """

    store: str | None = setting(
        None, "Measure replay on this store.", metavar="STORE", shown_default="synthetic scores of LLP's size"
    )
    synthetic_videos: int = setting(1200, "Videos of the synthetic scores.", former="--made-up")
    synthetic_labels: int = setting(25, "Labels of the synthetic scores.", former="--labels")
    repeats: int = 7

    def __post_init__(self) -> None:
        for name in ("synthetic_videos", "synthetic_labels", "repeats"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be at least 1")


@dataclass(frozen=True)
class OptionsRequest:
    """What ``avreplay options`` lists."""

    decoder: str = setting("av2a", "Whose options; see `avreplay plugins`.", metavar="NAME")


@dataclass(frozen=True)
class LabelsRequest:
    """What ``avreplay labels`` lists: a dataset's labels, and some more."""

    dataset: str = setting(REQUIRED, "The dataset.", metavar="DATASET", argument=True)
    add: Sequence[str] = setting((), "A label more, such as `background`.", metavar="LABEL")


@dataclass(frozen=True)
class IdsRequest:
    """What ``avreplay ids`` lists: the annotated videos of a split of a dataset, or those of a store.

    Attributes
    ----------
    source : a dataset, with ``annotations`` and ``split``, or a store
    status : only the videos of a store that have one of these, comma-separated
    """

    source: str = setting(REQUIRED, "A dataset (with --annotations), or a store.", metavar="SOURCE", argument=True)
    annotations: str | None = setting(None, "Annotations of the dataset.", metavar="PATH")
    split: str = split_setting("test", "Split of the dataset.")
    status: str | None = setting(None, "Of a store: only videos of these statuses.", metavar="STATUS,...")

    def __post_init__(self) -> None:
        if self.annotations is not None and self.status is not None:
            raise UsageError(
                "--status is of the videos of a store, and --annotations are of a dataset; give one of them"
            )
