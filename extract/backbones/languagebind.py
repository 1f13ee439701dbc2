"""LanguageBind, AV2A's first foundation model: a segment is an image, a window or clip a video of eight frames.

Rows have length 1. The released code also multiplies them by a constant per modality, which cancels in AV2A's scores.
Needs transformers 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from ...core.errors import UsageError
from ..media.device_frames import fetched
from ._batches import chooser, distinct_frames, index_of, unit
from ._fbank import kaldi_fbank
from ._images import PictureTransform
from ._languagebind import build_tower, published_config
from ._prompts import checked_template, text_of
from ._rounding import Rounding, by_type
from ._tokenizers import clip_tokens
from ._torch import TorchBackbone, inference
from .base import BackboneSpec, Embeddings, Frame, Modality, Waveform
from .weights.cards import licence_of
from .weights.choice import OF_TRANSFORMERS
from .weights.found import Weights, built_from, config_hash, find_weights

SAMPLE_RATE = 16000
SENSES = ("image", "video", "audio")

IMAGE = PictureTransform(rounding="none")
"""torchvision on float tensors: bicubic, with antialiasing, as torchvision 0.17 and newer do it."""
VIDEO = PictureTransform(method="bilinear", antialias=False, rounding="none", ratio_first=True)
"""pytorchvideo's ShortSideScale and the middle cut out."""

ROUNDING = dict.fromkeys(
    ("pictures", "clips", "sounds", "audio_text", "visual_text"),
    Rounding(
        beside=by_type(fp32=5e-5, tf32=1e-2, bf16=4e-2, fp16=1e-2),
        elsewhere=by_type(fp32=1e-3, tf32=1e-2, bf16=6e-2, fp16=2e-2),
    ),
)


def mel_picture(mel: torch.Tensor, length: int, generator: np.random.Generator | None = None) -> torch.Tensor:
    """[3, bins, length] of a spectrogram [frames, bins]: repeated until it is long enough, or three parts of a longer
    one, each from the start of a third of the possible places, or from a random place in it."""
    if len(mel) <= length:
        mel = mel.repeat(length // len(mel) + 1, 1)[:length]
        return mel.T.expand(3, -1, -1)
    thirds = [part if len(part) else np.zeros(1, int) for part in np.array_split(np.arange(len(mel) - length + 1), 3)]
    starts = [int(third[0] if generator is None else generator.choice(third)) for third in thirds]
    return torch.stack([mel[start : start + length].T for start in starts])


def _joined(licences: Iterable[str]) -> str:
    """Each licence once, in order."""
    return ", ".join(dict.fromkeys(licences))


class LanguageBindBackbone(TorchBackbone):
    """Image, video, audio and language towers by the package ``languagebind``.

    Parameters
    ----------
    image_weights, video_weights, audio_weights : folder, hub id, or ``random:SEED``; the checkpoints with and
        without ``_FT`` (full tuning, or adapters) both load. The image checkpoint's text tower is used.
    image_config, video_config, audio_config : JSON files with the architectures, for random weights
    prompt : the text of a label; ``{words}`` is the label in lower case with spaces for underscores
    release_seed : mirror half of the videos and take random parts of sounds longer than 10.4 s, as the released
        code does; the choice follows from the seed and the content. None: neither
    device, dtype, batch_size, autocast, compile, fixed_batch : as in `TorchBackbone`; a video counts as its frames
    download : allow weights to be fetched from the hub
    """

    name = "languagebind"
    rounding = ROUNDING

    def __init__(
        self,
        image_weights: str = "LanguageBind/LanguageBind_Image",
        video_weights: str = "LanguageBind/LanguageBind_Video_FT",
        audio_weights: str = "LanguageBind/LanguageBind_Audio_FT",
        image_config: str | None = None,
        video_config: str | None = None,
        audio_config: str | None = None,
        prompt: str = "A {words}",
        release_seed: int | None = None,
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
        self._seed = release_seed
        given = {"image": image_weights, "video": video_weights, "audio": audio_weights}
        configs = {"image": image_config, "video": video_config, "audio": audio_config}
        self._weights: dict[str, Weights] = {}
        self._configs: dict[str, dict[str, Any]] = {}
        self._towers: dict[str, Any] = {}
        for sense in SENSES:
            weights = find_weights(given[sense], download=download, option=f"{sense}_weights", prefer=OF_TRANSFORMERS)
            default = published_config(sense) if weights.random else None
            config = weights.config(configs[sense], default)
            with built_from(weights):
                tower = build_tower(sense, weights, config)
            if sense != "image":
                del tower.text_model, tower.text_projection
            self._weights[sense], self._configs[sense] = weights, config
            self._towers[sense] = self._ready(tower)
            self._compiled(tower.vision_model)
        widths = {sense: tower.config.projection_dim for sense, tower in self._towers.items()}
        if len(set(widths.values())) > 1:
            raise UsageError(f"the towers' embeddings differ in width ({widths}); choose checkpoints of one family")
        self._dim = int(widths["image"])
        self._sound = self._towers["audio"].config.vision_config
        self.spec: BackboneSpec = BackboneSpec(
            audio_dim=self._dim,
            visual_dim=self._dim,
            sample_rate=int(self._sound.audio_sample_rate),
            window_frames=int(self._towers["video"].config.vision_config.num_frames),
            visual_rows=1,
            licence=_joined(licence_of(weights, "MIT") for weights in self._weights.values()),
        )

    def declaration(self) -> dict[str, Any]:
        options: dict[str, Any] = {f"{sense}_weights": weights.given for sense, weights in self._weights.items()}
        options |= {"prompt": self._template, "release_seed": self._seed}
        return {
            "towers": {
                sense: {
                    "weights": weights.name,
                    "weights_sha256": weights.sha256,
                    "config_sha256": config_hash(self._configs[sense]),
                }
                for sense, weights in self._weights.items()
            },
            "picture": IMAGE.declaration(),
            "video": VIDEO.declaration(),
            "sound": "Kaldi filter bank, repeated to the tower's length; longer: three parts",
            "prompts": {"audio": self._template, "visual": self._template},
            "release_seed": self._seed,
            **self._declared(options),
        }

    def prompts(self, labels: Sequence[str], modality: Modality) -> list[str]:
        return text_of(labels, self._template)

    @inference
    def encode_text(self, prompts: Sequence[str], modality: Modality) -> Embeddings:
        def encode(part: Sequence[str]) -> torch.Tensor:
            tokens = clip_tokens(part)
            # the end of text has the highest number; what follows it is filling
            mask = torch.arange(tokens.shape[1]) <= tokens.argmax(dim=1, keepdim=True)
            ids, mask = tokens.to(self.device), mask.long().to(self.device)
            return unit(self._towers["image"].get_text_features(input_ids=ids, attention_mask=mask))

        return self._encoded_texts(prompts, encode, self._dim)

    @inference
    def encode_images(self, frames: Sequence[Frame]) -> Embeddings:
        def encode(part: Sequence[Frame]) -> torch.Tensor:
            return self._features("image", self._prepared(IMAGE, part, self.feature_device))

        return self._encoded(frames, encode, self._dim)

    @inference
    def encode_clips(self, clips: Sequence[Sequence[Frame]]) -> Embeddings:
        frames, places = distinct_frames(clips)  # each is resized once
        pictures = self._prepared_in_batches(VIDEO, frames, self.feature_device)
        held = frames if self._seed is None else fetched(frames)  # the choice follows from their bytes

        def encode(part: Sequence[Sequence[int]]) -> torch.Tensor:
            videos = pictures[index_of(part, self.device)]
            for k, clip in enumerate(part):
                if self._mirrored([held[place] for place in clip]):
                    videos[k] = videos[k].flip(-1)
            return self._features("video", videos.transpose(1, 2))

        size = max(1, self.batch_size // self.spec.window_frames)
        return self._encoded(places, encode, self._dim, size)[:, None]

    @inference
    def encode_audio(self, clips: Sequence[Waveform]) -> Embeddings:
        def encode(part: Sequence[Waveform]) -> torch.Tensor:
            return self._features("audio", self._prepared(self.sound_pictures, part))

        return self._encoded(clips, encode, self._dim)

    def sound_pictures(self, clips: Sequence[Waveform]) -> torch.Tensor:
        """[n, 3, bins, length] float32, what the package's audio transform gives."""
        bins, length = int(self._sound.num_mel_bins), int(self._sound.target_length)

        def prepare(waves: torch.Tensor) -> torch.Tensor:
            waves = waves - waves.mean(dim=-1, keepdim=True)
            mels = kaldi_fbank(waves, bins, self.spec.sample_rate)
            seeds = [None if self._seed is None else chooser(self._seed, wave.cpu().numpy()) for wave in waves]
            pictures = torch.stack([mel_picture(mel, length, seed) for mel, seed in zip(mels, seeds, strict=True)])
            found: torch.Tensor = (pictures - self._sound.audio_mean) / (self._sound.audio_std * 2)
            return found

        return self._spectrograms(clips, prepare)

    def _mirrored(self, clip: Sequence[Frame]) -> bool:
        return self._seed is not None and bool(chooser(self._seed, *clip).random() < 0.5)

    def _features(self, sense: str, inputs: torch.Tensor) -> torch.Tensor:
        return unit(self._towers[sense].get_image_features(pixel_values=inputs))
