"""The array of one video as it was found, before anything is made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Found:
    """The array of one video, its axes, and where it lies, for messages.

    gaps : of its rows that were missing
    begin : seconds (or number) in the name of its first file, where that is taken as the begin of the video
    """

    array: NDArray[Any]
    axes: tuple[str, ...]
    where: str
    gaps: int = 0
    begin: float | None = None
