"""The encoders with random weights, of the published sizes or small: made once, copied from then on.

The same seed gives the same weights on every device and in every number type, so that their rows can be compared.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from avreplay.extract import load_backbone
from avreplay.extract.backbones._torch import TorchBackbone
from avreplay.extract.backbones.weights import fill as filling
from avreplay.extract.command_options import PRECISIONS

FULL: dict[str, dict[str, Any]] = {
    "clip_clap": {"clip_weights": "random:1", "clap_weights": "random:2"},
    "languagebind": {f"{sense}_weights": f"random:{k}" for k, sense in enumerate(("image", "video", "audio"))},
    "imagebind": {"weights": "random:4"},
    "pe_av": {"weights": "random:5"},
}
"""Options of the published sizes."""

_TOWER = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
_LANGUAGEBIND = {
    "projection_dim": 24,
    "text_config": {**_TOWER, "hidden_act": "gelu", "projection_dim": 24},
}
_LB_VISION = {**_TOWER, "patch_size": 28, "image_size": 224, "hidden_act": "gelu", "projection_dim": 24, "lora_r": 0}
_PE = {**_TOWER, "head_dim": 16}
SMALL: dict[str, dict[str, Any]] = {
    "clip_clap": {
        "clap_config": {
            "projection_dim": 24,
            "text_config": {**_TOWER, "vocab_size": 300, "max_position_embeddings": 90, "projection_dim": 24},
            "audio_config": {
                "patch_embeds_hidden_size": 16, "depths": [1, 1], "num_attention_heads": [2, 2], "hidden_size": 32,
                "projection_dim": 24, "num_hidden_layers": 2,
            },
        },
    },
    "languagebind": {
        "image_config": {**_LANGUAGEBIND, "vision_config": _LB_VISION},
        "video_config": {
            **_LANGUAGEBIND, "vision_config": {**_LB_VISION, "add_time_attn": True, "num_frames": 8},
        },
        "audio_config": {
            **_LANGUAGEBIND,
            "vision_config": {**_LB_VISION, "num_mel_bins": 112, "target_length": 1036, "audio_mean": -4.27,
                              "audio_std": 4.57},
        },
    },
    "imagebind": {
        "config": {
            "out_embed_dim": 32, "vision_embed_dim": 64, "vision_num_blocks": 2, "vision_num_heads": 4,
            "text_embed_dim": 48, "text_num_blocks": 2, "text_num_heads": 4, "audio_embed_dim": 48,
            "audio_num_blocks": 2, "audio_num_heads": 4, "depth_embed_dim": 24, "depth_num_blocks": 1,
            "depth_num_heads": 2, "thermal_embed_dim": 24, "thermal_num_blocks": 1, "thermal_num_heads": 2,
            "imu_embed_dim": 24, "imu_num_blocks": 1, "imu_num_heads": 2,
        },
    },
    "pe_av": {
        "config": {
            "text_config": {
                **_TOWER, "model_type": "modernbert", "vocab_size": 300, "global_attn_every_n_layers": 2,
                "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "cls_token_id": 0, "sep_token_id": 2,
            },
            "audio_video_config": {
                **_PE,
                "audio_config": {
                    "model_type": "pe_audio_encoder", **_PE,
                    "dac_config": {
                        "model_type": "dac", "encoder_hidden_size": 4, "downsampling_ratios": [2, 8, 10, 12],
                        "codebook_dim": 16,
                    },
                },
                "video_config": {
                    "model_type": "pe_video_encoder", **_PE,
                    "vision_config": {
                        "model_type": "timm_wrapper", "architecture": "vit_pe_core_tiny_patch16_384",
                        "do_pooling": True, "num_classes": 24, "global_pool": "map",
                        "model_args": {"embed_dim": 48, "depth": 2, "num_heads": 2, "img_size": 336,
                                       "ref_feat_shape": [21, 21]},
                    },
                },
            },
        },
    },
}  # fmt: skip
"""Architectures with all the layers of the published ones, fewer and narrower."""

TINY_CLIP = {
    "embed_dim": 32,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 224, "layers": 2, "width": 64, "patch_size": 32, "head_width": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


class Models:
    """One encoder, made again for devices and number types; one is held at a time.

    Parameters
    ----------
    name : of the encoder
    small : the small architecture instead of the published one
    folder : where files of small architectures are put

    Attributes
    ----------
    options : of `load_backbone`, but for device and number type
    architectures : a folder of architectures that open_clip has to be told of, or None
    """

    def __init__(self, name: str, small: bool, folder: Path) -> None:
        self.name = name
        self.options = dict(FULL[name])
        self.architectures: Path | None = None
        self._drawn: dict[tuple[Any, ...], torch.Tensor] = {}
        self._made: tuple[tuple[str, str], TorchBackbone] | None = None
        if small:
            for key, config in SMALL[name].items():
                (folder / f"{key}.json").write_text(json.dumps(config))
                self.options[key] = str(folder / f"{key}.json")
            if name == "clip_clap":
                import open_clip

                self.architectures = folder / "clip"
                self.architectures.mkdir()
                (self.architectures / "tiny-clip.json").write_text(json.dumps(TINY_CLIP))
                open_clip.add_model_config(self.architectures)
                self.options["clip_model"] = "tiny-clip"

    def __call__(self, device: str, precision: str = "fp32", batch_size: int | None = None) -> TorchBackbone:
        """The encoder on a device; models that differ in what they do with float32 weights only share them."""
        option = PRECISIONS[precision]
        kept = "float32" if option.get("autocast") or option["dtype"] == "tf32" else option["dtype"]
        if self._made is None or self._made[0] != (device, kept):
            self.forget()
            with self._random_weights():
                made = load_backbone(self.name, **self.options, device=device, dtype=kept)
            assert isinstance(made, TorchBackbone)
            self._default = made.batch_size
            self._made = ((device, kept), made)
        backbone = self._made[1]
        backbone.dtype, backbone._autocast = option["dtype"], bool(option.get("autocast"))
        backbone.batch_size = batch_size or self._default
        backbone.items_per_call = 8 * backbone.batch_size
        return backbone

    def forget(self) -> None:
        """Let go of the encoder and of its memory."""
        self._made = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @contextmanager
    def _random_weights(self) -> Iterator[None]:
        """Draws each weight once, and skips the numbers that the packages draw before."""

        def fill(model: torch.nn.Module, seed: int, keep: str = r"(?!)") -> None:
            missing = [(name, p) for name, p in model.named_parameters() if (seed, name, p.shape) not in self._drawn]
            if missing:
                randomise(model, seed, keep)
                for name, p in model.named_parameters():
                    self._drawn[seed, name, p.shape] = p.detach().clone()
            else:
                with torch.no_grad():
                    for name, p in model.named_parameters():
                        p.copy_(self._drawn[seed, name, p.shape])

        randomise = filling.randomise
        kept = dict.fromkeys(("kaiming_uniform_", "xavier_uniform_", "trunc_normal_", "kaiming_normal_"), _unchanged)
        drawn = dict.fromkeys(("normal_", "uniform_", "erfinv_"), _unchanged)
        with (
            patch.object(filling, "randomise", fill),
            patch.multiple(torch.nn.init, **kept),
            patch.multiple(torch.Tensor, **drawn),
        ):
            yield


def _unchanged(tensor: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    return tensor
