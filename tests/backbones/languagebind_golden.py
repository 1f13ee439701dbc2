"""LanguageBind's own models on fixed inputs, under the last transformers on which they run as they are.

Made with transformers 4.44.2, peft 0.13.2 and torch 2.15.0, which need none of the mends in
`extract.backbones._languagebind`:

    PYTHONPATH=tests:build/types python tests/backbones/languagebind_golden.py tests/data/languagebind_4_44.npz
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from avreplay.extract.backbones._packages import import_models
from avreplay.extract.backbones.weights.fill import randomise

VISION = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": 28,
    "image_size": 224, "hidden_act": "gelu", "projection_dim": 24, "lora_r": 0,
}  # fmt: skip
TEXT = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
        "hidden_act": "gelu", "projection_dim": 24}  # fmt: skip
EXTRA: dict[str, dict[str, Any]] = {
    "image": {},
    "video": {"add_time_attn": True, "num_frames": 8},
    "audio": {"num_mel_bins": 112, "target_length": 1036, "audio_mean": -4.2677393, "audio_std": 4.5689974},
}
SHAPES = {"image": (3, 3, 224, 224), "video": (2, 3, 8, 224, 224), "audio": (3, 3, 112, 1036)}
SEED = 9


def config(sense: str, lora: int = 0) -> dict[str, Any]:
    """A small tower of every kind: all the layers of the published ones, fewer and narrower."""
    vision = {**VISION, **EXTRA[sense], "lora_r": lora}
    return {"projection_dim": 24, "text_config": TEXT, "vision_config": vision}


def inputs(sense: str) -> torch.Tensor:
    return torch.randn(SHAPES[sense], generator=torch.Generator().manual_seed(len(sense)))


def tokens() -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.randint(1, 49000, (3, 77), generator=torch.Generator().manual_seed(1))
    ids[:, 0] = 49406
    mask = torch.ones_like(ids)
    for row, end in enumerate((5, 20, 76)):
        ids[row, end:] = 49407
        mask[row, end + 1 :] = 0
    return ids, mask


@torch.no_grad()
def main(path: str) -> None:
    made = {}
    for sense in SHAPES:
        for lora in (0, 4):
            modeling, configuration = import_models(
                "languagebind", [f"{sense}.modeling_{sense}", f"{sense}.configuration_{sense}"]
            )
            name = f"LanguageBind{sense.capitalize()}"
            settings = getattr(configuration, f"{name}Config")(**config(sense, lora))
            model = getattr(modeling, name)(settings).eval()
            randomise(model, SEED)
            made[f"{sense}_{lora}"] = model.get_image_features(pixel_values=inputs(sense)).numpy()
            ids, mask = tokens()
            made[f"{sense}_{lora}_text"] = model.get_text_features(input_ids=ids, attention_mask=mask).numpy()
    np.savez(path, **made)


if __name__ == "__main__":
    main(sys.argv[1])
