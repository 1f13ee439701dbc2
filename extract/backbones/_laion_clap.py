"""The sound and text towers of CLAP, as LAION's package has them, with the checkpoints it publishes."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...core.errors import UsageError
from ...core.installation import install_command
from ._batches import unit
from ._clap import ROUNDING, all_ten_seconds
from ._packages import import_models
from ._tokenizers import tokenizer_of
from ._torch import Exact, inference
from .base import Embeddings, Waveform
from .weights.cards import licence_of
from .weights.fill import fill
from .weights.found import config_hash, find_weights, read_json
from .weights.tensors import State
from .weights.undrawn import undrawn

if TYPE_CHECKING:
    from ._torch import TorchBackbone

ROBERTA = {"vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5,
           "pad_token_id": 1}  # fmt: skip
"""roberta-base, whose weights are in the checkpoint too: the package fetches them only to overwrite them."""
ROBERTA_ID = "FacebookAI/roberta-base"
PUBLISHED = (
    "630k-audioset-best.pt", "630k-best.pt", "music_audioset_epoch_15_esc_90.14.pt",
    "music_speech_audioset_epoch_15_esc_89.98.pt", "music_speech_epoch_15_esc_89.25.pt",
)  # fmt: skip
"""LAION's own files without fusion, of lukewys/laion_clap; the music ones are of HTSAT-base."""
_SPECTROGRAM = r"spectrogram_extractor|logmel_extractor"
_MAY_LACK = r"position_ids|relative_position_index|attn_mask"
_WIDTHS = {96: "HTSAT-tiny", 128: "HTSAT-base", 256: "HTSAT-large"}
"""Of the first layer of the sound tower, which tells the architectures apart."""


class LaionClapTower:
    """LAION's CLAP without feature fusion; sounds are rounded to 16 bits, as the package does.

    Parameters
    ----------
    host : the backbone; it has the device and the number type of the computation
    weights : a checkpoint file of LAION, a folder or hub id that has one, or ``random:SEED``
    model : ``HTSAT-tiny``, or ``HTSAT-base`` for the music checkpoints
    tokenizer : folder or hub id with the tokenizer of roberta-base
    seed : of random crops of sounds longer than 10 s; None: the middle
    download : allow the network
    """

    rounding = ROUNDING

    def __init__(
        self, host: TorchBackbone, weights: str, model: str, tokenizer: str, seed: int | None, download: bool
    ) -> None:
        self._host, self._seed = host, seed
        self.weights = find_weights(weights, download=download, option="clap_weights")
        try:
            (package,) = import_models("laion_clap", ["clap_module.model"], bare=["clap_module"])
        except ImportError as error:
            raise UsageError(
                f"clap_package laion_clap needs {error.name or 'a package'}, which is not installed: "
                f"{install_command('laion-clap')}"
            ) from error
        config = _config(model)
        self._config, self._model_name = config_hash(config), model
        own = self.weights.files and self.weights.files[0].name in PUBLISHED
        self.licence = licence_of(self.weights, "CC0-1.0" if own else "as its weights")
        with _roberta_from_config(package), undrawn():
            built = package.CLAP(**{**config, "enable_fusion": False, "fusion_type": "None"})
        fill(built, self.weights, may_lack=_MAY_LACK, keep=_SPECTROGRAM, hint=lambda state: _other_form(state, model))
        place = None if self.weights.random and tokenizer == ROBERTA_ID else tokenizer
        self._tokenizer = tokenizer_of(self.weights, place, download=download, longest=77, option="clap_tokenizer")
        sound = built.audio_branch
        extractors = [sound.spectrogram_extractor, sound.logmel_extractor]
        sound.spectrogram_extractor, sound.logmel_extractor = torch.nn.Identity(), torch.nn.Identity()
        self._model: Any = host._ready(built)
        # spectrograms need float32; what follows takes the number type of the weights
        sound.logmel_extractor = Exact(torch.nn.Sequential(*extractors), host.device, host.weights_dtype)
        host._compiled(built.audio_branch)
        self.dim = int(built.joint_embed_shape)

    def declaration(self) -> dict[str, Any]:
        return {
            "package": "laion_clap",
            "model": self._model_name,
            "config_sha256": self._config,
            "weights": self.weights.name,
            "weights_sha256": self.weights.sha256,
            "longer_than_10_s": "middle" if self._seed is None else f"random, seed {self._seed}",
        }

    @inference
    def audio(self, clips: Sequence[Waveform]) -> Embeddings:
        def encode(part: Sequence[Waveform]) -> torch.Tensor:
            waves = all_ten_seconds([sixteen_bits(clip) for clip in part], self._seed, self._host.device)
            inputs = {"waveform": waves, "longer": torch.zeros(len(part), 1, dtype=torch.bool)}
            rows = self._model.encode_audio(inputs, device=self._host.device)["embedding"]
            return unit(self._model.audio_projection(rows))

        return self._host._encoded(clips, encode, self.dim)

    @inference
    def text(self, prompts: Sequence[str]) -> Embeddings:
        def encode(part: Sequence[str]) -> torch.Tensor:
            return unit(self._model.encode_text(self._tokenizer(part), device=self._host.device))

        return self._host._encoded_texts(prompts, encode, self.dim)


def sixteen_bits(clip: Waveform) -> Waveform:
    """The sound as whole multiples of 1 / 32767, cut off towards 0."""
    return ((np.clip(clip, -1, 1) * 32767.0).astype(np.int16) / 32767.0).astype(np.float32)


def _other_form(state: State, model: str) -> str:
    """What the tensors of a file say of the architecture it is for; empty if nothing."""
    if any(".mel_conv2d." in key or ".fusion_model." in key for key in state):
        return (
            "they are of a model with feature fusion, which is read with clap_package=transformers and "
            "clap_weights=laion/clap-htsat-fused; or choose a file without fusion, such as 630k-audioset-best.pt"
        )
    first = state.get("audio_branch.patch_embed.proj.weight")
    name = _WIDTHS.get(len(first)) if first is not None and first.ndim == 4 else None
    return f"they are of {name}: choose clap_model={name}" if name not in (None, model) else ""


def _config(model: str) -> dict[str, Any]:
    spec = find_spec("laion_clap")
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "clap_module" / "model_configs"
    known = sorted(path.stem for path in folder.glob("HTSAT-*.json"))
    if model not in known:
        raise UsageError(f"laion_clap has no model {model!r}; choose one of {', '.join(known)}")
    config = read_json(folder / f"{model}.json")
    config["text_cfg"]["model_type"] = "roberta"
    return config


@contextmanager
def _roberta_from_config(package: Any) -> Iterator[None]:
    """Build the text tower from its configuration instead of fetching roberta-base from the hub."""
    from transformers import RobertaConfig, RobertaModel

    before, disabled = package.RobertaModel, logging.root.manager.disable
    package.RobertaModel = SimpleNamespace(from_pretrained=lambda name: RobertaModel(RobertaConfig(**ROBERTA)))
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        package.RobertaModel = before
        logging.disable(disabled)
