"""PE-A-Frame for sounds: an embedding every 40 ms that is compared with text; PE-AV for pictures. Needs transformers 5.

The model gives 25 frames a second, in the context of up to 30 s of sound. Its logit is a learned scale times the
product of a frame and a text, neither of them scaled to length 1, plus a learned bias, and the sigmoid of that is its
probability: so Meta's code has it (``PEAudioFrame``), and so it is here. The one row of a segment, window or clip is
the mean of the frames of its sound alone, whose logit is the mean of theirs.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch

from ...core.logits import checked_logits
from ._batches import by_length, host_array, scatter
from ._rounding import Rounding
from ._tokenizers import tokenizer_of
from ._torch import inference
from .base import BackboneSpec, Embeddings, Modality, Waveform
from .pe_av import BY_TOWER, HOP, MAY_LACK, ROUNDING, SAMPLE_RATE, Codec, PeAvBackbone, state_before_norm, whole_hops
from .weights.cards import licence_of
from .weights.choice import OF_TRANSFORMERS
from .weights.fill import fill
from .weights.found import built_from, config_hash, find_weights

FRAME_RATE = SAMPLE_RATE / HOP


class PeAFrameBackbone(PeAvBackbone):
    """PE-A-Frame and PE-AV's pictures by transformers.

    Parameters
    ----------
    weights : of PE-A-Frame: a folder, hub id, or ``random:SEED``
    config : JSON file with its architecture, for random weights
    video_weights, video_config : the same of PE-AV, whose pictures and texts for them are used
    frames, prompt, device, dtype, batch_size, autocast, compile, fixed_batch, download : as in
        `PeAvBackbone`
    """

    name = "pe_a_frame"
    rounding: Mapping[str, Rounding] = {**ROUNDING, "frames": BY_TOWER}
    weights_option: ClassVar[str] = "video_weights"

    def __init__(
        self,
        weights: str = "facebook/pe-a-frame-large",
        config: str | None = None,
        video_weights: str = "facebook/pe-av-large-16-frame",
        video_config: str | None = None,
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
        super().__init__(
            video_weights,
            video_config,
            frames,
            prompt,
            device,
            dtype,
            batch_size,
            autocast,
            compile,
            fixed_batch,
            download,
        )
        from transformers import PeAudioConfig, PeAudioFrameLevelModel

        self._heard_weights = find_weights(weights, download=download, prefer=OF_TRANSFORMERS)
        architecture = self._heard_weights.config(config, default={} if self._heard_weights.random else None)
        with built_from(self._heard_weights), redirect_stdout(io.StringIO()):
            model: Any = PeAudioFrameLevelModel(PeAudioConfig.from_dict(architecture))
        fill(model, self._heard_weights, may_lack=MAY_LACK)
        if not self._heard_weights.random:  # random ones have no logit worth the name
            logit = (model.text_audio_logit_scale.item(), model.text_audio_logit_bias.item())
            self.logits = checked_logits({"audio": logit})
        model.audio_encoder.embedder = Codec(model.audio_encoder.embedder, self.device, self.weights_dtype)
        self._heard: Any = self._ready(model)
        self._compiled(model.audio_encoder)
        self._heard_config = config_hash(architecture)
        self._heard_tokens = tokenizer_of(self._heard_weights, longest=512)
        self._heard_dim = int(model.config.text_config.hidden_size)
        self._options = {
            "weights": self._heard_weights.given, "video_weights": self._weights.given, "frames": frames,
            "prompt": prompt,
        }  # fmt: skip
        self.spec: BackboneSpec = replace(
            self.spec,
            audio_dim=self._heard_dim,
            frame_rate=FRAME_RATE,
            licence=licence_of(self._heard_weights, "Apache-2.0"),
        )

    def _changed(self, towers: Any) -> None:
        del towers.audio_model.audio_encoder

    def declaration(self) -> dict[str, Any]:
        seen = super().declaration()
        heard = {
            "model": "PE-A-Frame; PE-AV for pictures",
            "config_sha256": self._heard_config,
            "weights": self._heard_weights.name,
            "weights_sha256": self._heard_weights.sha256,
            "sound_rows": "frames of the last layer through the head, not normed; their mean for one row",
        }
        return {
            **seen,
            **{f"video_{key}": seen[key] for key in ("config_sha256", "weights", "weights_sha256")},
            **heard,
        }

    @inference
    def encode_text(self, prompts: Sequence[str], modality: Modality) -> Embeddings:
        if modality != "audio":
            return super().encode_text(prompts, modality)

        def encode(part: Sequence[str]) -> torch.Tensor:
            tokens = {key: value.to(self.device) for key, value in self._heard_tokens(part).items()}
            made: torch.Tensor = self._heard.text_audio_head(state_before_norm(self._heard.text_model, tokens)[:, 0])
            return made.float()

        return self._encoded_texts(prompts, encode, self._heard_dim)

    @inference
    def encode_audio(self, clips: Sequence[Waveform]) -> Embeddings:
        return scatter(((places, frames.mean(dim=1)) for places, frames in self._frames(clips)), self._heard_dim)

    @inference
    def encode_frames(self, clips: Sequence[Waveform]) -> list[Embeddings]:
        found: list[Embeddings] = [np.zeros((0, self._heard_dim), np.float32)] * len(clips)
        for places, frames in list(self._frames(clips)):
            for place, rows in zip(places, host_array(frames), strict=True):
                found[place] = rows
        return found

    def _frames(self, clips: Sequence[Waveform]) -> Iterator[tuple[list[int], torch.Tensor]]:
        """Places and frames [n, frames, dim] of sounds of one length; none is padded beside a longer one."""
        for places, waves in by_length(list(map(whole_hops, clips)), self._most, self.device, fill=self.fixed_batch):
            yield places, self._heard.get_audio_embeds(waves.unsqueeze(1)).float()[: len(places)]
