"""Apple's MobileCLIP2 for pictures by open_clip, and CLAP for sounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ._image_and_clap import ImageAndClapBackbone


class MobileClip2Backbone(ImageAndClapBackbone):
    """MobileCLIP2 and CLAP; options as in `ImageAndClapBackbone`.

    Trained with a softmax: its logits are no probabilities.
    """

    name = "mobileclip2"
    image_licence = "Apple-AMLR (research only)"
    picture_defaults: ClassVar[Mapping[str, Any]] = {
        "mean": (0.0, 0.0, 0.0),
        "std": (1.0, 1.0, 1.0),
        "interpolation": "bilinear",
        "resize_mode": "shortest",
    }

    def __init__(
        self,
        model: str = "MobileCLIP2-S4",
        weights: str = "dfndr2b",
        clap_weights: str = "laion/clap-htsat-unfused",
        clap_config: str | None = None,
        visual_prompt: str = "a photo of {words}",
        audio_prompt: str = "This is a sound of {words}",
        audio_scale: float = 1.0,
        audio_bias: float = 0.0,
        crop_seed: int | None = None,
        device: str | None = None,
        dtype: str = "float32",
        batch_size: int = 64,
        autocast: bool = False,
        compile: bool = False,
        fixed_batch: bool = False,
        download: bool = False,
    ) -> None:
        super().__init__(
            model, weights, clap_weights, clap_config, visual_prompt, audio_prompt, audio_scale, audio_bias, crop_seed,
            device, dtype, batch_size, autocast, compile, fixed_batch, download,
        )  # fmt: skip
