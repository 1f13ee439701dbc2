"""The formats by name: what they are made of, and which function renders them.

Only the standard library is imported here, so that the command line can list the formats without waiting.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Literal

from ...core.errors import UsageError, did_you_mean

Layout = Literal["file", "video", "folder"]


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes
    ----------
    name, about : its key and one line
    extension : of its files, with the dot
    layout : ``file``: one file for all videos; ``video``: a file a video and ``index.csv``, in a folder; ``folder``: a
        folder of files with fixed names
    scores : whether it holds the scores of events
    renderer : ``module:function`` in this package; takes :class:`.events.EventList` (``video``: and one of its videos)
        and gives bytes (``folder``: bytes by file name)
    streams : whether the file is written from block to block of the videos; the renderer then takes a file and blocks
        of :class:`.events.EventList`, and gives nothing
    beside : extension of a second file beside that of layout ``file``, and the function that renders it
    """

    name: str
    about: str
    extension: str
    layout: Layout
    scores: bool
    renderer: str
    beside: tuple[str, str] | None = None
    streams: bool = False

    def function(self, place: str = "") -> Callable[..., Any]:
        """The function of ``module:function``, by default the renderer."""
        module, _, name = (place or self.renderer).partition(":")
        found: Callable[..., Any] = getattr(import_module(f".{module}", __package__), name)
        return found


FORMATS: Final = {
    f.name: f
    for f in (
        Format("csv", "a row an event", ".csv", "file", True, "tables:write_csv", streams=True),
        Format(
            "parquet", "the same columns as Parquet", ".parquet", "file", True, "tables:write_parquet", streams=True,
        ),
        Format("audacity", "Audacity label tracks", ".txt", "video", False, "audacity:audacity_bytes"),
        Format("elan", "ELAN annotation documents", ".eaf", "video", False, "elan:elan_bytes"),
        Format("webvtt", "subtitles of browsers", ".vtt", "video", False, "subtitles:webvtt_bytes"),
        Format("srt", "subtitles of players", ".srt", "video", False, "subtitles:srt_bytes"),
        Format(
            "labelstudio", "Label Studio tasks with predictions, and their labeling configuration", ".json", "file",
            True, "labelstudio:tasks_bytes", (".config.xml", "labelstudio:config_bytes"),
        ),
        Format("activitynet", "ActivityNet's JSON", ".json", "file", True, "activitynet:activitynet_bytes"),
        Format("fiftyone", "a FiftyOneTemporalDetectionDataset", ".json", "folder", True, "fiftyone:fiftyone_files"),
        Format("rttm", "RTTM, as pyannote reads it", ".rttm", "file", False, "rttm:write_rttm", streams=True),
    )
}  # fmt: skip
"""The formats by name."""

INDEX: Final = "index.csv"
"""The file of a folder that says which file is of which video."""


def format_of(name: str) -> Format:
    """A format by its name. Raises: UsageError for one that there is not, naming the nearest."""
    if name not in FORMATS:
        raise UsageError(f"there is no format {name!r}{did_you_mean(name, FORMATS)}; formats are {', '.join(FORMATS)}")
    return FORMATS[name]
