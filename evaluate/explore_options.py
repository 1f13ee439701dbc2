"""The options of ``avreplay explore``.

Only the standard library is imported here, so that the command line can list options without waiting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.command_options import REQUIRED, checked_choices, setting
from ..core.errors import UsageError
from .shared_options import (
    apply_pool,
    check_annotations,
    dataset_setting,
    decoder_setting,
    metrics_setting,
    params_setting,
    pool_setting,
    preset_setting,
    profile_setting,
    scores_setting,
    set_setting,
    split_setting,
    threads_setting,
)

_LAST_PORT = 65535


@dataclass(frozen=True)
class ExploreRequest:
    """One run of ``avreplay explore`` (`.explore.command.open_explorer`).

    Attributes
    ----------
    store : path or URL
    videos : files and folders of the videos that the store was made of; none: nothing is played
    dataset, annotations, split, metrics : what the events are scored against; without them there are no figures
    decoder, preset, profile, params_file, settings : the setting that the page begins with
    scores : a score set of the store, instead of its own scores
    pool : how scores of frames become those of segments, see :mod:`avreplay.core.pooling`
    port : of 127.0.0.1; 0: any that is free
    no_browser : leave the page to be opened by hand
    threads : default: the number of cores

    Raises: UsageError for a port that there is not, one of ``dataset`` and ``annotations`` without the other, or
        ``metrics`` without them.
    """

    store: str = setting(REQUIRED, "The store.", metavar="STORE", argument=True)
    videos: Sequence[str] = setting((), "Files or folders of its videos, to be played.", metavar="FOLDER")
    dataset: str | None = dataset_setting(None)
    annotations: str | None = setting(None, "Annotation file, or the folder of the csv files.", metavar="PATH")
    split: str = split_setting("test", "Split that is scored.")
    metrics: str = metrics_setting()
    decoder: str | None = decoder_setting()
    preset: str | None = preset_setting("Where the page begins")
    profile: str | None = profile_setting(None, "the authors' code, or the equations")
    params_file: str | None = params_setting()
    settings: Sequence[str] = set_setting("A single option of the decoder; later wins.")
    scores: str | None = scores_setting()
    pool: str | None = pool_setting()
    port: int = setting(0, "Port on 127.0.0.1; 0 for any that is free.")
    no_browser: bool = setting(False, "Print the address, and open no browser.")
    threads: int | None = threads_setting()

    def __post_init__(self) -> None:
        checked_choices(self)
        apply_pool(self)
        check_annotations(self.dataset, self.annotations)
        if self.dataset is None and self.metrics != "auto":
            raise UsageError(f"--metrics {self.metrics} has nothing to score; give --dataset and --annotations")
        if not 0 <= self.port <= _LAST_PORT:
            raise UsageError(f"there is no port {self.port}; give 1 to {_LAST_PORT}, or 0 for any that is free")
