"""CLIP for pictures and CLAP for sounds, as in AV2A's second pair of foundation models.

A window or clip is eight frames encoded one by one. By default the CLIP rows keep their length, as in the released
code: the length of a text embedding then weighs its label.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.errors import UsageError
from ..media.resize import Resize
from ._clap import SAMPLE_RATE, ClapTower
from ._laion_clap import ROBERTA_ID, LaionClapTower
from ._open_clip import ClipTower
from ._prompts import checked_template, text_of
from ._torch import TorchBackbone
from .base import BackboneSpec, Embeddings, Frame, Modality, Waveform


class ClipClapBackbone(TorchBackbone):
    """CLIP by open_clip and CLAP by transformers.

    Parameters
    ----------
    clip_model : an open_clip architecture; OpenAI's weights need a ``-quickgelu`` one
    clip_weights : a tag of open_clip, a file or folder, a hub id (``owner/name[@revision][:file]``, as in every option
        that takes weights), or ``random:SEED``
    clap_package : ``transformers``, or ``laion_clap`` for the checkpoints LAION publishes for its own package
    clap_weights : a folder, a hub id, or ``random:SEED``; for laion_clap a checkpoint file
    clap_model : the architecture under laion_clap: ``HTSAT-tiny`` or ``HTSAT-base``
    clap_tokenizer : under laion_clap, a folder or hub id with the tokenizer of roberta-base
    clap_config : JSON file with the architecture, for random CLAP weights under transformers
    normalise : CLIP rows of length 1
    clip_quick_gelu : whether CLIP weights that are no tag were trained with QuickGELU; needed where nothing beside
        them says it
    visual_prompt, audio_prompt : the text of a label; ``{label}`` stands for it
    crop_seed : take a random part of sounds longer than 10 s, as the packages do, instead of the middle
    device, dtype, batch_size, autocast, compile, fixed_batch : as in `TorchBackbone`
    download : allow weights to be fetched from the hub
    """

    name = "clip_clap"

    def __init__(
        self,
        clip_model: str = "ViT-B-32-quickgelu",
        clip_weights: str = "openai",
        clap_package: str = "transformers",
        clap_weights: str = "laion/clap-htsat-unfused",
        clap_model: str = "HTSAT-tiny",
        clap_tokenizer: str = ROBERTA_ID,
        clap_config: str | None = None,
        normalise: bool = False,
        clip_quick_gelu: bool | None = None,
        visual_prompt: str = "A {label}",
        audio_prompt: str = "This is a sound of {label}",
        crop_seed: int | None = None,
        device: str | None = None,
        dtype: str = "float32",
        batch_size: int = 64,
        autocast: bool = False,
        compile: bool = False,
        fixed_batch: bool = False,
        download: bool = False,
    ) -> None:
        super().__init__(device, dtype, batch_size, autocast, compile, fixed_batch)
        self._templates = {"visual": checked_template(visual_prompt), "audio": checked_template(audio_prompt)}
        self._clip = ClipTower(self, clip_model, clip_weights, normalise, clip_quick_gelu, download)
        self._clap: ClapTower | LaionClapTower
        if clap_package == "laion_clap":
            self._clap = LaionClapTower(self, clap_weights, clap_model, clap_tokenizer, crop_seed, download)
        elif clap_package == "transformers":
            self._clap = ClapTower(self, clap_weights, clap_config, crop_seed, download)
        else:
            raise UsageError(f"clap_package is {clap_package!r}; choose transformers or laion_clap")
        self.rounding = {**self._clip.rounding, **self._clap.rounding}
        self._options = {
            "clip_model": clip_model,
            "clip_weights": self._clip.weights.given,
            "clap_package": clap_package,
            "clap_model": clap_model,
            "clap_weights": self._clap.weights.given,
            "normalise": normalise,
            "clip_quick_gelu": clip_quick_gelu if self._clip.weights.given else None,
            "visual_prompt": visual_prompt,
            "audio_prompt": audio_prompt,
            "crop_seed": crop_seed,
        }
        self.resize_at_decode: Resize | None = self._clip.transform.resize_at_decode
        self.spec: BackboneSpec = BackboneSpec(
            audio_dim=self._clap.dim,
            visual_dim=self._clip.dim,
            sample_rate=SAMPLE_RATE,
            window_frames=8,
            visual_rows=8,
            licence=f"CLIP {self._clip.licence}, CLAP {self._clap.licence}",
        )

    def declaration(self) -> dict[str, Any]:
        return {
            "clip": self._clip.declaration(),
            "clap": self._clap.declaration(),
            "prompts": self._templates,
            **self._declared(self._options),
        }

    def prompts(self, labels: Sequence[str], modality: Modality) -> list[str]:
        return text_of(labels, self._templates[modality])

    def encode_text(self, prompts: Sequence[str], modality: Modality) -> Embeddings:
        return (self._clap if modality == "audio" else self._clip).text(prompts)

    def encode_images(self, frames: Sequence[Frame]) -> Embeddings:
        return self._clip.images(frames)

    def encode_audio(self, clips: Sequence[Waveform]) -> Embeddings:
        return self._clap.audio(clips)
