"""The options of ``avreplay leaderboard``.

Only the standard library is imported here, so that the command line can list options without waiting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.command_options import REQUIRED, check_memory, checked_choices, memory_setting, setting
from ..core.errors import UsageError
from .shared_options import (
    annotations_setting,
    check_folds,
    check_resamples,
    check_seed,
    check_threads,
    check_videos,
    dataset_setting,
    metrics_setting,
    profile_setting,
    ray_setting,
    scores_setting,
    split_setting,
    table_setting,
    threads_setting,
)


@dataclass(frozen=True)
class LeaderboardSettings:
    """What a leaderboard tunes, on what, and where it is left (:func:`avreplay.leaderboard`).

    Attributes
    ----------
    dataset, annotations : the annotations of both splits; ``report_annotations`` where those of the report split lie
        elsewhere
    tune_split, report_split : every decoder is tuned on the first and reported on the second
    decoders : names with commas between them: of decoders, ``package.module:Class``, or ``NAME:PRESET`` for a preset as
        it is, untuned; None: every decoder there is
    baseline : the row that others are compared with, ``NAME`` (in each store) or ``STORE/NAME``; None: the first
    metrics, objective : what is maximised and what ranks the rows, as :class:`avreplay.TuneSettings` has them
    budget : settings that each search tries
    videos : class-stratified videos of the split to search on; None or 0: all
    profile : release or paper
    resamples, folds, sharp : as :class:`avreplay.TuneSettings` has them, for each search; resamples also for the
        intervals and differences of the report split
    report_store : of each store the one with the videos of the report split, in order; None: the store itself
    scores : a score set of the stores, instead of their own scores
    memory : for scores, such as ``2GB``; half for each split
    ray : address of a Ray cluster whose nodes replay and score the settings of the searches, ``auto`` or ``local``;
        threads and memory are then each worker's, too
    out : folder of the leaderboard, with a folder for each search in it
    overwrite : search anew whatever ``out`` holds

    Raises
    ------
    UsageError
        a seed out of range, resamples or videos below 0, one fold, a budget or threads below 1
    """

    dataset: str = dataset_setting()
    annotations: str = annotations_setting()
    tune_split: str = split_setting("val", "Split that every decoder is tuned on.")
    report_split: str = split_setting("test", "Split that every decoder is reported on.")
    decoders: str | None = setting(
        None,
        "Decoders with commas between them; NAME:PRESET for a preset as it is, untuned.",
        metavar="NAME,...",
        shown_default="all; see `avreplay plugins`",
    )
    baseline: str | None = setting(
        None,
        "Row that the others are compared with: NAME, in each store, or STORE/NAME.",
        metavar="NAME",
        shown_default="the first",
    )
    metrics: str = metrics_setting()
    objective: str | None = setting(
        None,
        "What is maximised and ranks the rows: a figure or 0.5*a+0.5*b.",
        metavar="FIGURE",
        shown_default="that of `avreplay tune`",
    )
    budget: int = setting(8192, "Settings that each search tries.")
    videos: int | None = setting(200, "Class-stratified videos of the split to search on; 0 for all.")
    profile: str | None = profile_setting(None, "the authors' code, or the equations")
    seed: int = setting(0, "Seed of the videos, the searches and the resamples.")
    resamples: int = setting(
        2000, "Bootstrap resamples of the videos, for intervals; 0 for none.", flag="--bootstrap", metavar="N"
    )
    folds: int = setting(0, "Folds of the videos to cross-validate each search with; 0 for none.")
    sharp: bool = setting(False, "Report the best setting tried, not the recommended one.")
    report_store: Sequence[str] | None = setting(
        None, "Store with the videos of the report split; of several, one each.", metavar="STORE", shown_default="STORE"
    )
    report_annotations: str | None = setting(
        None, "Annotations of the report split.", metavar="PATH", shown_default="those of --annotations"
    )
    scores: str | None = scores_setting()
    out: str = setting("leaderboard", "Folder of the leaderboard; an unfinished one is continued.", metavar="FOLDER")
    overwrite: bool = setting(False, "Search anew whatever --out holds.")
    threads: int | None = threads_setting()
    memory: str | None = memory_setting()
    ray: str | None = ray_setting("Searches")

    def __post_init__(self) -> None:
        checked_choices(self)
        check_memory(self.memory)
        check_seed(self.seed)
        check_resamples(self.resamples)
        check_threads(self.threads)
        check_videos(self.videos)
        object.__setattr__(self, "videos", self.videos or None)
        object.__setattr__(self, "report_store", tuple(self.report_store or ()) or None)
        if self.budget < 1:
            raise UsageError(f"--budget {self.budget} tries nothing; give at least 1 setting")
        check_folds(self.folds)

    def report_stores(self, stores: Sequence[str]) -> list[str]:
        """Of each store the one with the videos of the report split.

        Raises: UsageError where another number of them is given.
        """
        given = self.report_store or tuple(stores)
        if len(given) != len(stores):
            raise UsageError(
                f"--report-store is given {len(given)} times for {len(stores)} stores; give one for each, in order"
            )
        return list(given)


@dataclass(frozen=True)
class LeaderboardStores:
    """The stores of a leaderboard, one for each encoder, and how its tables are printed."""

    stores: Sequence[str] = setting(REQUIRED, "The store, or several: one an encoder.", metavar="STORE", argument=True)
    table: str | None = table_setting()

    def __post_init__(self) -> None:
        checked_choices(self)
