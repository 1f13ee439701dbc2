"""PE-Core, SigLIP 2 and MobileCLIP2 of the real architectures, made small, in the files of a published checkpoint."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import open_clip
import timm
import torch
from avreplay.extract.backbones.weights.fill import randomise
from safetensors.torch import save_file
from timm.models import register_model
from transformers import PreTrainedTokenizerFast


def mini_pe_core(pretrained: bool = False, **settings: Any) -> Any:
    made = {"img_size": 64, "embed_dim": 32, "depth": 2, "num_heads": 2, "ref_feat_shape": (4, 4), **settings}
    return timm.create_model("vit_pe_core_tiny_patch16_384", **made)


def mini_siglip(pretrained: bool = False, **settings: Any) -> Any:
    made = {"img_size": 64, "embed_dim": 24, "depth": 2, "num_heads": 2, **settings}
    return timm.create_model("vit_base_patch16_siglip_224", **made)


def mini_fastvit(pretrained: bool = False, **settings: Any) -> Any:
    made = {"layers": (1, 1, 1, 1), "embed_dims": (8, 16, 32, 64), **settings}
    return timm.create_model("fastvit_mci0", **made)


BYTES = {"context_length": 32, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
TINY: dict[str, dict[str, Any]] = {
    "pe_core": {
        "embed_dim": 24,
        "vision_cfg": {
            "image_size": 64, "timm_model_name": "mini_pe_core", "timm_model_pretrained": False, "timm_pool": "map",
            "timm_proj": None,
        },
        "text_cfg": BYTES,
        "custom_text": True,
    },
    "siglip2": {
        "embed_dim": 24,
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": {
            "image_size": 64, "timm_model_name": "mini_siglip", "timm_model_pretrained": False, "timm_pool": "map",
            "timm_proj": "none",
        },
        "text_cfg": {
            **BYTES, "context_length": 64, "vocab_size": 300, "hf_tokenizer_name": "nowhere/tiny-SigLIP2",
            "tokenizer_kwargs": {"clean": "canonicalize"}, "width": 24, "no_causal_mask": True, "proj_bias": True,
            "pool_type": "last", "norm_kwargs": {"eps": 1e-6}, "act_kwargs": {"approximate": "tanh"},
        },
    },
    "mobileclip2": {
        "embed_dim": 24,
        "vision_cfg": {
            "image_size": 64, "timm_model_name": "mini_fastvit", "timm_model_pretrained": False, "timm_pool": "avg",
            "timm_proj": None, "timm_drop": 0.0, "timm_drop_path": 0.0,
        },
        "text_cfg": {**BYTES, "context_length": 77, "no_causal_mask": True},
        "custom_text": True,
    },
}  # fmt: skip
PREPROCESSING = {
    "pe_core": {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bilinear", "resize_mode": "squash"},
    "siglip2": {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"},
    "mobileclip2": {"mean": [0.0] * 3, "std": [1.0] * 3, "interpolation": "bilinear", "resize_mode": "shortest"},
}
"""As the configurations of the published checkpoints have it."""


def known_to_open_clip(folder: Path) -> dict[str, str]:
    """The architectures, made known; their names by family."""
    for family, config in TINY.items():
        (folder / f"tiny-{family}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    for make in (mini_pe_core, mini_siglip, mini_fastvit):
        register_model(make)
    return {family: f"tiny-{family}" for family in TINY}


def save_checkpoint(family: str, folder: Path, tokenizer: PreTrainedTokenizerFast | None = None) -> Any:
    """A repository as open_clip publishes it: weights, configuration and a tokenizer where there is one; returns the
    model. Logit scale and bias are those of a trained model, in round numbers."""
    model = open_clip.create_model(f"tiny-{family}", pretrained=None)
    randomise(model, 3)
    with torch.no_grad():
        model.logit_scale.fill_(4.7)
        if model.logit_bias is not None:
            model.logit_bias.fill_(-16.5)
    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    config = {"model_cfg": TINY[family], "preprocess_cfg": PREPROCESSING[family]}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    return model.eval()


def copy_without(folder: Path, other: Path, *names: str) -> Path:
    """A copy of a checkpoint without some of its files."""
    shutil.copytree(folder, other, ignore=lambda *_: names)
    return other
