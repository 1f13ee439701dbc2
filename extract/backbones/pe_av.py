"""Perception Encoder Audio-Visual (PE-AV): one space for pictures, videos, sounds and text. Needs transformers 5.

A segment is a video of one frame, a window or clip one of sixteen; sounds are raw waveforms of any length. Text has an
embedding for sounds and another one for videos. The joint audio-visual tower is not used.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ...core.errors import UsageError
from ._batches import batches, by_length, index_of, scatter, to_rows, unit
from ._images import PictureTransform
from ._prompts import checked_template, text_of
from ._tokenizers import tokenizer_of
from ._torch import Exact, TorchBackbone, inference
from ._weights import State, built_from, config_hash, fill, find_weights
from .base import BackboneSpec, Embeddings, Frame, Modality, Waveform

SAMPLE_RATE = 48000
HOP = 1920
"""Sounds are filled up to a multiple of this number of samples by reflection, as PeAudioFeatureExtractor does."""

_TIED = (
    ("audio_model.text_model.", ("text_model.", "video_model.text_model.")),
    ("audio_model.audio_encoder.", ("audio_video_encoder.embedder.audio_encoder.",)),
    ("video_model.video_encoder.", ("audio_video_encoder.embedder.video_encoder.",)),
)
"""Parts that a checkpoint holds once, under any of these names."""
_UNUSED = (
    "audio_video_encoder.", "audio_video_head.", "text_audio_video_head.", "audio_plus_text_head.",
    "video_plus_text_head.", "audio_video_logit_", "text_audio_video_logit_", "audio_plus_text_logit_",
    "video_plus_text_logit_", "text_model.", "video_model.text_model.",
)  # fmt: skip
_RESAMPLING = {2: "bilinear", 3: "bicubic"}


class _Towers(torch.nn.Module):
    """The parts of PeAudioVideoModel that encode one modality, under its names."""

    def __init__(self, settings: Any) -> None:
        from transformers import PeAudioModel, PeVideoModel

        super().__init__()
        self.audio_model: Any = PeAudioModel(settings.audio_config)
        self.video_model: Any = PeVideoModel(settings.video_config)
        del self.video_model.text_model


class _FrameFeatures(torch.nn.Module):
    """The first layer of the video tower without its picture tower: frames are encoded once and shared by windows."""

    def __init__(self, embedder: Any) -> None:
        super().__init__()
        self.proj, self.data_proj = embedder.proj, embedder.data_proj

    def forward(self, features: torch.Tensor, padding_mask: torch.Tensor | None = None) -> tuple[torch.Tensor, Any]:
        return self.data_proj(self.proj(torch.nn.functional.normalize(features, dim=-1))), padding_mask


class _Codec(torch.nn.Module):
    """The first layer of the sound tower; the codec stays in float32, since waveforms need it."""

    def __init__(self, embedder: Any, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__()
        self.data_proj = embedder.data_proj
        self._codec = Exact(torch.nn.Sequential(embedder.dac_encoder, embedder.bottleneck), device, dtype)

    def forward(self, input_values: torch.Tensor, padding_mask: torch.Tensor | None = None) -> tuple[torch.Tensor, Any]:
        return self.data_proj(self._codec(input_values).transpose(1, 2)), padding_mask


class PeAvBackbone(TorchBackbone):
    """PE-AV by transformers.

    Parameters
    ----------
    weights : folder, hub id, or ``random:SEED``
    config : JSON file with the architecture, for random weights
    frames : to a window or clip; the ``-16-frame`` checkpoints were trained on 16
    prompt : the text of a label; ``{label}`` or ``{words}`` stands for it
    device, dtype, batch_size, autocast, compile : as in `TorchBackbone`
    download : allow weights to be fetched from the hub
    """

    name = "pe_av"

    def __init__(
        self,
        weights: str = "facebook/pe-av-large-16-frame",
        config: str | None = None,
        frames: int = 16,
        prompt: str = "{words}",
        device: str | None = None,
        dtype: str = "float32",
        batch_size: int = 32,
        autocast: bool = False,
        compile: bool = False,
        download: bool = False,
    ) -> None:
        import transformers

        super().__init__(device, dtype, batch_size, autocast, compile)
        if int(transformers.__version__.split(".")[0]) < 5:
            raise UsageError(
                f"PE-AV needs transformers 5 and transformers {transformers.__version__} is installed; "
                'use another environment: pip install "avreplay[pe-av]"'
            )
        if not isinstance(frames, int) or frames < 1:
            raise UsageError(f"frames is {frames!r}; it must be a whole number of at least 1")
        self._template = checked_template(prompt)
        self._weights = find_weights(weights, download=download)
        architecture = self._weights.config(config, default={} if self._weights.random else None)
        with (
            built_from(self._weights),
            redirect_stdout(io.StringIO()),
        ):  # transformers prints complaints about its own docstrings
            towers = _Towers(transformers.PeAudioVideoConfig.from_dict(architecture))
        fill(towers, self._weights, _used, may_lack=r"rotary_emb|rope\.pos_embed|position_ids|num_batches_tracked")
        self._config = config_hash(architecture)
        side = self._weights.side_file("processor_config.json", "video_preprocessor_config.json")
        with built_from(self._weights):
            self._transform = _transform(side)
        self._tokenize = tokenizer_of(self._weights, longest=512)
        embedder = towers.video_model.video_encoder.embedder
        towers.video_model.video_encoder.embedder = _FrameFeatures(embedder)
        towers.audio_model.audio_encoder.embedder = _Codec(
            towers.audio_model.audio_encoder.embedder, self.device, self.weights_dtype
        )
        self._pictures = self._ready(embedder.vision_model)
        self._towers: Any = self._ready(towers)
        self._compiled(self._pictures, towers.video_model.video_encoder, towers.audio_model.audio_encoder)
        self._dim = int(towers.audio_model.config.text_config.hidden_size)
        self._options = {"weights": self._weights.given, "frames": frames, "prompt": prompt}
        self.spec: BackboneSpec = BackboneSpec(
            audio_dim=self._dim,
            visual_dim=self._dim,
            sample_rate=SAMPLE_RATE,
            window_frames=frames,
            visual_rows=1,
            licence="Apache-2.0",
        )

    def declaration(self) -> dict[str, Any]:
        return {
            "model": "PE-AV",
            "config_sha256": self._config,
            "weights": self._weights.name,
            "weights_sha256": self._weights.sha256(),
            "picture": self._transform.declaration(),
            "sound": f"48 kHz, reflected to a multiple of {HOP} samples",
            "text_state": "of the last layer, before the final norm",
            "prompts": {"audio": self._template, "visual": self._template},
            **self._declared(self._options),
        }

    def prompts(self, labels: Sequence[str], modality: Modality) -> list[str]:
        return text_of(labels, self._template)

    @inference
    def encode_text(self, prompts: Sequence[str], modality: Modality) -> Embeddings:
        towers = self._towers
        head = towers.audio_model.text_audio_head if modality == "audio" else towers.video_model.text_video_head

        def encode(part: Sequence[str]) -> torch.Tensor:
            tokens = {key: value.to(self.device) for key, value in self._tokenize(part).items()}
            return unit(head(state_before_norm(towers.audio_model.text_model, tokens)[:, 0]))

        return to_rows((encode(part) for part in batches(prompts, self.batch_size)), self._dim)

    @inference
    def encode_images(self, frames: Sequence[Frame]) -> Embeddings:
        parts = (self._video(features.unsqueeze(1)) for features in self._features(frames))
        return to_rows(parts, self._dim)

    @inference
    def encode_clips(self, clips: Sequence[Sequence[Frame]]) -> Embeddings:
        distinct = {id(frame): frame for clip in clips for frame in clip}
        place = {key: k for k, key in enumerate(distinct)}
        features = torch.cat(list(self._features(list(distinct.values()))))

        def encode(part: Sequence[Sequence[Frame]]) -> torch.Tensor:
            rows = index_of([[place[id(frame)] for frame in clip] for clip in part], self.device)
            return self._video(features[rows])

        return to_rows((encode(part) for part in batches(clips, self.batch_size)), self._dim)[:, None]

    @inference
    def encode_audio(self, clips: Sequence[Waveform]) -> Embeddings:
        return scatter(self._sounds(clips), self._dim)

    def _features(self, frames: Sequence[Frame]) -> Iterator[torch.Tensor]:
        """The picture tower's features of each frame, [n, width], in batches."""
        for part in batches(frames, self.batch_size):
            yield self._pictures(self._prepared(self._transform, part, self.feature_device)).logits

    def _video(self, features: torch.Tensor) -> torch.Tensor:
        """[n, frames, width] to [n, dim]."""
        tower = self._towers.video_model
        return unit(tower.video_head(tower.video_encoder(features, return_dict=True).pooler_output))

    def _sounds(self, clips: Sequence[Waveform]) -> Iterable[tuple[list[int], torch.Tensor]]:
        filled = [np.pad(clip, (0, -len(clip) % HOP), "reflect") if len(clip) else clip for clip in clips]
        for places, waves in by_length(filled, self.batch_size, self.device):
            yield places, unit(self._towers.audio_model.get_audio_embeds(waves.unsqueeze(1)))


def state_before_norm(text_model: Any, tokens: dict[str, torch.Tensor]) -> torch.Tensor:
    """[n, tokens, width]: what enters the final norm of a ModernBERT, on which PE-AV's text heads were trained.

    Meta's code takes the state of the last layer. transformers 4 calls it ``hidden_states[-1]``; transformers 5 gives
    that name to the normed state, so the state is read where it is used.

    Raises: UsageError where the model does not end with that norm.
    """
    entered: list[torch.Tensor] = []
    norm: Any = getattr(text_model, "final_norm", None)
    if norm is not None:
        hook = norm.register_forward_pre_hook(lambda _, inputs: entered.append(inputs[0]))
        try:
            last = text_model(**tokens, return_dict=True).last_hidden_state
        finally:
            hook.remove()
    if len(entered) != 1 or not torch.equal(norm(entered[0]), last):
        import transformers

        raise UsageError(
            f"the text model of transformers {transformers.__version__} does not end with one final norm, before which "
            "PE-AV takes its text; install another version of transformers"
        )
    return entered[0]


def _used(state: State) -> State:
    """The tensors of `_Towers` under its names, whichever of the tied ones the file has."""
    out: State = {}
    for own, others in _TIED:
        for prefix in (*others, own):
            out.update({own + key.removeprefix(prefix): t for key, t in state.items() if key.startswith(prefix)})
    out.update({key: tensor for key, tensor in state.items() if not key.startswith(_UNUSED)})
    return out


def _transform(processor: dict[str, Any] | None) -> PictureTransform:
    """From the checkpoint's processor; without one, that of the published checkpoints."""
    basic = PictureTransform(
        size=336, squash=True, method="bilinear", rounding="bytes", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
    )
    if processor is None:
        return basic
    found = processor.get("video_processor", processor)
    size, method = found.get("size", {}), _RESAMPLING.get(found.get("resample", 2))
    side = size.get("height", basic.size)
    if method is None or size.get("width", side) != side or found.get("do_center_crop") or "shortest_edge" in size:
        raise UsageError(f"pictures of size {size} with this processor are not supported; use a published checkpoint")
    mean, std = (tuple(found.get(f"image_{key}", (0.5, 0.5, 0.5))) for key in ("mean", "std"))
    return replace(basic, size=side, method=method, mean=mean, std=std)
