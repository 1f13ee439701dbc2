"""The sound and text towers of CLAP, as transformers has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
import torch

from ...cache.reading.schema import checked
from ._batches import chooser, unit
from ._fbank import log_mel
from ._rounding import Rounding, by_type
from ._tokenizers import tokenizer_of
from ._torch import inference
from .base import Embeddings, Waveform
from .weights.cards import licence_of
from .weights.choice import OF_TRANSFORMERS
from .weights.fill import fill
from .weights.found import built_from, config_hash, find_weights

if TYPE_CHECKING:
    from ._torch import TorchBackbone

SAMPLE_RATE = 48000
LONGEST = 480000
"""Samples CLAP listens to: 10 s."""

UNFUSED = {"truncation": "rand_trunc", "fft_window_size": 1024, "hop_length": 480, "feature_size": 64,
           "frequency_min": 50, "frequency_max": 14000}  # fmt: skip
"""Features of laion/clap-htsat-unfused, for weights without a file of their own."""


ROUNDING = {
    "sounds": Rounding(
        beside=by_type(fp32=5e-5, tf32=1e-2, bf16=4e-2, fp16=1e-2),
        elsewhere=by_type(fp32=1e-3, tf32=1e-2, bf16=6e-2, fp16=2e-2),
    ),
    "audio_text": Rounding(
        beside=by_type(fp32=5e-5, tf32=1e-2, bf16=6e-2, fp16=1e-2),
        elsewhere=by_type(fp32=1e-3, tf32=1e-2, bf16=0.1, fp16=2e-2),
    ),
}
"""Of CLAP by either package."""


class _Features(msgspec.Struct):
    """What is read of a checkpoint's preprocessor_config.json, and its types."""

    fft_window_size: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)]
    hop_length: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)]
    feature_size: Annotated[int, msgspec.Meta(ge=1, le=1 << 12)]
    frequency_min: float
    frequency_max: float


def ten_seconds(clip: Waveform, seed: int | None = None) -> Waveform:
    """Exactly 10 s: a shorter sound is repeated as often as it fits and filled up with zeros ("repeatpad"); of a
    longer one the middle is taken, or with a seed a random part, as the packages do."""
    if len(clip) > LONGEST:
        spare = len(clip) - LONGEST
        start = spare // 2 if seed is None else int(chooser(seed, clip).integers(0, spare + 1))
        return clip[start : start + LONGEST]
    repeated = np.tile(clip, LONGEST // len(clip))
    return np.pad(repeated, (0, LONGEST - len(repeated)))


def all_ten_seconds(clips: Sequence[Waveform], seed: int | None, device: torch.device) -> torch.Tensor:
    """`ten_seconds` of several sounds, [n, 480000] float32 on the device.

    They are repeated there: the same on the processor would move several times what the device takes in, which was
    what kept an H100 waiting.
    """
    cut = [ten_seconds(clip, seed) if len(clip) > LONGEST else clip for clip in clips]
    ends = np.cumsum([len(clip) for clip in cut])
    flat = torch.empty(int(ends[-1]), pin_memory=device.type == "cuda")
    np.concatenate(cut, out=flat.numpy(), casting="same_kind")
    there = flat.to(device, non_blocking=True)
    rows = torch.zeros(len(cut), LONGEST, device=device)
    for row, end, clip in zip(rows, ends.tolist(), cut, strict=True):
        times = LONGEST // len(clip)
        row[: times * len(clip)].view(times, len(clip)).copy_(there[end - len(clip) : end])
    return rows


class ClapTower:
    """transformers' ClapModel with our own features; fused and unfused checkpoints.

    Parameters
    ----------
    host : the backbone; it has the device and the number type of the computation
    weights : folder, hub id or ``random:SEED``
    config : JSON file with the architecture, for random weights
    seed : of random crops of sounds longer than 10 s; None: the middle
    download : allow the network
    """

    rounding = ROUNDING

    def __init__(self, host: TorchBackbone, weights: str, config: str | None, seed: int | None, download: bool) -> None:
        from transformers import ClapConfig, ClapModel
        from transformers.audio_utils import mel_filter_bank

        self._host, self._seed = host, seed
        self.weights = find_weights(weights, download=download, option="clap_weights", prefer=OF_TRANSFORMERS)
        with built_from(self.weights):
            settings = ClapConfig.from_dict(self.weights.config(config, default={}))
            self._config = config_hash(settings.to_diff_dict())
            self._features = {**UNFUSED, **(self.weights.side_file("preprocessor_config.json") or {})}
            checked(self._features, _Features, f"preprocessor_config.json of {self.weights.name}", "fetch it again")
            self._fused = bool(settings.audio_config.enable_fusion)
            f = self._features
            self._filters = (
                torch.from_numpy(
                    mel_filter_bank(
                        num_frequency_bins=f["fft_window_size"] // 2 + 1,
                        num_mel_filters=f["feature_size"],
                        min_frequency=f["frequency_min"],
                        max_frequency=f["frequency_max"],
                        sampling_rate=SAMPLE_RATE,
                        # fused checkpoints were trained on another filter bank
                        norm=None if self._fused else "slaney",
                        mel_scale="htk" if self._fused else "slaney",
                    )
                )
                .double()
                .to(host.feature_device)
            )
            model = ClapModel(settings)
        fill(model, self.weights, may_lack=r"position_ids|relative_position_index|token_type_ids|attn_mask")
        self.licence = licence_of(self.weights, "Apache-2.0")
        self._tokenizer = tokenizer_of(self.weights, longest=77)
        self._model: Any = host._ready(model)
        host._compiled(self._model.audio_model)
        self.dim = int(settings.projection_dim)

    def declaration(self) -> dict[str, Any]:
        kept = ("fft_window_size", "hop_length", "feature_size", "frequency_min", "frequency_max")
        return {
            "package": "transformers",
            "config_sha256": self._config,
            "weights": self.weights.name,
            "weights_sha256": self.weights.sha256,
            "fused": self._fused,
            "features": {key: self._features[key] for key in kept},
            "longer_than_10_s": "middle" if self._seed is None else f"random, seed {self._seed}",
        }

    def features(self, clips: Sequence[Waveform]) -> torch.Tensor:
        """[n, 1 or 4, 1001, 64] float32, what ClapFeatureExtractor gives."""
        device, f = self._host.feature_device, self._features
        waves = all_ten_seconds(clips, self._seed, device)
        mel = log_mel(waves, self._filters, f["fft_window_size"], f["hop_length"])
        return mel.unsqueeze(1).expand(-1, 4 if self._fused else 1, -1, -1)

    @inference
    def audio(self, clips: Sequence[Waveform]) -> Embeddings:
        def encode(part: Sequence[Waveform]) -> torch.Tensor:
            features = self._host._prepared(self.features, part).contiguous()
            longer = torch.zeros(len(part), 1, dtype=torch.bool, device=features.device)
            return unit(_pooled(self._model.get_audio_features(input_features=features, is_longer=longer)))

        return self._host._encoded(clips, encode, self.dim)

    @inference
    def text(self, prompts: Sequence[str]) -> Embeddings:
        def encode(part: Sequence[str]) -> torch.Tensor:
            tokens = {key: value.to(self._host.device) for key, value in self._tokenizer(part).items()}
            return unit(_pooled(self._model.get_text_features(**tokens)))

        return self._host._encoded_texts(prompts, encode, self.dim)


def _pooled(output: Any) -> torch.Tensor:
    """transformers 4 gives a tensor, transformers 5 an object that has it."""
    return output if isinstance(output, torch.Tensor) else output.pooler_output
