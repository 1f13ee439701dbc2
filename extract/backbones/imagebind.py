"""ImageBind, as in the OV-AVEL baselines: every frame and every second is encoded on its own.

The rows are those of the model with its last scaling: pictures have length 1, sounds of up to 2 s length 20, text the
learnt scale. A window or clip is eight frames encoded one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch

from ...core.errors import UsageError
from ..media.resize import Resize
from ._fbank import kaldi_fbank
from ._images import PictureTransform
from ._packages import import_models
from ._prompts import checked_template, text_of
from ._rounding import Rounding, by_type
from ._tokenizers import clip_tokens
from ._torch import TorchBackbone, inference
from .base import BackboneSpec, Embeddings, Frame, Modality, Waveform
from .weights.choice import OF_TRANSFORMERS
from .weights.failures import how_to_get, offline_wanted
from .weights.fill import fill
from .weights.found import built_from, config_hash, find_weights
from .weights.url import fetch_url

SAMPLE_RATE = 16000
PART_SAMPLES = 2 * SAMPLE_RATE
"""Samples of a part of sound that ImageBind encodes at once."""
PARTS = 3
"""Parts that represent a longer sound; their rows are averaged."""
MEL_BINS, MEL_FRAMES, MEL_MEAN, MEL_STD = 128, 204, -4.268, 9.138

HUGE: dict[str, Any] = {
    "vision_embed_dim": 1280,
    "vision_num_blocks": 32,
    "vision_num_heads": 16,
    "text_embed_dim": 1024,
    "text_num_blocks": 24,
    "text_num_heads": 16,
    "out_embed_dim": 1024,
    "audio_drop_path": 0.1,
    "imu_drop_path": 0.7,
}
"""The architecture of the published weights, ImageBind-Huge."""

URL = "https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth"

ROUNDING = {
    "pictures": Rounding(
        beside=by_type(fp32=5e-5, tf32=1e-2, bf16=4e-2, fp16=1e-2),
        elsewhere=by_type(fp32=1e-3, tf32=1e-2, bf16=6e-2, fp16=2e-2),
    ),
    "sounds": Rounding(
        beside=by_type(fp32=5e-5, tf32=1e-2, bf16=4e-2, fp16=1e-2),
        elsewhere=by_type(fp32=1e-3, tf32=1e-2, bf16=6e-2, fp16=1.5e-2),
    ),
    **dict.fromkeys(
        ("audio_text", "visual_text"),
        Rounding(
            beside=by_type(fp32=5e-5, tf32=1e-2, bf16=4e-2, fp16=1e-2),
            elsewhere=by_type(fp32=1e-3, tf32=1e-2, bf16=6e-2, fp16=2e-2),
        ),
    ),
}

_OTHER_SENSES = ("depth", "thermal", "imu")


def parts_of(samples: int) -> list[tuple[int, int]]:
    """The parts of a sound that ImageBind encodes: all of it up to 2 s, else 2 s from 0, 1/3 and 2/3 of what can be
    a start, as pytorchvideo 0.1.5 samples clips for the package's loader."""
    if samples <= PART_SAMPLES:
        return [(0, samples)]
    starts = [Fraction(samples / SAMPLE_RATE - 2) * k / PARTS for k in range(PARTS)]
    return [(int(start * SAMPLE_RATE), int((start + 2) * SAMPLE_RATE)) for start in starts]


def mel_input(waves: torch.Tensor) -> torch.Tensor:
    """[n, 1, 128, 204] of [n, samples] at 16 kHz; sounds shorter than 2 s are repeated until they fill them."""
    times = -(-PART_SAMPLES // waves.shape[-1])
    waves = waves.repeat(1, times)[:, :PART_SAMPLES]
    waves = waves - waves.mean(dim=-1, keepdim=True)
    mel = kaldi_fbank(waves, MEL_BINS, SAMPLE_RATE).transpose(1, 2)
    filled = torch.nn.functional.pad(mel, (0, MEL_FRAMES - mel.shape[-1]))
    return ((filled - MEL_MEAN) / MEL_STD).unsqueeze(1)


class ImageBindBackbone(TorchBackbone):
    """ImageBind-Huge by the package ``imagebind-unofficial``; its weights may not be used commercially.

    Parameters
    ----------
    weights : a file or folder, a hub id, or ``random:SEED``; None: the published ``imagebind_huge.pth``, in
        ``~/.cache/imagebind_checkpoints``
    config : JSON file with keyword arguments of ImageBindModel, for another architecture than Huge
    prompt : the text of a label; ``{label}`` stands for it; OV-AVEL takes the bare label
    device, dtype, batch_size, autocast, compile, fixed_batch : as in `TorchBackbone`
    download : allow weights to be fetched from the hub
    """

    name = "imagebind"
    rounding = ROUNDING

    def __init__(
        self,
        weights: str | None = None,
        config: str | None = None,
        prompt: str = "{label}",
        device: str | None = None,
        dtype: str = "float32",
        batch_size: int = 64,
        autocast: bool = False,
        compile: bool = False,
        fixed_batch: bool = False,
        download: bool = False,
    ) -> None:
        super().__init__(device, dtype, batch_size, autocast, compile, fixed_batch)
        self._template = checked_template(prompt)
        self._weights = find_weights(weights or _published(download), download=download, prefer=OF_TRANSFORMERS)
        architecture = {**HUGE, **self._weights.config(config, default={})}
        (package,) = import_models("imagebind", ["models.imagebind_model"], keep=compile)
        with built_from(self._weights):
            self._model: Any = package.ImageBindModel(**architecture)
        fill(self._model, self._weights)
        for part in ("preprocessors", "trunks", "heads", "postprocessors"):
            towers = getattr(self._model, f"modality_{part}")
            for sense in _OTHER_SENSES:
                if sense in towers:
                    del towers[sense]
        self._scaling = self._model.modality_postprocessors.eval().to(self.device)
        self._model.modality_postprocessors = torch.nn.ModuleDict()
        self._ready(self._model)
        self._compiled(*(self._model.modality_trunks[sense] for sense in ("vision", "audio")))
        self._transform = PictureTransform()
        self.resize_at_decode: Resize | None = self._transform.resize_at_decode
        self._config = config_hash(architecture)
        self._options = {"weights": self._weights.given if weights else None, "prompt": prompt}
        self._dim = int(architecture["out_embed_dim"])
        self.spec: BackboneSpec = BackboneSpec(
            audio_dim=self._dim,
            visual_dim=self._dim,
            sample_rate=SAMPLE_RATE,
            window_frames=8,
            visual_rows=8,
            licence="CC-BY-NC-SA-4.0",
        )

    def declaration(self) -> dict[str, Any]:
        return {
            "model": "ImageBind",
            "config_sha256": self._config,
            "weights": self._weights.name,
            "weights_sha256": self._weights.sha256,
            "picture": self._transform.declaration(),
            "sound": f"Kaldi filter bank, {MEL_BINS} bands, {MEL_FRAMES} frames, repeated to 2 s; longer: 3 pieces",
            "prompts": {"audio": self._template, "visual": self._template},
            **self._declared(self._options),
        }

    def prompts(self, labels: Sequence[str], modality: Modality) -> list[str]:
        return text_of(labels, self._template)

    @inference
    def encode_text(self, prompts: Sequence[str], modality: Modality) -> Embeddings:
        return self._encoded_texts(prompts, lambda part: self._rows("text", self._move(clip_tokens(part))), self._dim)

    @inference
    def encode_images(self, frames: Sequence[Frame]) -> Embeddings:
        def encode(part: Sequence[Frame]) -> torch.Tensor:
            return self._rows("vision", self._prepared(self._transform, part, self.feature_device))

        return self._encoded(frames, encode, self._dim)

    @inference
    def encode_audio(self, clips: Sequence[Waveform]) -> Embeddings:
        owners = [(place, start, end) for place, clip in enumerate(clips) for start, end in parts_of(len(clip))]
        pieces = [clips[place][start:end] for place, start, end in owners]

        def encode(part: Sequence[Waveform]) -> torch.Tensor:
            return self._rows("audio", self._prepared(self._spectrograms, part, mel_input))

        rows = torch.from_numpy(self._encoded(pieces, encode, self._dim))
        place = torch.tensor([owner for owner, _, _ in owners])
        sums = torch.zeros(len(clips), self._dim).index_add_(0, place, rows)
        return (sums / torch.bincount(place, minlength=len(clips)).unsqueeze(1)).numpy()

    def _rows(self, sense: str, inputs: torch.Tensor) -> torch.Tensor:
        """What ImageBindModel.forward does, with the last scaling in float32."""
        model = self._model
        parts = model.modality_preprocessors[sense](**{sense: inputs})
        hidden = model.modality_heads[sense](model.modality_trunks[sense](**parts["trunk"]), **parts["head"])
        found: torch.Tensor = self._scaling[sense](hidden.float())
        return found


def _published(download: bool) -> str:
    """The published weights, in the package's own cache; fetched there if that is allowed."""
    path = Path("~/.cache/imagebind_checkpoints").expanduser() / "imagebind_huge.pth"
    if not path.is_file():
        if not download or offline_wanted():
            raise UsageError(f"the weights imagebind_huge.pth are not on this machine; {how_to_get(download)}")
        fetch_url(URL, path, "the weights imagebind_huge.pth")
    return str(path)
