"""PE-AV with its joint tower: also one embedding of a segment's picture and sound together, which AV²A's
``av_scores=given`` compares with a text embedding of its own. Needs transformers 5.

The joint tower takes the states of the tower of sound, one every 40 ms, and of the tower of videos, each of which
stands for as many of the former as come to it; its class token goes through the audio-visual head. Text goes through
the audio-visual text head. All else is as in `pe_av`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch

from ._batches import by_length, distinct_frames, index_of, scatter, unit
from ._rounding import Rounding
from ._torch import inference
from .base import BackboneSpec, Embeddings, Frame, Modality, Waveform
from .pe_av import BY_TOWER, ROUNDING, UNUSED, PeAvBackbone, Towers, whole_hops

_TWICE = ("audio_video_encoder.embedder.audio_encoder.", "audio_video_encoder.embedder.video_encoder.")
"""The towers of one modality, which the joint one has under names of its own."""


class _JointTowers(Towers):
    """The parts of PeAudioVideoModel that encode one modality, or both together, under its names."""

    def __init__(self, settings: Any) -> None:
        from transformers import PeAudioVideoModel

        super().__init__(settings)
        with torch.device("meta"):  # its towers of one modality are those that are here already
            model: Any = PeAudioVideoModel(settings)
        joint = model.audio_video_encoder
        del joint.embedder.audio_encoder, joint.embedder.video_encoder
        self.audio_video_encoder: Any = joint.to_empty(device="cpu")
        self.audio_video_head: Any = model.audio_video_head.to_empty(device="cpu")
        self.text_audio_video_head: Any = model.text_audio_video_head.to_empty(device="cpu")
        own = type(joint.rotary_emb)(joint.config)  # to_empty leaves its frequencies undefined
        joint.rotary_emb = own


class _Aligned(torch.nn.Module):
    """The first layer of the joint tower, from the states of both others."""

    def __init__(self, embedder: Any) -> None:
        super().__init__()
        self.video_proj, self.video_norm = embedder.video_proj, embedder.video_norm
        self.concat_modality_proj, self.data_proj = embedder.concat_modality_proj, embedder.data_proj

    def forward(self, heard: torch.Tensor, seen: torch.Tensor, **_: Any) -> tuple[torch.Tensor, None, None, None]:
        shown = self.video_proj(seen.transpose(1, 2))
        if shown.shape[2] != heard.shape[1]:
            shown = torch.nn.functional.interpolate(shown, size=heard.shape[1], mode="nearest")
        both = torch.cat([heard, self.video_norm(shown.transpose(1, 2))], dim=-1)
        return self.data_proj(self.concat_modality_proj(both)), None, None, None


class PeAvJointBackbone(PeAvBackbone):
    """PE-AV by transformers, with the joint tower. Parameters: those of `PeAvBackbone`."""

    name = "pe_av_joint"
    rounding: Mapping[str, Rounding] = {
        **ROUNDING,
        **dict.fromkeys(("audio_visual", "audio_visual_text"), BY_TOWER),
    }
    towers: ClassVar[type[Towers]] = _JointTowers
    unused: ClassVar[tuple[str, ...]] = (
        tuple(
            beginning
            for beginning in UNUSED
            if beginning not in ("audio_video_encoder.", "audio_video_head.", "text_audio_video_head.")
        )
        + _TWICE
    )

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
        super().__init__(
            weights, config, frames, prompt, device, dtype, batch_size, autocast, compile, fixed_batch, download
        )
        self._compiled(self._towers.audio_video_encoder)
        self.joint_picture = self._transform.resized
        self.spec: BackboneSpec = replace(self.spec, audio_visual_dim=self._dim)

    def _changed(self, towers: Any) -> None:
        towers.audio_video_encoder.embedder = _Aligned(towers.audio_video_encoder.embedder)

    def declaration(self) -> dict[str, Any]:
        return {**super().declaration(), "joint": "class token of the joint tower, of a segment's picture and sound",
                "prompts": dict.fromkeys(("audio", "visual", "audio_visual"), self._template)}  # fmt: skip

    def _text_head(self, modality: Modality) -> Any:
        return self._towers.text_audio_video_head if modality == "audio_visual" else super()._text_head(modality)

    @inference
    def encode_audio_visual(self, items: Sequence[tuple[Sequence[Frame], Waveform]]) -> Embeddings:
        return scatter(self._together(items), self._dim)

    def _together(self, items: Sequence[tuple[Sequence[Frame], Waveform]]) -> Iterator[tuple[list[int], torch.Tensor]]:
        """Places and rows; items of one length of sound and one number of pictures go through the towers together."""
        frames, shown = distinct_frames([frames for frames, _ in items])
        if not frames:
            return
        features = self._features_of_all(frames)
        towers = self._towers
        for count in sorted(set(map(len, shown))):
            those = [k for k, places in enumerate(shown) if len(places) == count]
            sounds = [whole_hops(items[k][1]) for k in those]
            for places, waves in by_length(sounds, self._most, self.device, fill=self.fixed_batch):
                own = [those[p] for p in places]
                filled = [*own, *[own[-1]] * (len(waves) - len(own))]
                rows = index_of([shown[k] for k in filled], self.device)
                seen = towers.video_model.video_encoder(features[rows], return_dict=True).last_hidden_state
                heard = towers.audio_model.audio_encoder(waves.unsqueeze(1), return_dict=True).last_hidden_state
                joint = towers.audio_video_encoder(heard, seen, return_dict=True).pooler_output
                yield own, unit(towers.audio_video_head(joint))[: len(own)]
