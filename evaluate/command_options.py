"""The options of the commands that replay, score, tune and report: what they are, their defaults, and which are wrong.

Only the standard library is imported here, so that the command line can list options without waiting. The function
that does what a request says is named in its first line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..core.command_options import REQUIRED, checked_choices, setting
from ..core.errors import UsageError
from ..core.params.options import PROFILES

MODALITIES = ("audio", "visual")
TRAIN_LABELS = ("segment", "video")

OWN_SAMPLERS = ("sobol-local", "sobol", "grid")
"""Samplers of this package; all others are Optuna's."""

SHARES = ("mean", "worst", "none")

OVER = ("tau0,tau_r", "tau0", "tau_r", "tau_f")
"""What the exact response can be over."""

MAX_SEED = 2**32 - 1


def _dataset(default: Any = REQUIRED, help: str = "Kind of annotations; see `avreplay plugins`.") -> Any:
    return setting(default, help, metavar="NAME")


def _annotations() -> Any:
    return setting(REQUIRED, "Annotation file, or the folder of the csv files.", metavar="PATH")


def _split(default: str, help: str) -> Any:
    return setting(default, help, metavar="NAME")


def _metrics() -> Any:
    return setting("auto", "Metric; auto: the dataset's own. See `avreplay plugins`.", metavar="NAME")


def _profile(default: str | None, help: str) -> Any:
    return setting(default, f"release or paper: {help}.", metavar="NAME")


def _resamples(default: int = 2000, **how: Any) -> Any:
    return setting(default, "Bootstrap resamples of the videos, for confidence intervals.", **how)


def _threads() -> Any:
    return setting(None, "Threads; results do not depend on it.", shown_default="all cores")


def _decoder() -> Any:
    return setting(
        None, "Decoder; see `avreplay plugins`.", metavar="NAME", shown_default="that of --params, else av2a"
    )


def _preset(help: str) -> Any:
    return setting(None, f"{help}; see `avreplay options`.", metavar="NAME")


def _params() -> Any:
    return setting(None, "TOML file of the decoder's options.", flag="--params", metavar="FILE")


def _set(help: str) -> Any:
    return setting((), help, flag="--set", metavar="KEY=VALUE")


def _scores() -> Any:
    return setting(None, "A score set of the store, instead of its own scores.", metavar="NAME")


def _aliases() -> Any:
    return setting(None, "Other names of labels: JSON or TOML, name = label.", flag="--aliases", metavar="FILE")


def _strict() -> Any:
    return setting(False, "OV-AVEL's F-scores as means over batches, as the release logs them.")


def _batch_size() -> Any:
    return setting(32, "Videos in a batch, for --strict (the release: 32, training-free 4).")


def check_seed(seed: int) -> None:
    """Raises: UsageError for a seed that is no 32-bit number."""
    if not 0 <= seed <= MAX_SEED:
        raise UsageError(f"the seed is {seed}; it must be from 0 to {MAX_SEED}")


@dataclass(frozen=True)
class ReplayRequest:
    """One run of ``avreplay replay`` (`.commands.replay_to_files`).

    Attributes
    ----------
    store : path or URL
    decoder : a name or ``package.module:Object``; None: that of the parameter file, else AV²A
    preset, profile, params_file, settings : layers of the decoder's options, later wins; ``settings`` as ``KEY=VALUE``
    out, trace : files to write: predictions, and what happened inside (``.npz``)
    tracks : names of the tracks to compute, with commas between them
    threads : default: the number of cores
    scores : a score set of the store, instead of its own scores
    """

    store: str = setting(REQUIRED, "The store.", metavar="STORE", argument=True)
    decoder: str | None = _decoder()
    preset: str | None = _preset("Bundle of options")
    profile: str | None = _profile(None, "the authors' code, or the equations")
    params_file: str | None = _params()
    settings: Sequence[str] = _set("A single option of the decoder; later wins.")
    out: str | None = setting(None, "Write predictions.json here.", metavar="FILE")
    trace: str | None = setting(None, "Write thresholds, scores, ratios and active labels (.npz) here.", metavar="FILE")
    tracks: str = setting("audio,visual,audio_visual", "Tracks to compute.", metavar="TRACK,...")
    threads: int | None = _threads()
    scores: str | None = _scores()


@dataclass(frozen=True)
class EvaluateRequest:
    """One run of ``avreplay evaluate`` (`.commands.evaluate_file`); the options are those of
    :func:`avreplay.evaluate_predictions`.

    Attributes
    ----------
    predictions : file
    dataset, annotations, split : what is compared with
    strict, batch_size : average OV-AVEL's F-scores over batches of this number of videos
    per_class, resamples : also figures by class, and intervals of this number of bootstrap resamples (0: none)
    """

    predictions: str = setting(REQUIRED, "Predictions.", metavar="PREDICTIONS", argument=True)
    dataset: str = _dataset()
    annotations: str = _annotations()
    split: str = _split("test", "Split that is scored.")
    metrics: str = _metrics()
    profile: str = _profile("release", "how AVE and OV-AVEBench are scored")
    iou: float = setting(0.5, "IoU from which a predicted event matches.")
    audio_from_visual: bool = setting(False, "Score the visual track as audio, as the released main.py.")
    require_complete: bool = setting(False, "Make missing videos an error.")
    aliases_file: str | None = _aliases()
    strict: bool = _strict()
    batch_size: int = _batch_size()
    mask_short: bool = setting(False, "Do not score seconds that a clip shorter than annotated lacks.")
    per_class: bool = setting(False, "Also a table of classes.")
    resamples: int = _resamples(0, flag="--bootstrap")


@dataclass(frozen=True)
class CompareRequest:
    """One run of ``avreplay compare`` (`.commands.compare_files`); see :func:`avreplay.compare`.

    Raises: UsageError for a seed out of range, fewer than one resample.
    """

    first: str = setting(REQUIRED, "Predictions.", metavar="FIRST", argument=True)
    second: str = setting(REQUIRED, "Predictions.", metavar="SECOND", argument=True)
    dataset: str = _dataset()
    annotations: str = _annotations()
    split: str = _split("test", "Split that is scored.")
    metrics: str = _metrics()
    profile: str = _profile("release", "how AVE and OV-AVEBench are scored")
    resamples: int = _resamples()
    seed: int = setting(0, "Seed of the resamples.")

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if self.resamples < 1:
            raise UsageError(f"{self.resamples} resamples make no interval; give at least 1")


@dataclass(frozen=True)
class TuneSettings:
    """What to search, on what, and where to leave it (:func:`avreplay.tune`; of several data sets
    :func:`avreplay.tune_shared`).

    ``dataset``, ``annotations``, ``split``, ``scores`` and those of the report are one for all stores, or one for each
    (:meth:`of_each`).

    Attributes
    ----------
    dataset, annotations, split : the annotations that are searched on
    metrics : a metric by name, ``auto``: the dataset's own; what is maximised is one of its figures, or a mean of some
    decoder, preset, profile, params_file, settings : the decoder, and the setting that the search starts from
    videos : class-stratified videos of the split to search on; None or 0: all
    search : ranges, ``name=low:high``, ``name=low:high:step``, ``name=low:high:log`` or ``name=a,b,c``; none: those of
        the decoder
    sampler : ``sobol-local``, ``sobol``, ``grid`` or one of Optuna's
    trials, points, batch : settings to try; values of each range of a grid; trials that Optuna gives at once
    objective : a figure or a weighted sum; None: that of the metric
    storage, study : of Optuna; a URL, or ``journal:PATH``
    share : several data sets: what the one setting for all is best in, ``mean`` or ``worst``; ``none``: one each only
    report_split, report_store, report_annotations : what the best setting is reported on; None or empty: nothing
    resamples, folds : of the videos: intervals of a bootstrap, and a cross-validation of the search; 0: none
    sharp : leave the best setting tried in best.toml, not the recommended one
    out : folder of the search
    overwrite, parquet : search anew; also write trials.parquet

    Raises
    ------
    UsageError
        a storage for a sampler that keeps none, a seed out of range, resamples below 0, one fold
    """

    dataset: Sequence[str] = _dataset(
        help="Kind of annotations; see `avreplay plugins`. Of several stores: one for all, or one each."
    )
    annotations: Sequence[str] = setting(
        REQUIRED,
        "Annotation file, or the folder of the csv files. Of several stores: one for all, or one each.",
        metavar="PATH",
    )
    split: Sequence[str] = setting(("val",), "Split that is searched on.", metavar="NAME")
    videos: int | None = setting(200, "Class-stratified videos of the split to search on; 0 for all.")
    decoder: str | None = _decoder()
    preset: str | None = _preset("Where the search starts, and what it is compared with")
    profile: str | None = _profile(None, "the authors' code, or the equations")
    params_file: str | None = _params()
    settings: Sequence[str] = _set(
        "An option of the decoder: the start of one that --search names, the value of any other."
    )
    metrics: str = _metrics()
    objective: str | None = setting(
        None,
        "A figure or 0.5*a+0.5*b.",
        metavar="FIGURE",
        shown_default="LLP: mean of Type@AV and Event@AV; AVE: accuracy; OV-AVEBench: total_avg; else the first figure",
    )
    search: Sequence[str] = setting(
        (),
        "name=low:high, low:high:step, low:high:log or a,b,c.",
        metavar="RANGE",
        shown_default="the decoder's but for --set; see `avreplay options`",
    )
    sampler: str = setting(
        "sobol-local",
        "sobol-local (half spread, half near the best), sobol, grid, or one of Optuna's: tpe, cmaes, gp, nsgaii, ...",
        metavar="NAME",
    )
    trials: int = setting(8192, "Settings to try (not for grid).")
    points: int = setting(6, "grid: values of each range.")
    batch: int = setting(64, "Optuna: trials given out at once.")
    seed: int = setting(0, "Seed of the subset and the sampler.")
    storage: str | None = setting(
        None, "Optuna storage that machines share, or journal:PATH.", metavar="URL", shown_default="a file in --out"
    )
    study: str = setting("avreplay", "Name of the Optuna study.", metavar="NAME")
    share: str = setting(
        "mean", "Several stores: what the one setting for all is best in; none: one each only.", choices=SHARES
    )
    report_split: Sequence[str] | None = setting(
        ("test",), "Split to report on; an empty text for none.", metavar="NAME"
    )
    report_store: Sequence[str] | None = setting(
        None, "Store with the videos of the report split.", metavar="STORE", shown_default="STORE"
    )
    report_annotations: Sequence[str] | None = setting(
        None, "Annotations of the report split.", metavar="PATH", shown_default="those of --annotations"
    )
    resamples: int = setting(2000, "Bootstrap resamples of the videos, for intervals; 0 for none.")
    folds: int = setting(5, "Folds of the videos, each kept from the search once; 0 for none.")
    sharp: bool = setting(False, "Put the best setting tried into best.toml, not the recommended one.")
    out: str = setting("tuned", "Folder of the search; an unfinished one is continued.", metavar="FOLDER")
    overwrite: bool = setting(False, "Search anew whatever --out holds.")
    parquet: bool = setting(False, "Also trials.parquet.")
    threads: int | None = _threads()
    scores: Sequence[str] | None = setting(
        None, "A score set of the stores, instead of their own scores.", metavar="NAME"
    )

    def __post_init__(self) -> None:
        checked_choices(self)
        for name in _OF_A_DATA_SET:
            object.__setattr__(self, name, _one_or_several(getattr(self, name), name not in _NEEDED))
        object.__setattr__(self, "videos", self.videos or None)
        if self.storage and self.sampler in OWN_SAMPLERS:
            raise UsageError(f"--storage is for Optuna's samplers; {self.sampler} keeps its trials in --out")
        check_seed(self.seed)
        if self.resamples < 0:
            raise UsageError(f"{self.resamples} resamples make no interval; give at least 1, or 0 for no intervals")
        if self.folds < 0 or self.folds == 1:
            raise UsageError(f"--folds {self.folds} keeps nothing to search on; give at least 2, or 0 for none")

    def of_each(self, stores: Sequence[str]) -> list[tuple[str, TuneSettings]]:
        """Each store with its settings: what is given once is of all, anything else in order. Of a single store the
        last one given counts.

        Raises: UsageError where something is given neither once nor for each store.
        """
        given = {name: getattr(self, name) for name in _OF_A_DATA_SET}
        for name, value in given.items():
            if isinstance(value, tuple) and len(value) != len(stores) > 1:
                raise UsageError(
                    f"--{name.replace('_', '-')} is given {len(value)} times for {len(stores)} stores; give it once "
                    "for all, or once for each (a store that holds several data sets is named once for each)"
                )

        def of(i: int) -> TuneSettings:
            return replace(self, **{n: v[i] if isinstance(v, tuple) else v for n, v in given.items()})

        return [(store, of(i if len(stores) > 1 else -1)) for i, store in enumerate(stores)]


_NEEDED = ("dataset", "annotations", "split")
_OF_A_DATA_SET = (*_NEEDED, "scores", "report_split", "report_store", "report_annotations")


def _one_or_several(value: Any, optional: bool) -> Any:
    """A text, or a tuple of several; None for an empty one that is ``optional``."""
    if value is None or isinstance(value, str):
        return None if optional and not value else value
    several = tuple(None if optional and not one else one for one in value)
    return several if len(several) > 1 else several[0] if several else None


@dataclass(frozen=True)
class TuneStores:
    """The stores that ``avreplay tune`` works on: one, or one for each data set."""

    stores: Sequence[str] = setting(REQUIRED, "The store, or several.", metavar="STORE", argument=True)


@dataclass(frozen=True)
class ResponseRequest:
    """One run of ``avreplay response`` (`.tuning.exact.command.response_to_file`).

    Attributes
    ----------
    store, dataset, annotations, split, metrics : what is scored, against what
    preset, profile, params_file, settings : the setting whose other options are fixed
    over : ``tau0,tau_r`` for the plane of these two, or one of tau0, tau_r and tau_f
    objective : a figure or a weighted sum; None: that of the metric
    points : values of each parameter, from 0 to 1
    resamples, seed : of the videos, for intervals; 0 for none
    out : JSON, csv or a page, by its suffix
    scores : a score set of the store, instead of its own scores

    Raises: UsageError for an unknown parameter, less than two points, resamples below 0, another suffix.
    """

    store: str = setting(REQUIRED, "The store.", metavar="STORE", argument=True)
    dataset: str = _dataset()
    annotations: str = _annotations()
    split: str = _split("test", "Split that is scored.")
    metrics: str = _metrics()
    objective: str | None = setting(
        None, "A figure or 0.5*a+0.5*b.", metavar="FIGURE", shown_default="that of `avreplay tune`"
    )
    preset: str | None = _preset("Bundle of options")
    profile: str | None = _profile(None, "the authors' code, or the equations")
    params_file: str | None = _params()
    settings: Sequence[str] = _set("A single option; later wins.")
    over: str = setting("tau0,tau_r", "What varies.", choices=OVER)
    points: int = setting(201, "Values of each that varies, from 0 to 1.")
    resamples: int = setting(500, "Bootstrap resamples of the videos, for intervals; 0 for none.")
    seed: int = setting(0, "Seed of the resamples.")
    out: str | None = setting(None, "Write the figures here: .json, .csv or .html.", metavar="FILE")
    threads: int | None = _threads()
    scores: str | None = _scores()

    def __post_init__(self) -> None:
        checked_choices(self)
        check_seed(self.seed)
        if not 2 <= self.points <= _MOST_POINTS:
            raise UsageError(f"{self.points} points make no response; give 2 to {_MOST_POINTS}")
        if self.resamples < 0:
            raise UsageError(f"{self.resamples} resamples make no interval; give at least 1, or 0 for no intervals")
        if self.out is not None and not self.out.endswith(_RESPONSE_FILES):
            raise UsageError(f"{self.out!r} ends with none of {', '.join(_RESPONSE_FILES)}, which say what to write")


_MOST_POINTS = 1001
_RESPONSE_FILES = (".json", ".csv", ".html")


@dataclass(frozen=True)
class ProbeRequest:
    """One run of ``avreplay probe`` (`.commands.probe_to_file`); the options are those of `.probe.run.probe`.

    Attributes
    ----------
    train_split : None: the split of the dataset that has labels per segment
    train_labels : None: ``segment``, or ``video`` for a split whose labels are of whole videos
    out : predictions to write

    Raises: UsageError for an unknown modality or kind of labels.
    """

    store: str = setting(REQUIRED, "The store.", metavar="STORE", argument=True)
    dataset: str = _dataset()
    annotations: str = _annotations()
    modality: str = setting(REQUIRED, "Whose embeddings and events.", choices=MODALITIES)
    split: str = _split("test", "Split that is scored.")
    train_split: str | None = setting(None, "Split to learn from.", metavar="NAME", shown_default="train; val for llp")
    train_annotations: str | None = setting(
        None, "Annotations of that split.", metavar="PATH", shown_default="those of --annotations"
    )
    train_store: str | None = setting(None, "Store that has its videos.", metavar="STORE", shown_default="STORE")
    train_labels: str | None = setting(None, "video: a video's labels hold in all its segments.", choices=TRAIN_LABELS)
    strength: float = setting(1.0, "Inverse weight of the L2 penalty.")
    shuffle_labels: bool = setting(False, "Control: learn from labels dealt to other segments.")
    seed: int = setting(0, "Of that shuffle; the fit itself draws nothing.")
    profile: str = _profile("paper", "how AVE is scored")
    out: str | None = setting(None, "Write predictions.json here.", metavar="FILE")

    def __post_init__(self) -> None:
        checked_choices(self)


@dataclass(frozen=True)
class ReportRequest:
    """One run of ``avreplay report`` (`.commands.report_to_file`).

    Attributes
    ----------
    predictions : files, one a run; the last run is the main one
    traces : files; fewer than runs belong to the last ones
    videos : ids of the videos to draw; none: up to ``max_videos``, from best to worst
    out, title : the page to write, and its heading

    Raises: UsageError for more traces than runs.
    """

    predictions: Sequence[str] = setting(REQUIRED, "Predictions, one a run.", metavar="PREDICTIONS", argument=True)
    dataset: str = _dataset()
    annotations: str = _annotations()
    split: str = _split("test", "Split that is scored.")
    metrics: str = _metrics()
    traces: Sequence[str] = setting((), "Trace of the last run (or one a run).", flag="--trace", metavar="FILE")
    out: str = setting("report.html", "The page to write.", metavar="FILE")
    videos: Sequence[str] = setting((), "Draw these videos.", flag="--video", metavar="ID")
    max_videos: int = setting(12, "Draw at most this number.")
    title: str = setting("", "Heading.", metavar="TEXT")

    def __post_init__(self) -> None:
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
    dataset: str = _dataset("ovavebench", "Whose labels the classes are; see `avreplay plugins`.")
    aliases_file: str | None = _aliases()
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
    threads: int | None = _threads()

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
    av2a_params : parameter files of AV²A, a row each
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
    profile: str = setting("release", "Decoding and scoring.", choices=PROFILES)
    strict: bool = _strict()
    batch_size: int = _batch_size()
    figure: str | None = setting(None, "Write the figure of classes (A4) here, as HTML.", metavar="FILE")

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
