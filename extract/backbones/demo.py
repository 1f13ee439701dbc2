"""The `demo` backbone: a small real encoder that ships with the package and runs on NumPy alone.

It exists so that the whole path runs anywhere in seconds. Pictures and sounds become pooled patch responses
(:mod:`.demo_features`), which a linear map takes into the space of hashed text. Its weights were fitted on generated
videos by :mod:`.fit_demo`; it knows little of the real world.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from importlib.resources import as_file, files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from ...cache.reading.files import MIB, read_bytes
from ...cache.reading.npz_file import open_npz
from . import demo_features as features
from .base import Backbone, BackboneSpec, Embeddings, Frame, Modality, Waveform

WEIGHTS = "demo_weights.npz"
PICTURE_PATCH, PICTURE_STEP = 8, 4
FLOOR = 0.05
_MOST = 64 * MIB


def picture_features(frame: NDArray[np.uint8], weights: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    """Fixed-length description of one picture, [height, width, 3] uint8 RGB."""
    return _describe_picture(features.shrink(frame), weights)


def _describe_picture(picture: NDArray[Any], weights: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    """Patch responses of a shrunk picture at two scales, and its colours on a coarse grid."""
    parts = [picture.reshape(4, 12, 4, 16, 3).mean(axis=(1, 3)).ravel(), picture.std(axis=(0, 1))]
    for scale in range(2):
        patches = features.picture_patches(picture, PICTURE_PATCH, PICTURE_STEP if scale == 0 else 2)
        dictionary, offset = weights[f"picture_{scale}"], weights[f"picture_offset_{scale}"]
        parts.append(features.pooled(patches, dictionary, offset, FLOOR))
        picture = features.halve(picture)
    return np.concatenate(parts).astype(np.float32)


def sound_features(second: NDArray[np.float32], weights: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    """Fixed-length description of one second of sound, [16000] float32."""
    return _describe_sound(features.log_mel(second), weights)


def _describe_sound(mel: NDArray[Any], weights: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    """Statistics of the bands of a log-mel second, and its patch responses."""
    patches = features.pooled(features.sound_patches(mel), weights["sound_0"], weights["sound_offset_0"], 0.5)
    return np.concatenate([features.sound_statistics(mel), patches]).astype(np.float32)


class DemoBackbone(Backbone):
    """The embedded encoder. A window or clip is the mean of its frames, or of its seconds of sound."""

    name = "demo"
    items_per_call: int | None = 256

    def __init__(self) -> None:
        with as_file(files(__package__).joinpath(WEIGHTS)) as path:
            content = read_bytes(path, "file of weights", _MOST)
            with open_npz(path, "file of weights") as npz:
                self._weights = {k: np.ascontiguousarray(npz.read(k), np.float32) for k in npz.names}
        self._sha256 = hashlib.sha256(content).hexdigest()
        # products this small lose far more to the threads of BLAS than they win
        self._blas = ThreadpoolController()
        dim = self._weights["text"].shape[1]
        self.spec: BackboneSpec = BackboneSpec(
            audio_dim=dim,
            visual_dim=dim,
            sample_rate=features.SAMPLE_RATE,
            window_frames=8,
            visual_rows=1,
            licence="Apache-2.0",
        )

    def declaration(self) -> dict[str, Any]:
        return {
            "model": "avreplay demo encoder",
            "weights": WEIGHTS,
            "weights_sha256": self._sha256,
            "prompt": "{label}",
            "picture": "48 x 64 by averaging",
            "options": {},
        }

    def batch_tolerances(self) -> dict[str, float]:
        towers = ("audio_text", "visual_text", "pictures", "clips", "sounds")
        return dict.fromkeys(towers, 0.0)  # each item is encoded by itself

    def prompts(self, labels: Sequence[str], modality: Modality) -> list[str]:
        return list(labels)

    def encode_text(self, prompts: Sequence[str], modality: Modality) -> Embeddings:
        with self._blas.limit(limits=1):
            rows = [features.text_features(p) @ self._weights["text"] for p in prompts]
        text = np.array(rows, np.float32).reshape(-1, self._weights["text"].shape[1])
        found: Embeddings = text / np.maximum(np.linalg.norm(text, axis=1, keepdims=True), 1e-6)
        return found

    def encode_images(self, frames: Sequence[Frame]) -> Embeddings:
        with self._blas.limit(limits=1):
            return self._rows([self._image(f) for f in frames])

    def encode_clips(self, clips: Sequence[Sequence[Frame]]) -> Embeddings:
        known = _Once(self._image)
        with self._blas.limit(limits=1):
            return self._rows([np.mean([known(f) for f in clip], axis=0) for clip in clips])[:, None]

    def encode_audio(self, clips: Sequence[Waveform]) -> Embeddings:
        known = _Once(self._second)
        with self._blas.limit(limits=1):
            return self._rows([np.mean([known(s) for s in features.seconds_of(clip)], axis=0) for clip in clips])

    def _rows(self, rows: Sequence[NDArray[Any]]) -> Embeddings:
        return np.array(rows, np.float32).reshape(len(rows), self.spec.visual_dim)

    def _image(self, frame: Frame) -> NDArray[np.float32]:
        with self.preprocessing():
            picture = features.shrink(frame)
        return self._project(_describe_picture(picture, self._weights), "picture")

    def _second(self, second: NDArray[np.float32]) -> NDArray[np.float32]:
        with self.preprocessing():
            mel = features.log_mel(second)
        return self._project(_describe_sound(mel, self._weights), "sound")

    def _project(self, row: NDArray[np.float32], kind: str) -> NDArray[np.float32]:
        w = self._weights
        centred = (row - w[f"{kind}_mean"]) / w[f"{kind}_scale"]
        hidden = np.maximum(centred @ w[f"{kind}_hidden"] + w[f"{kind}_shift"], 0)
        return hidden @ w[f"{kind}_out"] + w[f"{kind}_bias"]


class _Once:
    """Calls a function once per array in memory: windows share frames and seconds, as views of the same bytes."""

    def __init__(self, function: Callable[[NDArray[Any]], NDArray[np.float32]]) -> None:
        self._function = function
        self._known: dict[tuple[int, tuple[int, ...], tuple[int, ...]], tuple[NDArray[Any], NDArray[np.float32]]] = {}

    def __call__(self, array: NDArray[Any]) -> NDArray[np.float32]:
        # views of one buffer may begin at the same byte and have the same shape, yet skip rows: strides tell them apart
        key = (array.__array_interface__["data"][0], array.shape, array.strides)
        if key not in self._known:
            # keeping the array keeps its address from being used again
            self._known[key] = (array, self._function(array))
        return self._known[key][1]
