"""What is known of a readable media file before it is decoded."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...cache import Note
from .packets import Correction


@dataclass(frozen=True)
class MediaInfo:
    """A readable file.

    Attributes
    ----------
    status, reason : ``ok``; ``no_audio`` or ``no_video`` with the reason
    duration : seconds from time 0 to the end of the pictures or of the sound, whichever ends last
    origin : time 0 of everything, in seconds of the file's time stamps: the first picture or sound
    frame_pts : [N] int64, sorted time stamps of the frames in units of ``time_base``
    time_base : seconds per unit of ``frame_pts``
    by_order : the frames carry no usable time stamps: frame k is the k-th decoded one
    notes : what else is worth knowing
    video_index, audio_index : numbers of the tracks in the file; None where there is none
    video_correction, audio_correction : what puts their time stamps on one clock
    sound_spans : [n, 2] float64, begin and end of the stretches in which there is sound, in seconds from time 0
    """

    path: Path
    status: str
    reason: str
    duration: float
    origin: float
    frame_pts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    time_base: Fraction = Fraction(1)
    by_order: bool = False
    notes: tuple[Note, ...] = ()
    video_index: int | None = None
    audio_index: int | None = None
    video_correction: Correction = field(default_factory=Correction)
    audio_correction: Correction = field(default_factory=Correction)
    sound_spans: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))

    @property
    def has_audio(self) -> bool:
        return self.status != "no_audio"

    @property
    def has_video(self) -> bool:
        return self.status != "no_video"

    @property
    def frame_times(self) -> NDArray[np.float64]:
        """[N] when each frame begins, in seconds after time 0."""
        if not len(self.frame_pts):
            return np.zeros(0)
        ticks = (self.frame_pts - self.frame_pts[:1]) * self.time_base.numerator
        first = float(int(self.frame_pts[0]) * self.time_base) - self.origin
        return ticks / self.time_base.denominator + first
