"""Fits the weights of the `demo` backbone on generated videos: ``python -m avreplay.extract.backbones.fit_demo``.

The train split of the demo world is written as mp4 files and read back, so that the encoder gets what compression
does. Patch dictionaries come from k-means; the maps into the space of hashed text from ridge regression on random
rectified features. The same versions of the libraries give the same weights.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from ..demo.world import LABELS, write_demo_world
from . import demo_features as features
from .demo import PICTURE_PATCH, PICTURE_STEP, WEIGHTS, picture_features, sound_features

DIM = 48
TEXT_SEED, DICTIONARY_SEED, HIDDEN_SEED = 1, 2, 3
PICTURE_WORDS, SOUND_WORDS, HIDDEN = 48, 64, 600


def main(arguments: Sequence[str] | None = None) -> None:
    """Generate, fit, write the weights and print how well they rank labels on held-out seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / WEIGHTS, help="file to write")
    parser.add_argument("--videos", type=int, default=400, help="videos of the train split")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        annotations = write_demo_world(folder, "train", videos=options.videos)
        frames, sounds, visible, audible = read_seconds(annotations)
    weights = fit(frames, sounds, visible, audible)
    np.savez_compressed(options.out, **weights)  # type: ignore[arg-type]
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB from {options.videos} videos of 10 s")


def read_seconds(
    annotations: Path,
) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.float32]], NDArray[np.float64], NDArray[np.float64]]:
    """Two frames and the sound of every second of a demo world, and which labels are visible and audible in it."""
    truth = json.loads(annotations.read_text(encoding="utf-8"))
    frames, sounds, visible, audible = [], [], [], []
    for name, video in truth["videos"].items():
        marks = {track: np.zeros((video["segments"], len(LABELS))) for track in ("audio", "visual")}
        for track, mark in marks.items():
            for event in video[track]:
                mark[event["onset"] : event["offset"], LABELS.index(event["label"])] = 1
        pictures, wave = _decode(annotations.parent / f"{name}.mp4")
        per_second = len(pictures) // video["segments"]
        for t in range(video["segments"]):
            for part in (0.3, 0.7):
                frames.append(pictures[int((t + part) * per_second)])
                visible.append(marks["visual"][t])
            sounds.append(np.ascontiguousarray(wave[t * features.SAMPLE_RATE : (t + 1) * features.SAMPLE_RATE]))
            audible.append(marks["audio"][t])
    return frames, sounds, np.array(visible), np.array(audible)


def fit(
    frames: Sequence[NDArray[np.uint8]],
    sounds: Sequence[NDArray[np.float32]],
    visible: NDArray[np.float64],
    audible: NDArray[np.float64],
) -> dict[str, NDArray[Any]]:
    """All weights, float16 where that is enough."""
    rng = np.random.default_rng(DICTIONARY_SEED)
    weights: dict[str, NDArray[Any]] = {}
    some = [features.shrink(frames[i]) for i in rng.choice(len(frames), min(len(frames), 600), replace=False)]
    for scale in range(2):
        step = PICTURE_STEP if scale == 0 else 2
        patches = np.concatenate([features.picture_patches(p, PICTURE_PATCH, step) for p in some])
        weights[f"picture_{scale}"], weights[f"picture_offset_{scale}"] = _dictionary(patches, PICTURE_WORDS, 0.05, rng)
        some = [features.halve(p) for p in some]
    mels = [features.log_mel(sounds[i]) for i in rng.choice(len(sounds), min(len(sounds), 600), replace=False)]
    patches = np.concatenate([features.sound_patches(m) for m in mels])
    weights["sound_0"], weights["sound_offset_0"] = _dictionary(patches, SOUND_WORDS, 0.5, rng)

    text = np.random.default_rng(TEXT_SEED).normal(size=(features.TEXT_BUCKETS, DIM)) / np.sqrt(DIM)
    weights["text"] = text.astype(np.float16)
    words = np.stack([features.text_features(label) @ weights["text"].astype(np.float32) for label in LABELS])
    words /= np.linalg.norm(words, axis=1, keepdims=True)
    single = {k: v.astype(np.float32) for k, v in weights.items()}
    for kind, rows, present in (
        ("picture", np.stack([picture_features(f, single) for f in frames]), visible),
        ("sound", np.stack([sound_features(s, single) for s in sounds]), audible),
    ):
        weights.update(_head(kind, rows.astype(np.float64), present, words.astype(np.float64)))
    return weights


def _head(kind: str, rows: NDArray[Any], present: NDArray[Any], words: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Standardise, expand by random rectified features, regress on the labels, map labels to their words."""
    mean, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-3
    rng = np.random.default_rng(HIDDEN_SEED)
    hidden = (rng.normal(size=(rows.shape[1], HIDDEN)) / np.sqrt(rows.shape[1])).astype(np.float16)
    shift = rng.normal(size=HIDDEN).astype(np.float16) * np.float16(0.5)
    h = np.maximum((rows - mean) / scale @ hidden.astype(np.float64) + shift, 0)
    middle = h.mean(axis=0)
    target = present - present.mean(axis=0)
    centred = h - middle
    penalty = 1e-2 * np.trace(centred.T @ centred) / HIDDEN
    solution = np.linalg.solve(centred.T @ centred + penalty * np.eye(HIDDEN), centred.T @ target)
    # scores are embedding . word: the pseudo-inverse makes them the regression's answer for the fitted labels
    to_words = np.linalg.pinv(words.T)
    out = solution @ to_words
    return {
        f"{kind}_mean": mean.astype(np.float32),
        f"{kind}_scale": scale.astype(np.float32),
        f"{kind}_hidden": hidden,
        f"{kind}_shift": shift,
        f"{kind}_out": out.astype(np.float32),
        f"{kind}_bias": (present.mean(axis=0) @ to_words - middle @ out).astype(np.float32),
    }


def _dictionary(
    patches: NDArray[Any], count: int, floor: float, rng: np.random.Generator
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Unit patches by spherical k-means, and a response below which a patch counts as not alike."""
    x = patches[rng.choice(len(patches), min(len(patches), 20000), replace=False)].astype(np.float32)
    x = x - x.mean(axis=1, keepdims=True)
    x /= np.sqrt(np.mean(x**2, axis=1, keepdims=True)) + np.float32(floor)
    centres = x[rng.choice(len(x), count, replace=False)].copy()
    for _ in range(12):
        centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-6)
        nearest = np.argmax(x @ centres.T, axis=1)
        for k in range(count):
            members = x[nearest == k]
            if len(members):
                centres[k] = members.mean(axis=0)
    centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-6)
    responses = x @ centres.T
    return centres.T.astype(np.float16), np.quantile(responses, 0.75, axis=0).astype(np.float16)


def _decode(path: Path) -> tuple[list[NDArray[np.uint8]], NDArray[np.float32]]:
    with av.open(str(path)) as container:
        pictures = [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in container.decode(video=0)]
    resampler = av.AudioResampler("flt", "mono", features.SAMPLE_RATE)
    parts: list[NDArray[np.float32]] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            parts += [np.asarray(f.to_ndarray(), np.float32).reshape(-1) for f in resampler.resample(frame)]
    parts += [np.asarray(f.to_ndarray(), np.float32).reshape(-1) for f in resampler.resample(None)]
    wave = np.concatenate(parts)
    return pictures, np.pad(wave, (0, max(0, 10 * features.SAMPLE_RATE - len(wave))))


if __name__ == "__main__":
    main()
