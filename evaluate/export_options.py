"""The options of ``avreplay export``.

Only the standard library is imported here, so that the command line can list options without waiting.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..core.command_options import REQUIRED, checked_choices, setting
from ..core.errors import UsageError
from .export.registry import FORMATS
from .shared_options import check_annotations, dataset_setting, split_setting


@dataclass(frozen=True)
class ExportRequest:
    """One run of ``avreplay export`` (`.export.command.export_to_path`).

    Attributes
    ----------
    predictions : file; None: the truth of ``dataset`` and ``annotations`` is exported
    format : see `.export.registry`
    out : a file, or a folder where the format has a file a video or several files
    tracks : names of the tracks, with commas between them
    ids_file : ids of the videos, one a line
    media : folder of the videos, or a URL with ``{id}`` in it, for formats whose tools play them
    store : whose records say how long the videos are; None: as long as their segments
    overwrite : replace the folder of an earlier export

    Raises: UsageError where neither or both of predictions and annotations are given, or half of the latter.
    """

    format: str = setting(REQUIRED, "Format.", choices=tuple(FORMATS))
    out: str = setting(REQUIRED, "File to write; folder where the format has a file a video.", metavar="PATH")
    predictions: str | None = setting(None, "Predictions; none: the truth.", metavar="PREDICTIONS", argument=True)
    tracks: str = setting("audio,visual,audio_visual", "Tracks to export.", metavar="TRACK,...")
    ids_file: str | None = setting(None, "Only these video ids, one a line.", flag="--ids", metavar="FILE")
    media: str | None = setting(
        None,
        "Folder of the videos, or a URL with {id} in it: linked for ELAN, Label Studio, FiftyOne.",
        metavar="FOLDER",
    )
    store: str | None = setting(
        None, "Store that says how long the videos are.", metavar="STORE", shown_default="as long as their segments"
    )
    dataset: str | None = dataset_setting(None, "Export the truth: kind of annotations; see `avreplay plugins`.")
    annotations: str | None = setting(None, "Export the truth: annotation file or folder.", metavar="PATH")
    split: str = split_setting("test", "Split of the annotations.")
    overwrite: bool = setting(False, "Replace the folder of an earlier export.")

    def __post_init__(self) -> None:
        checked_choices(self)
        check_annotations(self.dataset, self.annotations)
        if (self.predictions is None) == (self.dataset is None):
            raise UsageError("give either predictions, or --dataset and --annotations for the truth")
