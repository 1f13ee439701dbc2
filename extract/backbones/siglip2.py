"""Google's SigLIP 2 for pictures by open_clip, and CLAP for sounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ._image_and_clap import ImageAndClapBackbone


class SigLip2Backbone(ImageAndClapBackbone):
    """SigLIP 2 and CLAP; options as in `ImageAndClapBackbone`.

    Trained with a sigmoid: that of its logits is a probability.
    """

    name = "siglip2"
    image_licence = "Apache-2.0"
    picture_defaults: ClassVar[Mapping[str, Any]] = {
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
        "interpolation": "bicubic",
        "resize_mode": "squash",
    }

    def __init__(
        self,
        model: str = "ViT-SO400M-16-SigLIP2-384",
        weights: str = "webli",
        clap_weights: str = "laion/clap-htsat-unfused",
        clap_config: str | None = None,
        visual_prompt: str = "This is a photo of {words}.",
        audio_prompt: str = "This is a sound of {words}",
        audio_scale: float = 1.0,
        audio_bias: float = 0.0,
        crop_seed: int | None = None,
        device: str | None = None,
        dtype: str = "float32",
        batch_size: int = 32,
        autocast: bool = False,
        compile: bool = False,
        fixed_batch: bool = False,
        download: bool = False,
    ) -> None:
        super().__init__(
            model, weights, clap_weights, clap_config, visual_prompt, audio_prompt, audio_scale, audio_bias, crop_seed,
            device, dtype, batch_size, autocast, compile, fixed_batch, download,
        )  # fmt: skip
