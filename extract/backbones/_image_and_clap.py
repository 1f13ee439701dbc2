"""An image model of open_clip for pictures and CLAP for sounds: what the backbones of newer image models share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ...core.errors import UsageError
from ..media.resize import Resize
from ._calibrated_clip import CalibratedClipTower
from ._clap import SAMPLE_RATE, ClapTower
from ._prompts import checked_template, text_of
from ._torch import TorchBackbone
from .base import BackboneSpec, Embeddings, Frame, Modality, Waveform


class ImageAndClapBackbone(TorchBackbone):
    """A window or clip is eight frames encoded one by one; all rows have length 1.

    Visual scores are the model's own logits: its scale times cosine plus its bias.

    Parameters
    ----------
    model : an open_clip architecture
    weights : a tag of open_clip, a file or folder, a hub id, or ``random:SEED``
    clap_weights : of CLAP by transformers: a folder, a hub id, or ``random:SEED``
    clap_config : JSON file with the architecture of CLAP, for random weights
    visual_prompt, audio_prompt : the text of a label; ``{label}`` or ``{words}`` stands for it
    audio_scale, audio_bias : make logits of CLAP's cosines, which was not trained for a sigmoid: found on annotated
        videos, for use with ``score_norm=sigmoid``
    crop_seed : take a random part of sounds longer than 10 s, as transformers does, instead of the middle
    device, dtype, batch_size, autocast, compile, fixed_batch : as in `TorchBackbone`
    download : allow weights to be fetched from the hub
    """

    image_licence: ClassVar[str]
    """Of weights of the image model that do not say theirs."""

    picture_defaults: ClassVar[Mapping[str, Any]]
    """Preprocessing where nothing else says it, see `CalibratedClipTower`."""

    def __init__(
        self,
        model: str,
        weights: str,
        clap_weights: str,
        clap_config: str | None,
        visual_prompt: str,
        audio_prompt: str,
        audio_scale: float,
        audio_bias: float,
        crop_seed: int | None,
        device: str | None,
        dtype: str,
        batch_size: int,
        autocast: bool,
        compile: bool,
        fixed_batch: bool,
        download: bool,
    ) -> None:
        super().__init__(device, dtype, batch_size, autocast, compile, fixed_batch)
        _refuse_no_logit(audio_scale, audio_bias)
        self._templates = {"visual": checked_template(visual_prompt), "audio": checked_template(audio_prompt)}
        self._image = CalibratedClipTower(self, model, weights, self.picture_defaults, self.image_licence, download)
        self._clap = ClapTower(self, clap_weights, clap_config, crop_seed, download)
        self.rounding = {**self._image.rounding, **self._clap.rounding}
        sound = (float(audio_scale), float(audio_bias))
        self.logits = {"visual": self._image.logit, **({"audio": sound} if sound != (1.0, 0.0) else {})}
        self._options = {
            "model": model,
            "weights": self._image.weights.given,
            "clap_weights": self._clap.weights.given,
            "visual_prompt": visual_prompt,
            "audio_prompt": audio_prompt,
            "audio_scale": sound[0],
            "audio_bias": sound[1],
            "crop_seed": crop_seed,
        }
        self.resize_at_decode: Resize | None = self._image.transform.resize_at_decode
        self.spec: BackboneSpec = BackboneSpec(
            audio_dim=self._clap.dim,
            visual_dim=self._image.dim,
            sample_rate=SAMPLE_RATE,
            window_frames=8,
            visual_rows=8,
            licence=f"pictures {self._image.licence}, CLAP {self._clap.licence}",
        )

    def declaration(self) -> dict[str, Any]:
        return {
            "image": self._image.declaration(),
            "clap": self._clap.declaration(),
            "prompts": self._templates,
            **self._declared(self._options),
        }

    def prompts(self, labels: Sequence[str], modality: Modality) -> list[str]:
        return text_of(labels, self._templates[modality])

    def encode_text(self, prompts: Sequence[str], modality: Modality) -> Embeddings:
        return (self._clap if modality == "audio" else self._image).text(prompts)

    def encode_images(self, frames: Sequence[Frame]) -> Embeddings:
        return self._image.images(frames)

    def encode_audio(self, clips: Sequence[Waveform]) -> Embeddings:
        return self._clap.audio(clips)


def _refuse_no_logit(scale: object, bias: object) -> None:
    """Raises: UsageError."""
    for name, value in (("audio_scale", scale), ("audio_bias", bias)):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise UsageError(f"{name} is {value!r}; give a number")
    if isinstance(scale, (int, float)) and scale <= 0:
        raise UsageError(f"audio_scale is {scale!r}; it must be above 0")
