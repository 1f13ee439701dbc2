"""Colours, frequency bands and hashed words: an encoder without weights, which knows nothing of the world."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from avreplay import Backbone, BackboneSpec
from numpy.typing import NDArray

AUDIO_DIM = 32
FFT = 1024


class Histogram(Backbone):
    """Colour histogram of a picture, energies of frequency bands of a sound, hashed words of a text.

    bins : of each colour; a picture has bins to the power of three numbers
    """

    name = "histogram"
    about: ClassVar[str] = "colour histogram, band energies and hashed words; no weights, an example"
    dims: ClassVar[str] = f"audio {AUDIO_DIM}, visual 64"
    licence: ClassVar[str] = "none: it has no weights"

    def __init__(self, bins: int = 4) -> None:
        self.bins = bins
        # one row a frame: the embedding of a window then is that of its frames, and encode_clips need not be defined
        self.spec = BackboneSpec(
            audio_dim=AUDIO_DIM, visual_dim=bins**3, sample_rate=16000, window_frames=4, visual_rows=4
        )

    def declaration(self) -> dict[str, Any]:
        return {"model": "histogram", "fft": FFT, "prompt": "{label}", "options": {"bins": self.bins}}

    def prompts(self, labels: Sequence[str], modality: str) -> list[str]:
        return list(labels)

    def encode_text(self, prompts: Sequence[str], modality: str) -> NDArray[np.float32]:
        width = self.spec.audio_dim if modality == "audio" else self.spec.visual_dim
        out = np.zeros((len(prompts), width), np.float32)
        for row, prompt in zip(out, prompts, strict=True):
            for word in prompt.casefold().split():
                # crc32, not hash(): the same in every process
                row[zlib.crc32(word.encode()) % width] += 1
        return out

    def encode_images(self, frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        out = np.empty((len(frames), self.spec.visual_dim), np.float32)
        for row, frame in zip(out, frames, strict=True):
            level = frame.reshape(-1, 3).astype(np.int64) * self.bins // 256
            cell = (level[:, 0] * self.bins + level[:, 1]) * self.bins + level[:, 2]
            row[:] = np.bincount(cell, minlength=len(row)) / len(cell)
        return out

    def encode_audio(self, clips: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        out = np.empty((len(clips), AUDIO_DIM), np.float32)
        for row, clip in zip(out, clips, strict=True):
            # sounds of any length, even none
            frames = np.resize(clip, (max(1, -(-len(clip) // FFT)), FFT)) if len(clip) else np.zeros((1, FFT))
            power = (np.abs(np.fft.rfft(frames * np.hanning(FFT), axis=1))[:, 1:] ** 2).mean(axis=0)
            row[:] = np.log(power.reshape(AUDIO_DIM, -1).mean(axis=1) + 1e-6)
        return out
