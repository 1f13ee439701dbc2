"""Options that several commands which replay, score and tune have, with their help."""

from __future__ import annotations

from typing import Any

from ..core.command_options import REQUIRED, setting
from ..core.errors import UsageError

MAX_SEED = 2**32 - 1


OVAVEBENCH = "Options of OV-AVEBench's figures"
LLP = "Options of LLP's figures"
CALIBRATION = "Options of calibration"
"""Headings of help texts for the options of one benchmark or metric."""


def dataset_setting(default: Any = REQUIRED, help: str = "Kind of annotations; see `avreplay datasets`.") -> Any:
    return setting(default, help, metavar="NAME")


def annotations_setting() -> Any:
    return setting(REQUIRED, "Annotation file, or the folder of the csv files.", metavar="PATH")


def split_setting(default: str, help: str) -> Any:
    return setting(default, help, metavar="NAME")


def splits_setting() -> Any:
    return setting("test", "Split that is scored, or several: val,test or all.", metavar="NAME,...")


def ids_setting() -> Any:
    return setting(None, "Score only these videos, ids one a line; - for stdin.", flag="--ids", metavar="FILE")


def metrics_setting() -> Any:
    return setting(
        "auto",
        "Metrics with commas between them, options in parentheses: llp,psds(dtc=0.5). auto: the dataset's own. See "
        "`avreplay plugins`.",
        metavar="NAME,...",
    )


def profile_setting(default: str | None, help: str) -> Any:
    return setting(default, f"release or paper: {help}.", metavar="NAME")


def resamples_setting(default: int = 2000, **how: Any) -> Any:
    return setting(default, "Bootstrap resamples of the videos, for confidence intervals.", **how)


def threads_setting() -> Any:
    return setting(None, "Threads; results do not depend on it.", shown_default="all cores")


def ray_setting(what: str) -> Any:
    return setting(None, f"{what} on a Ray cluster: HOST:PORT of its head, auto, or local.", metavar="ADDRESS")


def decoder_setting() -> Any:
    return setting(
        None, "Decoder; see `avreplay plugins`.", metavar="NAME", shown_default="that of --params, else av2a"
    )


def preset_setting(help: str) -> Any:
    return setting(None, f"{help}; see `avreplay options`.", metavar="NAME")


def params_setting() -> Any:
    return setting(None, "TOML file of the decoder's options.", flag="--params", metavar="FILE")


def set_setting(help: str) -> Any:
    return setting((), help, flag="--set", metavar="KEY=VALUE")


def scores_setting() -> Any:
    return setting(None, "A score set of the store, instead of its own scores.", metavar="NAME")


def pool_setting() -> Any:
    return setting(None, "How scores of frames become those of segments: mean, max, topk:K, noisy_or.", metavar="RULE")


def apply_pool(request: Any) -> None:
    """Make ``--pool`` the scores that are read. Raises: UsageError for no such rule, or a score set beside it."""
    if request.pool is None:
        return
    from ..core.pooling import POOL, parse_pool  # NumPy, which the command line does not wait for

    asked = f"{POOL}{parse_pool(request.pool)}"
    given = request.scores
    if given and given != asked and list(given) != [asked]:
        raise UsageError("--pool is of the store's own scores, and --scores names others; leave one of them out")
    object.__setattr__(request, "scores", given or asked)


def aliases_setting() -> Any:
    return setting(None, "Other names of labels: JSON or TOML, name = label.", flag="--aliases", metavar="FILE")


TABLES = ("md", "latex", "csv")


def table_setting() -> Any:
    return setting(None, "Print tables as Markdown, LaTeX (booktabs) or csv.", choices=TABLES)


def strict_setting() -> Any:
    return setting(False, "F-scores as means over batches, as the release logs them.", section=OVAVEBENCH)


def batch_size_setting() -> Any:
    return setting(32, "Videos in a batch, for --strict (the release: 32, training-free 4).", section=OVAVEBENCH)


def check_annotations(dataset: str | None, annotations: str | None) -> None:
    """Raises: UsageError where one of the two is given without the other."""
    if (dataset is None) != (annotations is None):
        given, missing = ("--dataset", "--annotations") if annotations is None else ("--annotations", "--dataset")
        raise UsageError(f"{given} is given without {missing}; annotations need both")


def check_seed(seed: int) -> None:
    """Raises: UsageError for a seed that is no 32-bit number."""
    if not 0 <= seed <= MAX_SEED:
        raise UsageError(f"the seed is {seed}; it must be from 0 to {MAX_SEED}")


def check_threads(threads: int | None) -> None:
    """Raises: UsageError for fewer threads than one."""
    if threads is not None and threads < 1:
        raise UsageError(f"threads is {threads}; it must be at least 1")


def check_videos(videos: int | None) -> None:
    """Raises: UsageError for a number of videos to search on that is negative."""
    if videos is not None and videos < 0:
        raise UsageError(f"a search needs at least one video; got {videos}; 0 is all of them")


def check_folds(folds: int) -> None:
    """Raises: UsageError for a number of folds that leaves nothing to search on."""
    if folds < 0 or folds == 1:
        raise UsageError(f"--folds {folds} keeps nothing to search on; give at least 2, or 0 for none")


_MOST_RESAMPLES = 1_000_000


def check_resamples(resamples: int) -> None:
    """Raises: UsageError for fewer resamples than none, or more than memory holds."""
    if resamples < 0:
        raise UsageError(f"{resamples} resamples make no interval; give at least 1, or 0 for no intervals")
    if resamples > _MOST_RESAMPLES:
        raise UsageError(f"{resamples} resamples are too many to keep; give at most {_MOST_RESAMPLES}")
