"""The golden vectors of the published code of CueRator and SCoPE (numbers only, made on synthetic inputs).

They are read as those of the ranking metrics are: :mod:`golden_frontier`.
"""

from __future__ import annotations

import numpy as np
from avreplay.core.bundle import ScoreBundle
from avreplay.core.events import Events
from golden_frontier import load as load


def bundle(audio: np.ndarray, visual: np.ndarray) -> ScoreBundle:
    """Cosines (N, T, C) as a score bundle."""
    n, t, c = audio.shape
    return ScoreBundle.create(
        video_ids=[f"v{i}" for i in range(n)],
        labels=[f"class {i}" for i in range(c)],
        segments_per_video=np.full(n, t),
        audio_segments=audio.reshape(-1, c),
        visual_segments=visual.reshape(-1, c),
    )


def truth(flags: np.ndarray, category: np.ndarray, labels: int) -> Events:
    """Annotated events of videos of one category each; a category beyond the labels is background."""
    return Events.from_tracks(
        [
            [[], [], [(int(c), t, t + 1) for t in np.flatnonzero(row).tolist()] if c < labels else []]
            for row, c in zip(flags, category, strict=True)
        ]
    )


def timelines(events: Events, track: str, segments: int, setting: int = 0) -> np.ndarray:
    """(N, T) the label of each segment of a track that has one label a segment, -1 for none."""
    found = np.full((events.num_videos, segments), -1)
    for v in range(events.num_videos):
        for label, onset, offset, _ in events.track(v, track, setting):
            found[v, onset:offset] = label
    return found


def decisions(events: Events, track: str, segments: int, labels: int, setting: int = 0) -> np.ndarray:
    """(N, T, C) bool, the labels of each segment of a track."""
    found = np.zeros((events.num_videos, segments, labels), np.bool_)
    for v in range(events.num_videos):
        for label, onset, offset, _ in events.track(v, track, setting):
            found[v, onset:offset, label] = True
    return found
