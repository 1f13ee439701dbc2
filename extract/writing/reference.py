"""The rows of an encoder for a few fixed inputs, by which a store notices another encoder (see `cache.reference`)."""

from __future__ import annotations

import platform
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backbones.base import Backbone, Frame, Modality, Waveform
from ..backbones.registry import BUILT_IN

PROMPTS = ("a dog barks", "rain falls on a roof")

_DISTRIBUTIONS = {
    "torch": "torch", "torchvision": "torchvision", "transformers": "transformers", "open_clip": "open_clip_torch",
    "timm": "timm", "peft": "peft", "laion_clap": "laion_clap", "languagebind": "languagebind",
    "imagebind": "imagebind-unofficial", "numpy": "numpy", "avreplay": "avreplay",
}  # fmt: skip
"""Module -> distribution of what embeddings may depend on."""


@dataclass(frozen=True, eq=False)
class Reference:
    """What `cache.reference` keeps of an encoder, or compares: rows by array, the most by which each may differ, and
    what computed them."""

    rows: dict[str, NDArray[np.float32]]
    tolerances: dict[str, float]
    made_with: dict[str, str]


class KeepsReference(Backbone):
    """A backbone whose encoders compute their reference in another process."""

    @abstractmethod
    def reference(self, towers: bool) -> Reference:
        """As `reference_of` gives it there."""


def reference_of(backbone: Backbone, *, towers: bool = False) -> Reference:
    """The reference of an encoder: of the fixed texts, or of the fixed inputs of all its towers."""
    if isinstance(backbone, KeepsReference):
        return backbone.reference(towers)
    rows = tower_rows(backbone) if towers else reference_rows(backbone)
    return Reference(rows, backbone.reference_tolerances(), made_with(backbone))


def reference_rows(backbone: Backbone) -> dict[str, NDArray[np.float32]]:
    """Rows (2, D) of the fixed texts, for sound and for pictures; none from an encoder that takes only its own labels.

    Texts are cheap, and weights come as a whole: who has another file of them has other texts too.
    """
    joint: tuple[Modality, ...] = ("audio_visual",) if backbone.spec.audio_visual_dim else ()
    modalities: tuple[Modality, ...] = ("audio", "visual", *joint)
    return _made({f"{m}_text": lambda m=m: backbone.encode_text(PROMPTS, m) for m in modalities})  # type: ignore[misc]


def tower_rows(backbone: Backbone) -> dict[str, NDArray[np.float32]]:
    """Rows of the fixed inputs of every tower that the encoder names in `reference_tolerances`: a package may change
    what one of them computes, and leave the others."""
    spec, wanted = backbone.spec, backbone.reference_tolerances()
    calls: dict[str, Callable[[], Any]] = {
        "pictures": lambda: backbone.encode_images(_pictures(2)),
        "clips": lambda: backbone.encode_clips([_pictures(spec.window_frames)]).reshape(-1, spec.visual_dim),
        "sounds": lambda: backbone.encode_audio(_sounds(spec.sample_rate)),
        "frames": lambda: np.concatenate([rows[::5] for rows in backbone.encode_frames(_sounds(spec.sample_rate))]),
        "audio_visual": lambda: backbone.encode_audio_visual(
            [([picture], sound) for picture, sound in zip(_pictures(2), _sounds(spec.sample_rate), strict=True)]
        ),
    }
    return {**reference_rows(backbone), **_made({name: call for name, call in calls.items() if name in wanted})}


def made_with(backbone: Backbone) -> dict[str, str]:
    """Versions of the packages that the encoder needs, and the device; what else is loaded does not count."""
    found = {"device": _device(backbone), "python": platform.python_version()}
    own = BUILT_IN.get(backbone.name)
    needs = backbone.needs if own is None else own.needs
    for module, distribution in _DISTRIBUTIONS.items():
        if module in ("avreplay", "numpy", *needs):
            found.update(_version(distribution))
    return found


def _made(calls: dict[str, Callable[[], Any]]) -> dict[str, NDArray[np.float32]]:
    """What the calls give; whatever fails here fails with the videos or labels too, and is told there."""
    rows = {}
    for name, call in calls.items():
        try:
            found = np.asarray(call(), np.float32)
        except Exception:
            continue
        if found.ndim == 2 and np.isfinite(found).all():
            rows[name] = found
    return rows


def _pictures(count: int) -> list[Frame]:
    """Pictures of 96 x 128: waves and a square that moves from one to the next."""
    y, x = np.mgrid[:96, :128]
    made = []
    for k in range(count):
        waves = [120 + 60 * np.sin(x / (5 + 3 * c) + k) + 60 * np.cos(y / (4 + 2 * c)) for c in range(3)]
        picture = np.stack(waves, axis=2)
        picture[8 * (k % 8) : 8 * (k % 8) + 24, 5 * k % 96 : 5 * k % 96 + 24] = (230, 40, 90)
        made.append(np.clip(picture, 0, 255).astype(np.uint8))
    return made


def _sounds(rate: int) -> list[Waveform]:
    """A second of a rising tone, and one of beats in noise."""
    t = np.arange(rate) / rate
    noise = np.random.default_rng(0).normal(0, 0.2, rate)
    tone, beats = 0.4 * np.sin(2 * np.pi * (200 + 900 * t) * t), noise * (t % 0.25 < 0.1)
    return [tone.astype(np.float32), beats.astype(np.float32)]


def _device(backbone: Backbone) -> str:
    """The device by its name."""
    name, torch = str(backbone.device), sys.modules.get("torch")
    if torch is not None and name.startswith("cuda"):
        return f"cuda ({torch.cuda.get_device_name(backbone.device)})"
    return f"{name} ({platform.machine()})" if name == "cpu" else name


def _version(distribution: str) -> Iterator[tuple[str, str]]:
    try:
        yield distribution, version(distribution)
    except PackageNotFoundError:
        return
