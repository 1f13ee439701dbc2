"""What a dataset is: annotations on disk, brought into one form.

To add one: a subclass of :class:`Dataset` in a file of its own, registered under the entry-point group
``avreplay.datasets`` or by :func:`avreplay.register` (``docs/extending.md``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from ...core.errors import UsageError
from .annotations import Annotations

PaperRow = tuple[str, Mapping[str, float]]
"""Name of a row of a paper's table, and its figures in percent."""


class Dataset(ABC):
    """Annotated videos under one name.

    Attributes
    ----------
    name : its key, as ``--dataset`` takes it
    about : one line
    labels : its fixed label list, in index order; empty where the files bring their own
    splits : names of the splits that :meth:`load` takes; empty where the files bring their own
    metric : name of the metric that it is scored with
    tracks_apart : whether audio and visual events are annotated apart; else there is one audio-visual class a segment
    segment_split : the split with labels per segment that a classifier learns from
    video_level_splits : splits whose labels are of whole videos, see :meth:`load_video_level`
    """

    name: ClassVar[str]
    about: ClassVar[str] = ""
    labels: ClassVar[tuple[str, ...]] = ()
    splits: ClassVar[tuple[str, ...]] = ()
    metric: ClassVar[str] = "llp"
    tracks_apart: ClassVar[bool] = True
    segment_split: ClassVar[str] = "train"
    video_level_splits: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def load(self, path: Path, split: str) -> Annotations:
        """The annotations of a split, from a file or folder that exists. Files may be gzipped, as their content tells;
        in a folder then with ``.gz`` behind their names (`or_packed`).

        Raises
        ------
        UsageError
            a split that there is not
        DataError
            a missing or malformed file; the message names file and line, an unknown label its nearest match
        """

    def load_video_level(self, path: Path, split: str) -> Annotations:
        """A split whose labels are of whole videos: each holds in every segment of its video, in every track.

        Raises: UsageError for a split that has none, and as :meth:`load`.
        """
        raise UsageError(f"{self.name} has no split {split!r} with video-level labels")

    def split_path(self, path: Path, split: str) -> Path | None:
        """Where the annotations of a split are, given the path of all of them; None where that split is absent."""
        return path

    def paper_row(self, preset: str) -> PaperRow | None:
        """What the papers print for a preset on the test split of this dataset; None where they print nothing."""
        return None
