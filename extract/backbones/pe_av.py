"""Perception Encoder Audio-Visual (PE-AV): one space for pictures, videos, sounds and text. Needs transformers 5.

A segment is a video of one frame, a window or clip one of sixteen; sounds are raw waveforms of any length. Text has an
embedding for sounds and another one for videos. The joint audio-visual tower is that of `pe_av_joint`, and `pe_a_frame`
has this model's pictures.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch

from ...core.errors import UsageError
from ...core.installation import install_command
from ._batches import by_length, distinct_frames, index_of, scatter, unit
from ._images import PictureTransform
from ._prompts import checked_template, text_of
from ._rounding import Rounding, by_type
from ._tokenizers import tokenizer_of
from ._torch import Exact, TorchBackbone, inference
from .base import BackboneSpec, Embeddings, Frame, Modality, Waveform
from .weights.cards import licence_of
from .weights.choice import OF_TRANSFORMERS
from .weights.fill import fill
from .weights.found import built_from, config_hash, find_weights
from .weights.tensors import State

SAMPLE_RATE = 48000
HOP = 1920
"""Sounds are filled up to a multiple of this number of samples by reflection, as PeAudioFeatureExtractor does."""

_TIED = (
    ("audio_model.text_model.", ("text_model.", "video_model.text_model.")),
    ("audio_model.audio_encoder.", ("audio_video_encoder.embedder.audio_encoder.",)),
    ("video_model.video_encoder.", ("audio_video_encoder.embedder.video_encoder.",)),
)
"""Parts that a checkpoint holds once, under any of these names."""
UNUSED = (
    "audio_video_encoder.", "audio_video_head.", "text_audio_video_head.", "audio_plus_text_head.",
    "video_plus_text_head.", "audio_video_logit_", "text_audio_video_logit_", "audio_plus_text_logit_",
    "video_plus_text_logit_", "text_model.", "video_model.text_model.",
)  # fmt: skip
MAY_LACK = r"rotary_emb|rope\.pos_embed|position_ids|num_batches_tracked"
BY_TOWER = Rounding(
    beside=by_type(fp32=1e-4, tf32=1e-2, bf16=4e-2, fp16=1e-2),
    elsewhere=by_type(fp32=1e-3, tf32=1e-2, bf16=6e-2, fp16=2e-2),
)
ROUNDING = dict.fromkeys(("pictures", "clips", "sounds", "audio_text", "visual_text"), BY_TOWER)
_RESAMPLING = {2: "bilinear", 3: "bicubic"}


class Towers(torch.nn.Module):
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


class Codec(torch.nn.Module):
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
    device, dtype, batch_size, autocast, compile, fixed_batch : as in `TorchBackbone`
    download : allow weights to be fetched from the hub
    """

    name = "pe_av"
    towers: ClassVar[type[Towers]] = Towers
    unused: ClassVar[tuple[str, ...]] = UNUSED
    """Beginnings of the names of tensors that `towers` leaves out."""
    weights_option: ClassVar[str] = "weights"
    rounding: Mapping[str, Rounding] = ROUNDING
    exact_convolutions = True  # the codec's; rounded, its rows move by percents of the spread between items

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
        fixed_batch: bool = False,
        download: bool = False,
    ) -> None:
        import transformers

        super().__init__(device, dtype, batch_size, autocast, compile, fixed_batch)
        if int(transformers.__version__.split(".")[0]) < 5:
            raise UsageError(
                f"PE-AV needs transformers 5 and transformers {transformers.__version__} is installed; "
                f"use another environment: {install_command('pe-av')}"
            )
        if not isinstance(frames, int) or frames < 1:
            raise UsageError(f"frames is {frames!r}; it must be a whole number of at least 1")
        self._template = checked_template(prompt)
        self._weights = find_weights(weights, download=download, option=self.weights_option, prefer=OF_TRANSFORMERS)
        architecture = self._weights.config(config, default={} if self._weights.random else None)
        with (
            built_from(self._weights),
            redirect_stdout(io.StringIO()),
        ):  # transformers prints complaints about its own docstrings
            towers = self.towers(transformers.PeAudioVideoConfig.from_dict(architecture))
        fill(towers, self._weights, self._used, may_lack=MAY_LACK)
        self._config = config_hash(architecture)
        side = self._weights.side_file("processor_config.json", "video_preprocessor_config.json")
        with built_from(self._weights):
            self._transform = _transform(side)
        self._tokenize = tokenizer_of(self._weights, longest=512)
        embedder = towers.video_model.video_encoder.embedder
        towers.video_model.video_encoder.embedder = _FrameFeatures(embedder)
        audio = towers.audio_model.audio_encoder
        audio.embedder = Codec(audio.embedder, self.device, self.weights_dtype)
        self._changed(towers)
        self._pictures = self._ready(embedder.vision_model)
        self._towers: Any = self._ready(towers)
        self._compiled(self._pictures, towers.video_model.video_encoder)
        if hasattr(towers.audio_model, "audio_encoder"):
            self._compiled(towers.audio_model.audio_encoder)
        self._dim = int(towers.audio_model.config.text_config.hidden_size)
        self._options = {"weights": self._weights.given, "frames": frames, "prompt": prompt}
        self.spec: BackboneSpec = BackboneSpec(
            audio_dim=self._dim,
            visual_dim=self._dim,
            sample_rate=SAMPLE_RATE,
            window_frames=frames,
            visual_rows=1,
            licence=licence_of(self._weights, "Apache-2.0"),
        )

    def _changed(self, towers: Any) -> None:
        """What a backbone with other towers does to them before they go to the device."""

    def _used(self, state: State) -> State:
        """The tensors of `towers` under its names, whichever of the tied ones the file has."""
        out: State = {}
        for own, others in _TIED:
            for prefix in (*others, own):
                out.update({own + key.removeprefix(prefix): t for key, t in state.items() if key.startswith(prefix)})
        out.update({key: tensor for key, tensor in state.items() if not key.startswith(self.unused)})
        return out

    def declaration(self) -> dict[str, Any]:
        return {
            "model": "PE-AV",
            "config_sha256": self._config,
            "weights": self._weights.name,
            "weights_sha256": self._weights.sha256,
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
        head = self._text_head(modality)

        def encode(part: Sequence[str]) -> torch.Tensor:
            tokens = {key: value.to(self.device) for key, value in self._tokenize(part).items()}
            return unit(head(state_before_norm(towers.audio_model.text_model, tokens)[:, 0]))

        return self._encoded_texts(prompts, encode, self._dim)

    def _text_head(self, modality: Modality) -> Any:
        towers = self._towers
        return towers.audio_model.text_audio_head if modality == "audio" else towers.video_model.text_video_head

    @inference
    def encode_images(self, frames: Sequence[Frame]) -> Embeddings:
        return self._encoded(frames, lambda part: self._video(self._features(part).unsqueeze(1)), self._dim)

    @inference
    def encode_clips(self, clips: Sequence[Sequence[Frame]]) -> Embeddings:
        frames, places = distinct_frames(clips)
        features = self._features_of_all(frames)
        rows = self._encoded(places, lambda part: self._video(features[index_of(part, self.device)]), self._dim)
        return rows[:, None]

    @inference
    def encode_audio(self, clips: Sequence[Waveform]) -> Embeddings:
        return scatter(self._sounds(clips), self._dim)

    def _features(self, frames: Sequence[Frame]) -> torch.Tensor:
        """The picture tower's features of each frame, [n, width]."""
        found: torch.Tensor = self._pictures(self._prepared(self._transform, frames, self.feature_device)).logits
        return found

    def _features_of_all(self, frames: Sequence[Frame]) -> torch.Tensor:
        """The same of any number of frames, in batches."""
        return torch.cat([self._features(part)[:wanted] for part, wanted in self._batches(frames)])

    def _video(self, features: torch.Tensor) -> torch.Tensor:
        """[n, frames, width] to [n, dim]."""
        tower = self._towers.video_model
        return unit(tower.video_head(tower.video_encoder(features, return_dict=True).pooler_output))

    def _sounds(self, clips: Sequence[Waveform]) -> Iterable[tuple[list[int], torch.Tensor]]:
        for places, waves in by_length(list(map(whole_hops, clips)), self._most, self.device, fill=self.fixed_batch):
            yield places, unit(self._towers.audio_model.get_audio_embeds(waves.unsqueeze(1)))[: len(places)]


def whole_hops(clip: Waveform) -> Waveform:
    """A sound filled up by reflection."""
    return np.pad(clip, (0, -len(clip) % HOP), "reflect") if len(clip) else clip


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
