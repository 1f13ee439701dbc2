"""LanguageBind's towers: building them on today's transformers 4, and filling them."""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch

from ...core.errors import UsageError
from ...core.installation import install_command
from ._packages import import_models
from .weights.fill import fill
from .weights.found import Weights
from .weights.tensors import State

_VISION = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
    "patch_size": 14, "image_size": 224, "hidden_act": "gelu", "projection_dim": 768, "lora_r": 0,
}  # fmt: skip
_TEXT = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
         "hidden_act": "gelu", "projection_dim": 768}  # fmt: skip
PUBLISHED: dict[str, dict[str, Any]] = {
    "image": {},
    "video": {"add_time_attn": True, "num_frames": 8},
    "audio": {"num_mel_bins": 112, "target_length": 1036, "audio_mean": -4.2677393, "audio_std": 4.5689974},
}
"""What the vision_config of each published tower adds to ViT-L/14; for random weights only."""


def published_config(sense: str) -> dict[str, Any]:
    """The architecture of published size of the ``image``, ``video`` or ``audio`` tower, fully tuned."""
    return {"projection_dim": 768, "text_config": _TEXT, "vision_config": {**_VISION, **PUBLISHED[sense]}}


def build_tower(sense: str, weights: Weights, config: dict[str, Any]) -> Any:
    """One tower with its text tower: the package's model, as it computed under transformers 4.44.

    Raises
    ------
    UsageError
        transformers 5 is installed: there the package's text embeddings are wrong without a word
    DataError
        the weights do not fit
    """
    import transformers

    if int(transformers.__version__.split(".")[0]) != 4:
        raise UsageError(
            f"LanguageBind needs transformers 4 and transformers {transformers.__version__} is installed; "
            f"use another environment: {install_command('languagebind')}"
        )
    modeling, configuration = import_models(
        "languagebind", [f"{sense}.modeling_{sense}", f"{sense}.configuration_{sense}"]
    )
    vision = dict(config.get("vision_config", {}))
    if not isinstance(vision.get("image_size", 224), int):
        # the package writes the size of spectrograms here when it saves, which it cannot read again
        vision["image_size"] = 224
    name = f"LanguageBind{sense.capitalize()}"
    settings = getattr(configuration, f"{name}Config")(**{**config, "vision_config": vision})
    for part in (settings, settings.vision_config, settings.text_config):
        # from transformers 4.54 on the package's attention finds no implementation unless one is named
        part._attn_implementation = "eager"
    model = getattr(modeling, name)(settings)
    for part in (model.config, model.config.vision_config, model.config.text_config):
        # the package does not declare that its models can take it, which is refused when they are made
        part._attn_implementation = "sdpa"
    fill(model, weights, _adapters_of_today, may_lack=r"position_ids|masked_bias")
    if settings.vision_config.lora_r:
        model.vision_model.encoder = model.vision_model.encoder.merge_and_unload()
    if sense == "audio":
        model.vision_model.embeddings.forward = MethodType(_embed, model.vision_model.embeddings)
    return model


def _adapters_of_today(state: State) -> State:
    """peft used to keep an adapted layer's own weights beside the adapters, and now keeps them in ``base_layer``."""
    adapted = {key.split(".lora_A.")[0] for key in state if ".lora_A." in key}
    return {
        f"{owner}.base_layer.{last}" if (owner := key.rpartition(".")[0]) in adapted else key: value
        for key, value in state.items()
        for last in [key.rpartition(".")[2]]
    }


def _embed(self: Any, pixel_values: torch.Tensor, **_: Any) -> torch.Tensor:
    """CLIPVisionEmbeddings.forward without the check of newer versions that pictures are square."""
    patches = self.patch_embedding(pixel_values.to(self.patch_embedding.weight.dtype)).flatten(2).transpose(1, 2)
    first = self.class_embedding.expand(len(pixel_values), 1, -1)
    found: torch.Tensor = torch.cat([first, patches], dim=1) + self.position_embedding(self.position_ids)
    return found
