"""Whether an encoder computes on a device what it computes on the processor, and the same in any company."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from avreplay.extract.backbones._torch import TorchBackbone
from avreplay.extract.backbones.check import _pictures, _sounds
from avreplay.extract.command_options import PRECISIONS
from numpy.typing import NDArray

from .evidence import Evidence
from .models import Models

LABELS = ("Dog", "Speech", "Church_bell", "Violin, fiddle")


def calls_of(backbone: TorchBackbone) -> dict[str, tuple[Callable[[Any], NDArray[np.float32]], list[Any]]]:
    """Each way to encode, with different items."""
    pictures, sounds = list(_pictures().values()), list(_sounds(backbone.spec.sample_rate).values())
    sounds.append(sounds[2][: backbone.spec.sample_rate])  # 1 s
    found: dict[str, tuple[Callable[[Any], NDArray[np.float32]], list[Any]]] = {
        "images": (backbone.encode_images, pictures),
        "audio": (backbone.encode_audio, sounds),
        "audio text": (lambda t: backbone.encode_text(t, "audio"), backbone.prompts(LABELS, "audio")),
        "visual text": (lambda t: backbone.encode_text(t, "visual"), backbone.prompts(LABELS, "visual")),
    }
    if backbone.spec.visual_rows == 1:
        frames = backbone.spec.window_frames
        clips = [[pictures[(k + i) % len(pictures)] for i in range(frames)] for k in range(3)]
        found["clips"] = (backbone.encode_clips, clips)
    return found


def parity(evidence: Evidence, models: Models, device: str) -> None:
    """Rows of every number type on the device beside float32 on the processor."""
    held: dict[str, NDArray[np.float32]] = {}

    def want() -> dict[str, NDArray[np.float32]]:
        if not held:
            held.update({name: encode(items) for name, (encode, items) in calls_of(models("cpu")).items()})
        return held

    for precision in ("fp32", "tf32", "amp-fp16", "amp-bf16", "fp16", "bf16"):
        assert precision in PRECISIONS

        def compare(precision: str = precision) -> dict[str, Any]:
            reference = want()
            calls = calls_of(models(device, precision))
            return {name: _compared(encode(items), reference[name]) for name, (encode, items) in calls.items()}

        evidence.measure(precision, compare)


def invariance(evidence: Evidence, models: Models, device: str) -> None:
    """Whether an item gets the same row alone as beside others: 1 s of sound beside 5 s, a picture in a full batch."""
    for precision in ("fp32", "fp16"):

        def compare(precision: str = precision) -> dict[str, Any]:
            backbone = models(device, precision)
            rate, calls = backbone.spec.sample_rate, calls_of(backbone)
            sounds = calls["audio"][1][:4]
            one, five = sounds[2][:rate], [np.tile(sound, 2)[: 5 * rate] for sound in sounds]
            found = {"1 s of sound beside 5 s": _company(backbone.encode_audio, one, five)}
            others = [sound[start : start + rate] for sound in sounds for start in (0, rate)]
            found["1 s of sound among others of 1 s"] = _company(backbone.encode_audio, one, others)
            for name in ("images", "clips", "visual text"):
                if name in calls:
                    encode, items = calls[name]
                    found[f"{name}: one among {len(items)}"] = _company(encode, items[0], items[1:])
            encode, items = calls["images"]
            many = [items[1 + k % (len(items) - 1)] for k in range(backbone.batch_size)]
            found["images: one in a full batch"] = _company(encode, items[0], many)
            return found

        evidence.measure(precision, compare)


def _company(encode: Callable[[Any], NDArray[np.float32]], item: Any, others: Sequence[Any]) -> dict[str, Any]:
    """A row alone, twice, and beside others."""
    alone, again = encode([item]), encode([item])
    beside = encode([item, *others])
    flat = beside.reshape(len(beside), -1)
    return {
        "same bytes again": bool(np.array_equal(alone, again)),
        "same bytes beside others": bool(np.array_equal(alone[0], beside[0])),
        "deviation_of_spread": float(np.abs(beside[0] - alone[0]).max() / _spread(flat)),
    }


def _compared(got: NDArray[np.float32], want: NDArray[np.float32]) -> dict[str, Any]:
    got, want = (x.reshape(len(x), -1).astype(np.float64) for x in (got, want))
    lengths = np.linalg.norm(got, axis=1) * np.linalg.norm(want, axis=1)
    return {
        "deviation_of_spread": float(np.abs(got - want).max() / _spread(want)),
        "rms_deviation_of_spread": float(np.sqrt(((got - want) ** 2).mean()) / _spread(want)),
        "smallest_cosine": round(float(((got * want).sum(axis=1) / lengths).min()), 7),
        "not_finite": int((~np.isfinite(got)).sum()),
    }


def _spread(rows: NDArray[Any]) -> float:
    """How far rows of different items lie apart."""
    return float(np.sqrt(((rows - rows.mean(axis=0)) ** 2).mean()))
