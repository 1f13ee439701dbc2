"""A backbone for tests: mean colour and loudness, computed item by item."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from avreplay.extract.backbones.base import Backbone, BackboneSpec
from numpy.typing import NDArray


class FakeBackbone(Backbone):
    """``rows`` 1 or 8; ``weights`` only changes the declaration; ``delay`` slows every video down."""

    name = "fake"

    def __init__(self, rows: int = 1, weights: str = "a", delay: float = 0.0) -> None:
        self.spec = BackboneSpec(
            audio_dim=4, visual_dim=3, sample_rate=16000, window_frames=8, visual_rows=rows, licence="none"
        )
        self.weights = weights
        self.delay = delay
        self.calls: list[tuple[str, int]] = []

    def declaration(self) -> dict[str, Any]:
        return {"weights": self.weights, "options": {"rows": self.spec.visual_rows}}

    def prompts(self, labels: Sequence[str], modality: str) -> list[str]:
        return [f"{modality}: {label}" for label in labels]

    def encode_text(self, prompts: Sequence[str], modality: str) -> NDArray[np.float32]:
        width = self.spec.audio_dim if modality == "audio" else self.spec.visual_dim
        return np.array([[zlib.crc32(f"{p}{k}".encode()) % 997 / 997 for k in range(width)] for p in prompts], "f4")

    def encode_images(self, frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        time.sleep(self.delay)
        self.calls.append(("images", len(frames)))
        return np.array([frame.mean(axis=(0, 1)) / 255 for frame in frames], np.float32)

    def encode_clips(self, clips: Sequence[Sequence[NDArray[np.uint8]]]) -> NDArray[np.float32]:
        if self.spec.visual_rows > 1:
            return super().encode_clips(clips)
        self.calls.append(("clips", len(clips)))
        return np.array([[np.mean([f.mean(axis=(0, 1)) / 255 for f in clip], axis=0)] for clip in clips], np.float32)

    def encode_audio(self, clips: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        self.calls.append(("audio", len(clips)))
        return np.array([[c.mean(), c.std(), np.abs(c).max(), len(c) / 16000] for c in clips], np.float32)
