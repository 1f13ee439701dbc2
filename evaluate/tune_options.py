"""The options of the commands that search: ``tune``, and ``response`` around a setting.

Only the standard library is imported here, so that the command line can list options without waiting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..core.command_options import REQUIRED, check_memory, checked_choices, memory_setting, setting
from ..core.errors import UsageError
from .shared_options import (
    annotations_setting,
    apply_pool,
    check_folds,
    check_resamples,
    check_seed,
    check_threads,
    dataset_setting,
    decoder_setting,
    metrics_setting,
    params_setting,
    pool_setting,
    preset_setting,
    profile_setting,
    ray_setting,
    scores_setting,
    set_setting,
    split_setting,
    table_setting,
    threads_setting,
)

OWN_SAMPLERS = ("sobol-local", "sobol", "grid")
"""Samplers of this package; all others are Optuna's."""

SHARES = ("mean", "worst", "none")

OVER = ("tau0,tau_r", "tau0", "tau_r", "tau_f")
"""What the exact response can be over."""


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
    pool : how scores of frames become those of segments, see :mod:`avreplay.core.pooling`
    memory : for scores, such as ``2GB``; None: 1 GiB. The videos of the search may take half of it and those of
        the report the other half; where they take more, they are read in blocks, at least once a round of settings
    ray : address of a Ray cluster whose nodes replay and score the settings, ``auto`` or ``local``; threads and memory
        are then each worker's, too
    sharp : leave the best setting tried in best.toml, not the recommended one
    out : folder of the search
    overwrite, parquet : search anew; also write trials.parquet

    Raises
    ------
    UsageError
        a storage for a sampler that keeps none, a seed out of range, resamples below 0, one fold
    """

    dataset: Sequence[str] = dataset_setting(
        help="Kind of annotations; see `avreplay datasets`. Of several stores: one for all, or one each."
    )
    annotations: Sequence[str] = setting(
        REQUIRED,
        "Annotation file, or the folder of the csv files. Of several stores: one for all, or one each.",
        metavar="PATH",
    )
    split: Sequence[str] = setting(("val",), "Split that is searched on.", metavar="NAME")
    videos: int | None = setting(200, "Class-stratified videos of the split to search on; 0 for all.")
    decoder: str | None = decoder_setting()
    preset: str | None = preset_setting("Where the search starts, and what it is compared with")
    profile: str | None = profile_setting(None, "the authors' code, or the equations")
    params_file: str | None = params_setting()
    settings: Sequence[str] = set_setting(
        "An option of the decoder: the start of one that --search names, the value of any other."
    )
    metrics: str = metrics_setting()
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
    threads: int | None = threads_setting()
    scores: Sequence[str] | None = setting(
        None, "A score set of the stores, instead of their own scores.", metavar="NAME"
    )
    pool: str | None = pool_setting()
    memory: str | None = memory_setting()
    ray: str | None = ray_setting("Search")

    def __post_init__(self) -> None:
        checked_choices(self)
        check_memory(self.memory)
        apply_pool(self)
        for name in _OF_A_DATA_SET:
            object.__setattr__(self, name, _one_or_several(getattr(self, name), name not in _NEEDED))
        object.__setattr__(self, "videos", self.videos or None)
        if self.storage and self.sampler in OWN_SAMPLERS:
            raise UsageError(f"--storage is for Optuna's samplers; {self.sampler} keeps its trials in --out")
        check_seed(self.seed)
        check_threads(self.threads)
        check_resamples(self.resamples)
        check_folds(self.folds)

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
    """The stores that ``avreplay tune`` works on: one, or one for each data set; and how it prints its tables."""

    stores: Sequence[str] = setting(REQUIRED, "The store, or several.", metavar="STORE", argument=True)
    table: str | None = table_setting()

    def __post_init__(self) -> None:
        checked_choices(self)


@dataclass(frozen=True)
class ResponseRequest:
    """One run of ``avreplay response`` (`.tuning.exact.command.response`).

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
    pool : how scores of frames become those of segments, see :mod:`avreplay.core.pooling`
    memory : for scores, such as ``2GB``; None: 1 GiB

    Raises: UsageError for an unknown parameter, less than two points, resamples below 0, another suffix, a memory that
        is no size.
    """

    store: str = setting(REQUIRED, "The store.", metavar="STORE", argument=True)
    dataset: str = dataset_setting()
    annotations: str = annotations_setting()
    split: str = split_setting("test", "Split that is scored.")
    metrics: str = metrics_setting()
    objective: str | None = setting(
        None, "A figure or 0.5*a+0.5*b.", metavar="FIGURE", shown_default="that of `avreplay tune`"
    )
    preset: str | None = preset_setting("Bundle of options")
    profile: str | None = profile_setting(None, "the authors' code, or the equations")
    params_file: str | None = params_setting()
    settings: Sequence[str] = set_setting("A single option; later wins.")
    over: str = setting("tau0,tau_r", "What varies.", choices=OVER)
    points: int = setting(201, "Values of each that varies, from 0 to 1.")
    resamples: int = setting(500, "Bootstrap resamples of the videos, for intervals; 0 for none.")
    seed: int = setting(0, "Seed of the resamples.")
    out: str | None = setting(None, "Write the figures here: .json, .csv or .html.", metavar="FILE")
    threads: int | None = threads_setting()
    scores: str | None = scores_setting()
    pool: str | None = pool_setting()
    memory: str | None = memory_setting()

    def __post_init__(self) -> None:
        checked_choices(self)
        apply_pool(self)
        check_memory(self.memory)
        check_seed(self.seed)
        check_threads(self.threads)
        if not 2 <= self.points <= _MOST_POINTS:
            raise UsageError(f"{self.points} points make no response; give 2 to {_MOST_POINTS}")
        check_resamples(self.resamples)
        if self.out is not None and not self.out.endswith(_RESPONSE_FILES):
            raise UsageError(f"{self.out!r} ends with none of {', '.join(_RESPONSE_FILES)}, which say what to write")


_MOST_POINTS = 1001
_RESPONSE_FILES = (".json", ".csv", ".html")
