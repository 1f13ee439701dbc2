"""What an explorer needs of the encoder's side, which this folder does not import: ``cli.py`` hands it in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...core.bundle import ScoreBundle


class VideoMedia(Protocol):
    """What can be shown of a video: ``state`` is playable, preview (a copy is made), missing or unreadable, ``why`` a
    sentence where it is not played as it is, ``offset`` the seconds that the player's clock is ahead of the store's."""

    @property
    def state(self) -> str: ...

    @property
    def why(self) -> str: ...

    @property
    def offset(self) -> float: ...


class PlayableFile(Protocol):
    """A file that a browser plays."""

    @property
    def path(self) -> Path: ...

    @property
    def content_type(self) -> str: ...


class Media(Protocol):
    """The files of the videos of a store, times in seconds of the store. Any thread may call any method."""

    def has_file(self, id: str) -> bool:
        """Whether a video has a file; nothing is opened."""

    def media(self, id: str) -> VideoMedia:
        """What can be shown of a video."""

    def file(self, id: str) -> PlayableFile:
        """The file that a browser plays, which may have to be made first. Raises: DataError where there is none."""

    def thumbnails(self, id: str, start: float, end: float, count: int) -> tuple[list[float], list[bytes]]:
        """Times and JPEG pictures of ``count`` equal parts of a span. Raises: DataError where none can be read."""

    def waveform(self, id: str, start: float, end: float, bins: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Lowest and highest sample (bins,) of equal parts of a span. Raises: DataError without sound."""

    def close(self) -> None:
        """Remove what was made."""


class Words(Protocol):
    """New labels for a store, by the encoder that made it. Any thread may call any method."""

    @property
    def why_not(self) -> str:
        """Why no label can be added, in a sentence; empty where it can be tried."""

    def check(self, label: str, known: Sequence[str] = ()) -> str:
        """A label as it is kept. Raises: UsageError where it cannot be one, or is among the store's or ``known``."""

    def note(self, label: str) -> str:
        """What should be known of a label with this encoder, in one line; may be empty."""

    def embed(self, label: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Its text embeddings for sound and for pictures. Raises: DataError where the encoder fails."""

    def scores(self, labels: Sequence[str], *, similarity: str = "product", fused: bool = False) -> ScoreBundle:
        """The columns that labels add to the scores of the store. Raises: DataError where the encoder fails."""

    def keep(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Write labels into the store, after its own; all of its labels. Raises: DataError where that fails."""
