"""Zero-shot check of a backbone on generated pictures and sounds: a broken checkpoint shows before hours of work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import Backbone, Embeddings, Frame, Modality, Waveform

SIDE = 256
SECONDS = 4
ALIKE = 0.9999
"""Cosine above which the embeddings of different things count as the same."""


@dataclass(frozen=True)
class CheckResult:
    """What the check saw.

    Attributes
    ----------
    visual, audio : share of the generated pictures and sounds whose own label scored highest
    problems : one sentence each; none if the encoder seems sound
    """

    visual: float
    audio: float
    problems: tuple[str, ...]

    def text(self) -> str:
        shares = f"zero-shot check: {self.visual:.0%} of the pictures, {self.audio:.0%} of the sounds recognised"
        return "\n".join([shares, *(f"Warning: {problem}" for problem in self.problems)])


def check_backbone(backbone: Backbone) -> CheckResult:
    """Score generated pictures and sounds against their labels.

    Chance is one in six for pictures and one in four for sounds. An encoder that knows less than half of the
    pictures or of the sounds, gives the same embedding for different things, or NaN, is reported.
    """
    pictures, sounds = _pictures(), _sounds(backbone.spec.sample_rate)
    visual, faults = _recognised(
        backbone, "visual", list(pictures), lambda: backbone.encode_images([*pictures.values()])
    )
    audio, more = _recognised(backbone, "audio", list(sounds), lambda: backbone.encode_audio([*sounds.values()]))
    return CheckResult(visual, audio, (*faults, *more))


def _recognised(
    backbone: Backbone, modality: Modality, labels: list[str], encode: Callable[[], Embeddings]
) -> tuple[float, list[str]]:
    """Share recognised, and what is wrong."""
    kind = "pictures" if modality == "visual" else "sounds"
    items, text = encode(), backbone.encode_text(backbone.prompts(labels, modality), modality)
    for rows, what in ((items, f"generated {kind}"), (text, f"texts for {kind}")):
        if not np.isfinite(rows).all():
            return 0.0, [f"{backbone.name} gives NaN or infinity for {what}; its weights are damaged"]
        if _most_alike(rows) > ALIKE:
            return 0.0, [
                f"{backbone.name} gives the same embedding for different {what}; its weights or tokens are wrong"
            ]
    scores = _unit(items) @ _unit(text).T
    # some texts are near to everything and some items near to no text: only what is beyond that counts
    scores = scores - scores.mean(axis=0, keepdims=True) - scores.mean(axis=1, keepdims=True)
    share = float((scores.argmax(axis=1) == np.arange(len(labels))).mean())
    if share < 0.5:
        return share, [
            f"{backbone.name} recognises {share:.0%} of the generated {kind}, which is little; "
            "compare the weights with those you meant to use"
        ]
    return share, []


def _most_alike(rows: NDArray[np.float32]) -> float:
    cosine = _unit(rows) @ _unit(rows).T
    return float(cosine[~np.eye(len(rows), dtype=bool)].max())


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = rows.astype(np.float64)
    found: NDArray[np.float64] = wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
    return found


def _pictures() -> dict[str, Frame]:
    """Label -> picture."""
    y, x = np.mgrid[:SIDE, :SIDE]
    circle = ((x - SIDE / 2) ** 2 + (y - SIDE / 2) ** 2 < (SIDE / 3) ** 2)[..., None]
    board = ((x // 32 + y // 32) % 2 * 255)[..., None]
    stripes = (x // 16 % 2 * 255)[..., None]

    def paint(mask: Any, colour: tuple[int, int, int], ground: tuple[int, int, int]) -> Frame:
        return np.where(mask, np.array(colour), np.array(ground)).astype(np.uint8)

    return {
        "red picture": paint(np.ones_like(circle), (220, 20, 20), (0, 0, 0)),
        "green picture": paint(np.ones_like(circle), (20, 160, 40), (0, 0, 0)),
        "blue circle on white": paint(circle, (20, 40, 220), (255, 255, 255)),
        "yellow circle on black": paint(circle, (250, 230, 30), (0, 0, 0)),
        "black and white chessboard": np.repeat(board, 3, axis=2).astype(np.uint8),
        "black and white vertical stripes": np.repeat(stripes, 3, axis=2).astype(np.uint8),
    }


def _sounds(rate: int) -> dict[str, Waveform]:
    """Label -> sound."""
    t = np.arange(SECONDS * rate) / rate
    rng = np.random.default_rng(0)
    siren = np.sin(2 * np.pi * np.cumsum(900 + 400 * np.sin(2 * np.pi * t / 2)) / rate)
    clicks = np.exp(-60 * (t % 0.5)) * rng.normal(0, 1, len(t))
    made = {
        "white noise": 0.2 * rng.normal(0, 1, len(t)),
        "a pure tone beep": 0.4 * np.sin(2 * np.pi * 1000 * t),
        "siren": 0.4 * siren,
        "ticking clock": 0.3 * clicks,
    }
    return {label: np.clip(wave, -1, 1).astype(np.float32) for label, wave in made.items()}
