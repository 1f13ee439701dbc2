"""The options of ``avreplay subset``.

Only the standard library is imported here, so that the command line can list options without waiting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.command_options import REQUIRED, checked_choices, setting
from ..core.errors import UsageError
from .shared_options import check_annotations, dataset_setting

MISSING = ("error", "ignore")


@dataclass(frozen=True)
class SubsetRequest:
    """One run of ``avreplay subset`` (`.subset.subset_to_store`). The videos have to meet all that is given.

    Attributes
    ----------
    store, new_store : paths or URLs: what is read, and what is made
    ids_file : ids of videos, one a line; ``-``: from stdin
    dataset, annotations, split : the annotated videos of a split; several with commas between them, or ``all``
    labels : videos that are annotated with one of these
    status : statuses, with commas between them
    missing : what is done with ids that the store does not have: ``error`` or ``ignore``; None: an error for those of
        ``ids_file``, and a line in the summary for annotated ones

    Raises: UsageError where nothing is chosen by, half of the annotations, a split or label without any.
    """

    store: str = setting(REQUIRED, "The store.", metavar="STORE", argument=True)
    new_store: str = setting(REQUIRED, "The store to make.", metavar="NEW_STORE", argument=True)
    ids_file: str | None = setting(None, "Ids of videos, one a line; - for stdin.", flag="--ids", metavar="FILE")
    dataset: str | None = dataset_setting(None, "Kind of annotations, whose videos are kept; see `avreplay datasets`.")
    annotations: str | None = setting(None, "Annotation file, or the folder of the csv files.", metavar="PATH")
    split: str | None = setting(None, "Split of these, or several: val,test or all.", metavar="NAME,...")
    labels: Sequence[str] = setting((), "Videos annotated with it (or another).", flag="--label", metavar="LABEL")
    status: str | None = setting(None, "Videos of these statuses, such as ok,no_audio.", metavar="STATUS,...")
    missing: str | None = setting(
        None, "Ids that STORE does not have.", choices=MISSING, shown_default="error for --ids, ignore for --split"
    )

    def __post_init__(self) -> None:
        checked_choices(self)
        check_annotations(self.dataset, self.annotations)
        if self.dataset is None and (self.split is not None or self.labels):
            what = "--split" if self.split is not None else "--label"
            raise UsageError(f"{what} is of annotations; give --dataset and --annotations")
        if self.dataset is not None and self.split is None:
            raise UsageError("whose videos are kept? give --split NAME of the annotations, or --split all")
        if self.ids_file is None and self.dataset is None and self.status is None:
            raise UsageError("which videos? give --ids, --split with --dataset and --annotations, --label or --status")
        if self.missing is not None and self.ids_file is None and self.dataset is None:
            raise UsageError("--missing is of ids that are asked for; give --ids or --split")
