"""The golden vectors of the released OV-AVEL code (numbers only, made on synthetic inputs).

They are committed in ``tests/data/ovavel``, without what was annotated in real videos. Set ``AVREPLAY_GOLDEN_OVAVEL``
to a folder of the same format to check another set.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path

import numpy as np
from avreplay.core.bundle import ScoreBundle
from avreplay.core.events import Events

FOLDER = Path(os.environ.get("AVREPLAY_GOLDEN_OVAVEL", Path(__file__).parent / "data" / "ovavel"))
OTHER = 67


@cache
def load(name: str) -> dict[str, np.ndarray]:
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        return dict(file)


@cache
def load_json(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.json").read_text())


def labels(columns: int) -> list[str]:
    """Names of so many columns, the last of which is `other`."""
    return [*(f"class {i}" for i in range(columns - 1)), "other"]


def bundle(audio: np.ndarray, visual: np.ndarray) -> ScoreBundle:
    """Cosines (B, T, K) as a score bundle."""
    b, t, k = audio.shape
    return ScoreBundle.create(
        video_ids=[f"v{i}" for i in range(b)],
        labels=labels(k),
        segments_per_video=np.full(b, t),
        audio_segments=audio.reshape(-1, k),
        visual_segments=visual.reshape(-1, k),
    )


def truth(flags: np.ndarray, category: np.ndarray) -> Events:
    """Annotated events of videos from segment labels (B, T) and one category each."""
    return Events.from_tracks(
        [
            [[], [], [(int(c), t, t + 1) for t in np.flatnonzero(row).tolist()]]
            for row, c in zip(flags, category, strict=True)
        ]
    )


def matrices(events: Events, segments: int, columns: int) -> np.ndarray:
    """(B, K, T) uint8 class matrices as the released F-scores take them; the last row is background."""
    out = np.zeros((events.num_videos, columns, segments), np.uint8)
    for v in range(events.num_videos):
        out[v, -1] = 1
        for label, onset, offset, _ in events.track(v, 2):
            out[v, -1, onset:offset] = 0
            if label != columns - 1:
                out[v, label, onset:offset] = 1
    return out


def agreement(events: Events, segments: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """(B, T) flags of agreeing segments, (B,) category of each video: what the released decoding returns."""
    flags = np.zeros((events.num_videos, segments), np.uint8)
    category = np.full(events.num_videos, columns - 1)
    for v in range(events.num_videos):
        for label, onset, offset, _ in events.track(v, 2):
            flags[v, onset:offset] = 1
            category[v] = label
    return flags, category
