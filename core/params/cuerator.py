"""The parameters of CueRator's rule: ten weights of cues."""

from __future__ import annotations

from typing import Any

from .options import Need, OptionSet, option, option_set

CUERATOR_BOX: dict[str, tuple[float, float]] = {
    "p0": (-0.1, 0.5),
    "p1": (0.0, 2.0),
    "p2": (0.0, 2.0),
    "p3": (0.0, 1.8),
    "p4": (0.0, 1.8),
    "p5": (0.0, 0.8),
    "p6": (0.0, 2.1),
    "p7": (0.0, 2.0),
    "p8": (0.0, 2.0),
    "p9": (0.0, 1.8),
}
"""The box that the authors search in, low and high end of each weight."""


@option_set
class CueratorParams(OptionSet):
    """One setting of CueRator's rule. With the defaults, all zero, a label is a candidate where its cosine is positive.

    A cue of a label is a gap R, the best of the other labels minus it: negative for the best label, whose threshold
    it lowers. ``j`` is the lower one of the audio and the visual score, ``A`` and ``V`` the means of it and either.

    Raises
    ------
    UsageError
        a weight that is no finite number, naming it.
    """

    p0: float = option(
        0.0,
        "audio threshold: what it begins with",
        needs=(Need(("audio_segments",), because="the cuerator decoder"),),
    )
    p1: float = option(
        0.0,
        "audio threshold: weight of the gap, best other label minus this one, of A in the segment; A is the mean of "
        "the audio score and the lower one of both",
    )
    p2: float = option(0.0, "audio threshold: weight of the gap of the visual score in the segment")
    p3: float = option(0.0, "audio threshold: weight of the gap of the mean of A over the segments")
    p4: float = option(0.0, "audio threshold: weight of the audio score above the mean of A over the segments")
    p5: float = option(
        0.0,
        "visual threshold: what it begins with",
        needs=(Need(("visual_segments",), because="the cuerator decoder"),),
    )
    p6: float = option(
        0.0,
        "visual threshold: weight of the gap of V in the segment; V is the mean of the visual score and the lower one "
        "of both",
    )
    p7: float = option(0.0, "visual threshold: weight of the gap of the mean of V over the segments")
    p8: float = option(0.0, "visual threshold: weight of the visual score above the mean of V over the segments")
    p9: float = option(0.0, "visual threshold: weight of the gap of the audio score in the segment")


CUERATOR_PRESETS: dict[str, dict[str, Any]] = {
    "box_middle": {name: (low + high) / 2 for name, (low, high) in CUERATOR_BOX.items()},
    "box_low": {name: low for name, (low, _) in CUERATOR_BOX.items()},
}
"""Points of the published box. The authors publish no best vector as numbers: weights are searched for each data set
(``tune``), or for each video (:func:`avreplay.cuerator_oracle`)."""
